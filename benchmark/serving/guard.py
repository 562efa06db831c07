"""Protection of the page: origin and size of requests, and security headers of responses."""

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

from benchmark.serving.uploads import MAX_FILES

MAX_UPLOAD_BYTES = 200 * 2**20  # of the images, or the zip file, in one upload
MAX_QUESTION_BYTES = 2**22  # of any other request
MAX_WAITING_BYTES = 1000 * 2**20  # of uploads that wait for their question, or are unpacked
UPLOAD, QUESTION = "/gradio_api/upload", "/gradio_api/queue/join"
POST_PATHS = (UPLOAD, QUESTION, "/gradio_api/reset", "/gradio_api/cancel")
REPORT = "/report.html"
GET_PATHS = re.compile(
    "/|/report[.]html|/config|/theme[.]css|/manifest[.]json|/favicon[.]ico|/(assets|static)/.+"
    "|/gradio_api/(queue/data|upload_progress|startup-events|heartbeat/[^/]+)/?"
)
HOST = re.compile(
    r"(?P<name>\[[0-9a-f:.]+\]|[\w.-]+?)[.]?(:(?P<port>[0-9]{1,5}))?", re.ASCII | re.IGNORECASE
)
NO_QUESTION = "this is not a question about uploaded files"
QUESTIONS = (0, 1)  # about files, and about a folder: the events of the page, in their order
FILE_TYPE = {"_type": "gradio.FileData"}
PORTS = {"http": 80, "https": 443}
BODY_TIMEOUT_S = 120  # for receiving the body of a request
LOOPBACK = ("localhost", "127.0.0.1", "::1")
ALL_INTERFACES = ("0.0.0.0", "::", "")  # noqa: S104  # only if the user chooses it
SCRIPT = re.compile(rb"<script(?P<attributes>[^>]*)>(?P<text>.*?)</script>", re.DOTALL)

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class RefusedError(Exception):
    """A request is refused.

    Parameters
    ----------
    status : int
        HTTP status.
    reason : str
        Text of the response.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class Guard:
    """ASGI application that checks requests before another application receives them.

    Parameters
    ----------
    app : ASGI application
    host : str
        Address that the page listens on. Requests must name it, or the loopback interface, in
        their Host header.
    uploads : Path
        Folder of the uploaded files.
    report : str
        HTML of the report, which may be shown in a frame of the page; empty if there is none.
    """

    def __init__(self, app: App, host: str, uploads: Path, report: str = "") -> None:
        self.app = app
        self.uploads = uploads
        self.report = report.encode()
        self.on_all_interfaces = host in ALL_INTERFACES
        own = (socket.gethostname(), socket.getfqdn()) if self.on_all_interfaces else (host,)
        self.names = {name.lower().strip("[]") for name in (*LOOPBACK, *own)}
        self.incoming_bytes = 0  # of uploads that are being received

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it with a line of text."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        answer = _Answer(send, scope["method"] == "POST")
        try:
            self._check_sender(scope)
            if scope["path"] == REPORT:
                await self._send_report(scope, send)
            else:
                await self._forward_request(scope, receive, answer)
        except RefusedError as refused:
            await answer.send_refusal(refused.status, refused.reason)
        except Exception:  # the page fails on a malformed request, which is the sender's error
            await answer.send_refusal(400, "this request cannot be read")

    def _check_sender(self, scope: Scope) -> None:
        """Refuse requests to another host name, requests from other sites, and unknown paths."""
        hosts = _header_values(scope, b"host")
        if len(hosts) != 1 or not self._is_own_host(_read_host(hosts[0])):
            raise RefusedError(
                400,
                "this page has another host name; start it with --host NAME to change the name",
            )
        origins, sites = _header_values(scope, b"origin"), _header_values(scope, b"sec-fetch-site")
        own = _read_origin(f"{scope.get('scheme', 'http')}://{hosts[0]}")
        foreign = any(_read_origin(origin) != own for origin in origins)
        changing = scope["method"] not in ("GET", "HEAD")
        if foreign or (changing and any(site not in ("same-origin", "none") for site in sites)):
            raise RefusedError(403, "requests from other sites are refused")
        if changing and (scope["method"] != "POST" or scope["path"].rstrip("/") not in POST_PATHS):
            raise RefusedError(404, "there is nothing to change here")
        if not changing and not GET_PATHS.fullmatch(scope["path"]):
            raise RefusedError(404, "there is nothing here")
        if scope["path"] == REPORT and any(site not in ("same-origin", "none") for site in sites):
            raise RefusedError(403, "the report is shown to this page only")

    def _is_own_host(self, host: tuple[str, int | None] | None) -> bool:
        name = host[0] if host else ""
        return name in self.names or (self.on_all_interfaces and _is_ip_address(name))

    async def _send_report(self, scope: Scope, send: Send) -> None:
        """Send the report, in a sandbox: its scripts run, but cannot reach the page."""
        if not self.report:
            raise RefusedError(404, "there is nothing here")
        headers = [
            (b"content-type", b"text/html; charset=utf-8"),
            (b"content-length", str(len(self.report)).encode()),
            *_security_headers(self.report, is_framed=True),
        ]
        body = b"" if scope["method"] == "HEAD" else self.report
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _forward_request(self, scope: Scope, receive: Receive, answer: _Answer) -> None:
        path = scope["path"].rstrip("/")
        max_bytes = MAX_UPLOAD_BYTES if path == UPLOAD else MAX_QUESTION_BYTES
        announced = _header_values(scope, b"content-length")
        if announced and (not announced[0].isdigit() or int(announced[0]) > max_bytes):
            raise RefusedError(413, f"more than {max_bytes >> 20 or 1} MB")
        if path == QUESTION:
            # its body is replaced by one of another length
            scope = _without_header(scope, b"content-length")
        if path == "":
            # the digests of its scripts are computed, so the page must not be compressed
            scope = _without_header(scope, b"accept-encoding")
        if path == QUESTION:
            receive = await self._rewrite_question(receive, max_bytes)
        if path != UPLOAD:
            await self.app(scope, _limit_body(receive, max_bytes), answer.send)
            return
        size = int(announced[0]) if announced else max_bytes
        waiting = await asyncio.to_thread(_folder_size, self.uploads)
        if waiting + self.incoming_bytes + size > MAX_WAITING_BYTES:
            raise RefusedError(503, "too many images are waiting; try again in two minutes")
        self.incoming_bytes += size
        try:
            await self.app(scope, _limit_body(receive, max_bytes), answer.send)
        finally:
            self.incoming_bytes -= size

    async def _rewrite_question(self, receive: Receive, max_bytes: int) -> Receive:
        """Read a question about uploaded files, and pass on only its necessary fields."""
        try:
            original = json.loads(await _read_body(_limit_body(receive, max_bytes)))
            (files,) = original["data"]
            paths = [Path(file["path"]) for file in files or ()]
            question = {
                "fn_index": int(original["fn_index"]),
                "session_hash": str(original["session_hash"])[:100],
                "trigger_id": int(original.get("trigger_id") or 0),
            }
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
            raise RefusedError(400, NO_QUESTION) from None
        if question["fn_index"] not in QUESTIONS:
            raise RefusedError(400, NO_QUESTION)
        if len(paths) > MAX_FILES:
            raise RefusedError(400, f"more than {MAX_FILES:,} files: upload fewer at once")
        if not await asyncio.to_thread(self._are_uploads, paths):
            raise RefusedError(400, "a file is missing: upload it again")
        question["data"] = [[{"path": str(path), "meta": FILE_TYPE} for path in paths]]
        question["event_data"] = None
        messages: list[Message] = [
            {"type": "http.request", "body": json.dumps(question).encode(), "more_body": False}
        ]

        async def receive_question() -> Message:
            return messages.pop() if messages else await receive()

        return receive_question

    def _are_uploads(self, paths: list[Path]) -> bool:
        return all(
            path.resolve() == path and path.parent.parent == self.uploads and path.is_file()
            for path in paths
        )


class _Answer:
    """Response of the page, sent with additional security headers.

    Parameters
    ----------
    send : ASGI send function
    is_change : bool
        Whether the request was a POST; an error of the page is then refused as malformed.
    """

    def __init__(self, send: Send, is_change: bool) -> None:
        self.pass_on = send
        self.is_change = is_change
        self.start: Message | None = None
        self.is_page = False
        self.body = b""

    async def send(self, message: Message) -> None:
        """Send a message on; HTML is held back until it is complete, for its script digests."""
        if message["type"] == "http.response.start":
            if self.is_change and message["status"] >= 500:
                raise RefusedError(400, "this request cannot be read")
            self.start = message
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
            assert self.start is not None
            await self.pass_on(
                {**self.start, "headers": [*self.start["headers"], *_security_headers(self.body)]}
            )
            await self.pass_on({"type": "http.response.body", "body": self.body})

    async def send_refusal(self, status: int, reason: str) -> None:
        """Answer with a line of text, unless another response has been started."""
        if self.start is not None:
            return
        headers = [
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"connection", b"close"),
            *_security_headers(b""),
        ]
        await self.pass_on({"type": "http.response.start", "status": status, "headers": headers})
        await self.pass_on({"type": "http.response.body", "body": reason.encode()})


def _security_headers(page: bytes, is_framed: bool = False) -> list[tuple[bytes, bytes]]:
    """Security headers of a response; inline scripts of the page are allowed by their digests.

    A framed page may be shown in our own page, but its scripts cannot reach it.
    """
    frames = (
        "frame-ancestors 'self'; sandbox allow-scripts" if is_framed else "frame-ancestors 'none'"
    )
    # Gradio evaluates HTML templates as JavaScript, hence 'unsafe-eval'
    scripts = " ".join(["'self'", "'unsafe-eval'", *_script_digests(page)])
    policy = (
        f"default-src 'self'; script-src {scripts}; style-src 'self' 'unsafe-inline'; img-src "
        "'self' data: blob:; font-src 'self' data:; object-src 'none'; base-uri 'self'; "
        f"form-action 'self'; {frames}"
    )
    return [
        (b"content-security-policy", policy.encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"x-frame-options", b"SAMEORIGIN" if is_framed else b"DENY"),
        (b"referrer-policy", b"no-referrer"),
        (b"cross-origin-resource-policy", b"same-origin"),
    ]


def _script_digests(page: bytes) -> Iterator[str]:
    """Yield the digest of each inline script, as in a content security policy."""
    for script in SCRIPT.finditer(page):
        if b"src=" not in script["attributes"]:
            yield f"'sha256-{base64.b64encode(hashlib.sha256(script['text']).digest()).decode()}'"


def _read_host(text: str) -> tuple[str, int | None] | None:
    """Name and port of a Host header, or None if it is malformed.

    The name is in lower case and has no dot at its end.
    """
    match = HOST.fullmatch(text)
    if not match:
        return None
    return match["name"].lower().strip("[]"), int(match["port"]) if match["port"] else None


def _read_origin(text: str) -> tuple[str, str, int | None] | None:
    """Scheme, name and port of an Origin header, or None if it is malformed or 'null'."""
    scheme, _, host = text.lower().partition("://")
    address = _read_host(host)
    return (scheme, address[0], address[1] or PORTS.get(scheme)) if address else None


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
    """Size in bytes of all files in a folder."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size
        except OSError:  # deleted in the meantime
            continue
    return total


def _limit_body(receive: Receive, max_bytes: int) -> Receive:
    """Limit the body of a request to ``max_bytes`` bytes and ``BODY_TIMEOUT_S`` seconds."""
    n_received, is_complete = 0, False
    deadline = asyncio.get_running_loop().time() + BODY_TIMEOUT_S

    async def receive_within_limits() -> Message:
        nonlocal n_received, is_complete
        try:
            # after the body, the next message is that the sender has disconnected, at any time
            async with asyncio.timeout_at(None if is_complete else deadline):
                message = await receive()
        except TimeoutError:
            raise RefusedError(408, f"not received within {BODY_TIMEOUT_S} s") from None
        is_complete = not message.get("more_body")
        n_received += len(message.get("body", b""))
        if n_received > max_bytes:
            raise RefusedError(413, f"more than {max_bytes >> 20 or 1} MB")
        return message

    return receive_within_limits


async def _read_body(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise RefusedError(400, "this request is incomplete")
        body += message.get("body", b"")
        if not message.get("more_body"):
            return body
