"""What stands before the page: whose requests are answered, how large they may be, and what a browser is told about the answer."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import ipaddress
import json
import re
import socket
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from pathlib import Path
from typing import Any

from benchmark.datasets.images.picture import SUFFIXES

MAX_UPLOAD_BYTES = 51 * 2**20  # bytes of an upload: an image of 50 MB, and what is around it
MAX_QUESTION_BYTES = 2**16  # bytes of any other request
MAX_WAITING_BYTES = 500 * 2**20  # bytes of uploads that nobody has asked about
UPLOAD, QUESTION = "/gradio_api/upload", "/gradio_api/queue/join"
POST_PATHS = (UPLOAD, QUESTION, "/gradio_api/reset", "/gradio_api/cancel")
GET_PATHS = re.compile(  # what a browser asks for that shows the page
    "/|/config|/theme[.]css|/manifest[.]json|/favicon[.]ico|/(assets|static)/.+"
    "|/gradio_api/(queue/data|upload_progress|startup-events|heartbeat/[^/]+)/?"
)
HOST = re.compile(
    r"(?P<name>\[[0-9a-f:.]+\]|[\w.-]+?)[.]?(:(?P<port>[0-9]{1,5}))?", re.ASCII | re.IGNORECASE
)
PORTS = {"http": 80, "https": 443}
BODY_TIMEOUT_S = 120  # seconds that the body of a request may take
LOOPBACK = ("localhost", "127.0.0.1", "::1")
ALL_INTERFACES = ("0.0.0.0", "::", "")  # noqa: S104  # to listen there is the user's choice
SCRIPT = re.compile(rb"<script(?P<attributes>[^>]*)>(?P<text>.*?)</script>", re.DOTALL)

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class RefusedError(Exception):
    """A request is not answered.

    Parameters
    ----------
    status : int
    reason : str
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class Guard:
    """ASGI application around another.

    Parameters
    ----------
    app : ASGI application
    host : str
        Address that is listened at; its name is answered to, beside those of this machine for
        itself.
    uploads : Path
    """

    def __init__(self, app: App, host: str, uploads: Path) -> None:
        self.app = app
        self.uploads = uploads
        self.everywhere = host in ALL_INTERFACES
        own = (socket.gethostname(), socket.getfqdn()) if self.everywhere else (host,)
        self.names = {name.lower().strip("[]") for name in (*LOOPBACK, *own)}
        self.coming = 0  # bytes of uploads that are being received

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or say in a line why not."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        answer = _Answer(send, scope["method"] == "POST")
        try:
            self._check_sender(scope)
            await self._forward_request(scope, receive, answer)
        except RefusedError as refused:
            await answer.send_refusal(refused.status, refused.reason)
        except Exception:  # a request that the page cannot read is the sender's mistake
            await answer.send_refusal(400, "this request cannot be read")

    def _check_sender(self, scope: Scope) -> None:
        """Refuse what another site has a browser send: by a name that is not ours, or from a page that is not ours."""
        hosts = _header_values(scope, b"host")
        if len(hosts) != 1 or not self._is_own_host(_read_host(hosts[0])):
            raise RefusedError(
                400,
                "this is not the name of this page; start it with --host NAME to give it another",
            )
        origins, sites = _header_values(scope, b"origin"), _header_values(scope, b"sec-fetch-site")
        own = _read_origin(f"{scope.get('scheme', 'http')}://{hosts[0]}")
        foreign = any(_read_origin(origin) != own for origin in origins)
        changing = scope["method"] not in ("GET", "HEAD")
        if foreign or (changing and any(site not in ("same-origin", "none") for site in sites)):
            raise RefusedError(403, "requests of other sites are not answered")
        if changing and (scope["method"] != "POST" or scope["path"].rstrip("/") not in POST_PATHS):
            raise RefusedError(404, "there is nothing to be changed here")
        if not changing and not GET_PATHS.fullmatch(scope["path"]):
            raise RefusedError(404, "there is nothing here")

    def _is_own_host(self, host: tuple[str, int | None] | None) -> bool:
        name = host[0] if host else ""
        return name in self.names or (self.everywhere and _is_ip_address(name))

    async def _forward_request(self, scope: Scope, receive: Receive, answer: _Answer) -> None:
        path = scope["path"].rstrip("/")
        most = MAX_UPLOAD_BYTES if path == UPLOAD else MAX_QUESTION_BYTES
        announced = _header_values(scope, b"content-length")
        if announced and (not announced[0].isdigit() or int(announced[0]) > most):
            raise RefusedError(413, f"more than {most >> 20 or 1} MB")
        if path == QUESTION:  # it is written anew
            scope = _without_header(scope, b"content-length")
        if path == "":  # its scripts are looked at, so the page must not be packed
            scope = _without_header(scope, b"accept-encoding")
        if path == QUESTION:
            receive = await self._rewrite_question(receive, most)
        if path != UPLOAD:
            await self.app(scope, _limit_body(receive, most), answer.send)
            return
        size = int(announced[0]) if announced else most
        held = await asyncio.to_thread(_folder_size, self.uploads)
        if held + self.coming + size > MAX_WAITING_BYTES:
            raise RefusedError(503, "too many images are waiting; try again in two minutes")
        self.coming += size
        try:
            await self.app(scope, _limit_body(receive, most), answer.send)
        finally:
            self.coming -= size

    async def _rewrite_question(self, receive: Receive, most: int) -> Receive:
        """Read a question about an uploaded image, or none, and hand on what of it is needed."""
        try:
            asked = json.loads(await _read_body(_limit_body(receive, most)))
            (image,) = asked["data"]
            path = None if image is None else Path(image["path"])
            session = {
                "session_hash": str(asked["session_hash"])[:100],
                "trigger_id": int(asked.get("trigger_id") or 0),
            }
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
            raise RefusedError(400, "this is no question about an uploaded image") from None
        if path and (
            path.resolve() != path or path.parent.parent != self.uploads or not path.is_file()
        ):
            raise RefusedError(400, "this image is not here: upload it, and ask once")
        if path and path.suffix.lower() not in SUFFIXES:
            raise RefusedError(
                400,
                f"this is no image file: its name must end in one of {', '.join(sorted(SUFFIXES))}",
            )
        named = None if path is None else {"path": str(path), "meta": {"_type": "gradio.FileData"}}
        question = {"data": [named], "fn_index": 0, "event_data": None, **session}
        whole: list[Message] = [
            {"type": "http.request", "body": json.dumps(question).encode(), "more_body": False}
        ]

        async def receive_question() -> Message:
            return whole.pop() if whole else await receive()

        return receive_question


