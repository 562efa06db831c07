"""The guard of the page: which requests it answers, and how it refuses the others."""

import asyncio
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
from io import BytesIO

import httpx
import pytest
from PIL import Image

from benchmark.pipelines import saving
from benchmark.serving import guard
from benchmark.serving.guard import Guard


@pytest.fixture(scope="module")
def served(classical, tmp_path_factory):
    """Address of the page, folder of its uploads, file of its messages, and its process id."""
    folder = tmp_path_factory.mktemp("guarded")
    saving.save_pipeline(classical, folder / "it.pipeline")
    (folder / "results.sqlite").write_text("no database")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    temporary = folder / "temporary"
    temporary.mkdir()
    command = [
        sys.executable,
        "-m",
        "benchmark",
        "serve",
        str(folder),
        "--port",
        str(port),
    ]
    with (folder / "messages").open("wb") as messages:
        process = subprocess.Popen(
            command,
            env={**os.environ, "TMPDIR": str(temporary)},
            stdout=subprocess.PIPE,
            stderr=messages,
            text=True,
        )
        assert f"http://127.0.0.1:{port}" in process.stdout.readline()
        yield f"http://127.0.0.1:{port}", temporary, folder / "messages", process.pid
        process.send_signal(signal.SIGTERM)
        process.wait(20)
        process.stdout.close()


@pytest.fixture(scope="module")
def image(digits):
    buffer = BytesIO()
    Image.fromarray(digits.images[0, ..., 0]).save(buffer, "PNG")
    return buffer.getvalue()


def upload(address, image, **options):
    return httpx.post(
        f"{address}/gradio_api/upload", files={"files": ("scan.png", image)}, timeout=60, **options
    )


def answer(address, path, session):
    """Answer of the page to a question about an uploaded file."""
    question = {
        "data": [[{"path": path, "meta": {"_type": "gradio.FileData"}}]],
        "fn_index": 0,
        "session_hash": session,
    }
    joined = httpx.post(f"{address}/gradio_api/queue/join", json=question, timeout=60)
    if joined.status_code != 200:
        return joined.text
    with httpx.stream(
        "GET", f"{address}/gradio_api/queue/data?session_hash={session}", timeout=60
    ) as stream:
        lines = []
        for line in stream.iter_lines():
            lines.append(line)
            if "process_completed" in line:
                break
    return "".join(lines)


@pytest.mark.slow
def test_eight_people_with_the_same_image_all_get_an_answer(served, image):
    answers, barrier = [], threading.Barrier(8)

    def ask(k):
        (path,) = upload(served[0], image).json()
        barrier.wait(60)
        answers.append(answer(served[0], path, f"session{k}"))

    people = [threading.Thread(target=ask, args=(k,)) for k in range(8)]
    for person in people:
        person.start()
    for person in people:
        person.join(60)
    assert len(answers) == 8
    assert all('data-pipeline=\\"it.pipeline\\"' in text for text in answers)
    assert not list(served[1].rglob("scan.png"))


def test_an_image_is_deleted_after_its_answer(served, image):
    (path,) = upload(served[0], image).json()
    answer(served[0], path, "first")
    assert "a file is missing: upload it again" in answer(served[0], path, "second")


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="needs Linux")
def test_more_files_can_be_uploaded_than_a_process_may_keep_open(served, image):
    before = resource.prlimit(served[3], resource.RLIMIT_NOFILE)
    resource.prlimit(served[3], resource.RLIMIT_NOFILE, (200, before[1]))
    try:
        files = [("files", (f"folder/{k}.png", image + bytes(4000))) for k in range(300)]
        paths = httpx.post(f"{served[0]}/gradio_api/upload", files=files, timeout=60).json()
    finally:
        resource.prlimit(served[3], resource.RLIMIT_NOFILE, before)
    assert len(set(paths)) == 300


@pytest.mark.parametrize("path", ["/etc/passwd", "", "../x", "/proc/self/environ"])
def test_a_question_about_another_file_is_refused(path, served):
    assert "a file is missing: upload it again" in answer(served[0], path, "other")


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("127.0.0.1:99", 200),
        ("[::1]", 200),
        ("LOCALHOST.", 200),
        ("[::1]:7860", 200),
        ("[0:0::1]", 400),
        ("someone@localhost", 400),
        ("localhost:80@evil.example", 400),
        ("localhost:", 400),
        ("localhost:port", 400),
        ("localhost:-1", 400),
        ("localhost..", 400),
        ("localhost/", 400),
        ("localhost#evil.example", 400),
        ("evil.example#localhost", 400),
        ("local host", 400),
        ("::1", 400),
        ("2130706433", 400),
        ("127.1", 400),
        ("evil.example", 400),
        ("127.0.0.1.evil.example", 400),
        ("127.0.0.1@evil.example", 400),
        ("10.0.0.1", 400),
        ("", 400),
        ("[::1", 400),
    ],
)
def test_only_the_host_names_of_this_machine_are_answered(host, status, served):
    assert httpx.get(f"{served[0]}/config", headers={"Host": host}).status_code == status


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "null",
        "http://localhost",
        "http://127.0.0.1:1",
        "evil",
        "https",
        "path",
        "user",
        "",
        "http://[",
    ],
)
def test_requests_from_other_sites_are_refused(origin, served, image):
    own = served[0]
    same_port = {
        "https": own.replace("http", "https"),
        "path": f"{own}/",
        "user": own.replace("://", "://a@"),
    }
    origin = same_port.get(origin, origin)
    assert upload(served[0], image, headers={"Origin": origin}).status_code == 403
    assert httpx.get(f"{served[0]}/config", headers={"Origin": origin}).status_code == 403
    for door in ("queue/join", "cancel", "reset"):
        assert (
            httpx.post(
                f"{served[0]}/gradio_api/{door}", json={}, headers={"Origin": origin}
            ).status_code
            == 403
        )