class _Answer:
    """What goes back: with headers that keep a browser from doing more with it than showing it."""

    def __init__(self, send: Send, is_change: bool) -> None:
        self.pass_on = send
        self.is_change = is_change
        self.begun: Message | None = None
        self.is_page = False
        self.body = b""

    async def send(self, message: Message) -> None:
        """Send on; the page itself is held back until its scripts are known."""
        if message["type"] == "http.response.start":
            if self.is_change and message["status"] >= 500:
                raise RefusedError(400, "this request cannot be read")
            self.begun = message
            self.is_page = any(
                name == b"content-type" and b"text/html" in value
                for name, value in message["headers"]
            )
            if not self.is_page:
                await self.pass_on(
                    {**message, "headers": [*message["headers"], *_security_headers(b"")]}
                )
            return
        if not self.is_page:
            await self.pass_on(message)
            return
        self.body += message.get("body", b"")
        if not message.get("more_body"):
            assert self.begun is not None
            await self.pass_on(
                {**self.begun, "headers": [*self.begun["headers"], *_security_headers(self.body)]}
            )
            await self.pass_on({"type": "http.response.body", "body": self.body})

    async def send_refusal(self, status: int, reason: str) -> None:
        """Answer with a line of text, unless another answer has begun."""
        if self.begun is not None:
            return
        headers = [
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"connection", b"close"),
            *_security_headers(b""),
        ]
        await self.pass_on({"type": "http.response.start", "status": status, "headers": headers})
        await self.pass_on({"type": "http.response.body", "body": reason.encode()})


def _security_headers(page: bytes) -> list[tuple[bytes, bytes]]:
    """Headers of every answer; scripts within a page are allowed by their digests."""
    # Gradio fills in HTML by a function that it makes of a text, hence 'unsafe-eval'
    scripts = " ".join(["'self'", "'unsafe-eval'", *_script_digests(page)])
    policy = (
        f"default-src 'self'; script-src {scripts}; style-src 'self' 'unsafe-inline'; img-src "
        "'self' data: blob:; font-src 'self' data:; "
        "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
    )
    return [
        (b"content-security-policy", policy.encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"x-frame-options", b"DENY"),
        (b"referrer-policy", b"no-referrer"),
        (b"cross-origin-resource-policy", b"same-origin"),
    ]


def _script_digests(page: bytes) -> Iterator[str]:
    for script in SCRIPT.finditer(page):
        if b"src=" not in script["attributes"]:
            yield f"'sha256-{base64.b64encode(hashlib.sha256(script['text']).digest()).decode()}'"


def _read_host(text: str) -> tuple[str, int | None] | None:
    """Name, in lower case and without the last dot, and port of a Host header; None where it is anything else."""
    match = HOST.fullmatch(text)
    return (
        (match["name"].lower().strip("[]"), int(match["port"]) if match["port"] else None)
        if match
        else None
    )


def _read_origin(text: str) -> tuple[str, str, int | None] | None:
    """Scheme, name and port of an origin; None where it is anything else, as 'null'."""
    scheme, _, host = text.lower().partition("://")
    read = _read_host(host)
    return (scheme, read[0], read[1] or PORTS.get(scheme)) if read else None


def _header_values(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key == name]


def _without_header(scope: Scope, name: bytes) -> Scope:
    return {**scope, "headers": [pair for pair in scope["headers"] if pair[0] != name]}


def _is_ip_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _folder_size(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size
        except OSError:  # deleted meanwhile
            continue
    return total


def _limit_body(receive: Receive, most: int) -> Receive:
    """Receive no more than so many bytes of a body, and in no longer than ``BODY_TIMEOUT_S``."""
    taken, is_whole = 0, False
    deadline = asyncio.get_running_loop().time() + BODY_TIMEOUT_S

    async def receive_within_limits() -> Message:
        nonlocal taken, is_whole
        try:
            async with asyncio.timeout_at(
                None if is_whole else deadline
            ):  # afterwards it is waited for the sender to leave
                message = await receive()
        except TimeoutError:
            raise RefusedError(408, f"not received within {BODY_TIMEOUT_S} s") from None
        is_whole = not message.get("more_body")
        taken += len(message.get("body", b""))
        if taken > most:
            raise RefusedError(413, f"more than {most >> 20 or 1} MB")
        return message

    return receive_within_limits


async def _read_body(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise RefusedError(400, "this request is not complete")
        body += message.get("body", b"")
        if not message.get("more_body"):
            return body