def test_requests_without_an_origin_are_judged_by_sec_fetch_site(served, image):
    statuses = [
        upload(served[0], image, headers={"Sec-Fetch-Site": site}).status_code
        for site in ("cross-site", "same-site", "same-origin")
    ]
    assert statuses == [403, 403, 200]
    assert upload(served[0], image, headers={"Origin": served[0]}).status_code == 200


def test_more_files_than_the_limit_are_refused_in_one_line(served):
    refused = httpx.post(f"{served[0]}/gradio_api/queue/join", content=MANY)
    assert (refused.status_code, refused.text) == (
        400,
        "more than 2,000 files: upload fewer at once",
    )


def test_a_report_that_cannot_be_built_is_replaced_by_the_reason(served, image):
    assert "There is no report: " in httpx.get(f"{served[0]}/config").text
    assert httpx.get(f"{served[0]}/report.html").status_code == 404
    (path,) = upload(served[0], image).json()
    assert "it.pipeline" in answer(served[0], path, "beside a damaged folder")


@pytest.mark.parametrize("path", ["/", "/config", "/nowhere", "/gradio_api/upload"])
def test_responses_forbid_other_scripts_and_frames(path, served):
    headers = httpx.get(served[0] + path).headers
    policy = headers["content-security-policy"]
    assert "frame-ancestors 'none'" in policy
    assert "script-src 'self'" in policy
    assert "unsafe-inline" not in policy.split("script-src")[1].split(";")[0]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"


NO_PATH = b'{"data": [{"path": 5}], "fn_index": 0, "session_hash": "a"}'
MANY = (
    b'{"data": [['
    + b'{"path": "/"},' * 2000
    + b'{"path": "/"}]], "fn_index": 0, "session_hash": "a"}'
)
OTHER_EVENT = b'{"data": [[]], "fn_index": 2, "session_hash": "a"}'
BODIES = [
    b"",
    b"{",
    b"[]",
    b"null",
    b"\xff\xfe",
    b"[" * 60_000,
    b'{"data": []}',
    NO_PATH,
    MANY,
    OTHER_EVENT,
]
DOORS = [
    "queue/join",
    "upload",
    "run/predict",
    "api/predict",
    "call/predict",
    "reset",
    "cancel",
    "component_server",
]


@pytest.mark.parametrize("door", DOORS)
def test_a_malformed_request_is_refused_without_a_traceback(door, served):
    for body in BODIES:
        for kind in ("application/json", "multipart/form-data", "multipart/form-data; boundary=a"):
            response = httpx.post(
                f"{served[0]}/gradio_api/{door}", content=body, headers={"Content-Type": kind}
            )
            # an empty list if no file was sent
            assert 400 <= response.status_code < 500 or response.json() == []
    for files in ({"files": ("", b"")}, {"other": ("a", b"x")}, {"files": ("a" * 9000, b"x")}):
        response = httpx.post(f"{served[0]}/gradio_api/{door}", files=files, data={"files": "x"})
        assert 400 <= response.status_code < 500
    assert httpx.get(f"{served[0]}/config").status_code == 200
    assert "Traceback" not in served[2].read_text()


@pytest.mark.parametrize(
    "path",
    [
        *(
            "monitoring",
            "openapi.json",
            "docs",
            "redoc",
            "login",
            "gradio_api/info",
            "gradio_api/app_id",
            "gradio_api/file=x",
        ),
        *(
            "gradio_api/deep_link",
            "gradio_api/mcp/",
            "gradio_api/proxy=http://127.0.0.1:22",
            "gradio_api/call/reply/a",
            "/config",
        ),
        *("assets", "assets/", "%00", "gradio_api/upload", "gradio_api/queue/join"),
    ],
)
def test_other_paths_are_not_found(path, served):
    response = httpx.get(f"{served[0]}/{path}")
    assert (response.status_code, response.text.strip()) == (404, "there is nothing here")


def test_many_small_uploads_at_once_are_all_accepted(served, image):
    """Each thread sends the start of its body, and the rest after all have sent theirs."""
    n, barrier, statuses = 30, threading.Barrier(30), []

    def send():
        def parts():
            yield body[:100]
            barrier.wait(60)
            yield body[100:]

        headers = {
            "Content-Type": "multipart/form-data; boundary=a",
            "Content-Length": str(len(body)),
        }
        statuses.append(
            httpx.post(
                f"{served[0]}/gradio_api/upload", content=parts(), headers=headers, timeout=60
            ).status_code
        )

    head = (
        b'--a\r\nContent-Disposition: form-data; name="files"; filename="scan.png"\r\n'
        b"Content-Type: image/png\r\n\r\n"
    )
    body = head + image + b"\r\n--a--\r\n"
    people = [threading.Thread(target=send) for _ in range(n)]
    for person in people:
        person.start()
    for person in people:
        person.join(60)
    assert statuses == [200] * n


def test_a_file_of_another_type_is_refused_without_a_traceback(served):
    (path,) = httpx.post(
        f"{served[0]}/gradio_api/upload", files={"files": ("scan.txt", b"no image")}, timeout=60
    ).json()
    assert "cannot read the image scan.txt" in answer(served[0], path, "text")
    assert "Traceback" not in served[2].read_text()


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
def test_other_methods_are_not_found(method, served):
    assert httpx.request(method, f"{served[0]}/gradio_api/upload").status_code == 404


def status_of(guarded, headers=(), path="/gradio_api/upload", method="POST"):
    """Status of one request to a guard around a page that answers 200."""
    sent = []

    async def receive():
        return {"type": "http.request", "body": b"x", "more_body": False}

    async def send(message):
        sent.append(message)

    asyncio.run(
        guarded(
            {"type": "http", "method": method, "path": path, "headers": [*headers]}, receive, send
        )
    )
    return sent[0]["status"]


async def page(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def test_the_total_size_of_waiting_uploads_is_limited(tmp_path, monkeypatch):
    guarded = Guard(page, "127.0.0.1", tmp_path)
    monkeypatch.setattr(guard, "MAX_WAITING_BYTES", 1000)
    small = [(b"host", b"localhost"), (b"content-length", b"1")]
    (tmp_path / "few").write_bytes(bytes(900))
    assert status_of(guarded, small) == 200
    (tmp_path / "many").write_bytes(bytes(200))
    assert status_of(guarded, small) == 503


def test_a_body_that_does_not_end_is_refused_after_a_timeout(tmp_path, monkeypatch):
    monkeypatch.setattr(guard, "BODY_TIMEOUT_S", 0.1)
    guarded, sent = Guard(reader, "127.0.0.1", tmp_path), []

    async def receive():
        await asyncio.sleep(0.03)
        return {"type": "http.request", "body": b"x", "more_body": True}

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/gradio_api/upload",
        "headers": [(b"host", b"localhost")],
    }
    asyncio.run(asyncio.wait_for(guarded(scope, receive, send), 30))
    assert sent[0]["status"] == 408
    assert guarded.incoming_bytes == 0


def test_incoming_uploads_count_with_their_announced_size(tmp_path, monkeypatch):
    monkeypatch.setattr(guard, "MAX_WAITING_BYTES", guard.MAX_UPLOAD_BYTES)
    guarded = Guard(page, "127.0.0.1", tmp_path)
    host = (b"host", b"localhost")
    assert status_of(guarded, [host]) == 200, "one of any size"
    guarded.incoming_bytes = 1000
    assert status_of(guarded, [host]) == 503
    assert status_of(guarded, [host, (b"content-length", b"1")]) == 200


def test_the_report_is_shown_to_its_own_page_only(tmp_path):
    guarded = Guard(page, "127.0.0.1", tmp_path, "<script>sort()</script>")
    statuses = [
        status_of(guarded, [(b"host", b"localhost"), *headers], "/report.html", "GET")
        for headers in (
            [],
            [(b"sec-fetch-site", b"same-origin")],
            [(b"sec-fetch-site", b"none")],
            [(b"sec-fetch-site", b"same-site")],
            [(b"sec-fetch-site", b"cross-site")],
            [(b"origin", b"http://evil.example")],
        )
    ]
    assert statuses == [200, 200, 200, 403, 403, 403]


async def reader(scope, receive, send):
    while (await receive()).get("more_body"):
        pass


def test_a_page_on_all_interfaces_answers_to_ip_addresses_and_its_host_name(tmp_path):
    guarded = Guard(page, "0.0.0.0", tmp_path)
    own = socket.gethostname().encode()
    statuses = [
        status_of(guarded, [(b"host", name)], "/", "GET")
        for name in (b"10.1.2.3:80", own, b"evil.example")
    ]
    assert statuses == [200, 200, 400]
    named = Guard(page, "lab.example", tmp_path)
    assert [
        status_of(named, [(b"host", name)], "/", "GET")
        for name in (b"lab.example:80", b"10.1.2.3", b"localhost")
    ] == [200, 400, 200]
