"""The page, served by another process and opened in a real browser."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from importlib import resources
from pathlib import Path

import httpx
import numpy as np
import psutil
import pytest
from PIL import Image
from playwright.sync_api import expect, sync_playwright

from benchmark import load_study, run
from benchmark.pipelines import saving
from benchmark.pipelines.prediction_text import most_probable_classes
from benchmark.serving.render import render_predictions

CHROMIUM = shutil.which("chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-sync",
]

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="there is no Chromium here (Debian: apt-get install chromium)"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, classical, deep):
    """Two pipelines and a leaderboard."""
    folder = tmp_path_factory.mktemp("served")
    run(
        load_study(
            "digits", extractors=["pixels", "hog"], models=["majority", "knn"], split="holdout"
        ),
        folder,
    )
    saving.save_pipeline(classical, folder / "classical.pipeline")
    saving.save_pipeline(deep, folder / "deep.pipeline")
    return folder


@pytest.fixture(scope="module")
def served(folder, tmp_path_factory):
    """Address of the page, the folder of its temporary files, and its process id."""
    temporary = tmp_path_factory.mktemp("temporary")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "benchmark", "serve", str(folder), "--port", str(port)]
    process = subprocess.Popen(
        command, env={**os.environ, "TMPDIR": str(temporary)}, stdout=subprocess.PIPE, text=True
    )
    assert f"http://127.0.0.1:{port}" in process.stdout.readline()
    yield f"http://127.0.0.1:{port}", temporary, process.pid
    process.send_signal(signal.SIGTERM)
    process.wait(20)
    process.stdout.close()


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(served, browser):
    page = browser.new_page(viewport={"width": 1700, "height": 900})
    page.requests = []
    page.on("request", lambda request: page.requests.append(request.url))
    page.goto(served[0])
    yield page
    page.close()


@pytest.fixture(scope="module")
def seven(digits, tmp_path_factory):
    path = tmp_path_factory.mktemp("images") / "a <b>seven.png"
    k = int(np.flatnonzero(digits.targets == 7)[0])
    Image.fromarray(digits.images[k, ..., 0]).save(path)
    return path, digits.images[k]


def drop(page, path):
    page.set_input_files("#upload input[type=file]", path)
    page.wait_for_selector(".answer, .refused", timeout=30_000)


def test_an_uploaded_image_is_predicted_by_every_pipeline(page, seven, classical, deep):
    path, image = seven
    drop(page, path)
    for name, pipeline in (("classical", classical), ("deep", deep)):
        proba = pipeline.predict_proba(image[None])[0]
        answer = page.locator(f'[data-pipeline="{name}.pipeline"]')
        expect(answer.locator(".class")).to_have_text(pipeline.card.classes[proba.argmax()])
        expect(answer.locator(".probability")).to_have_text(f"{proba.max():.2f}")
        expect(answer.locator(".bar")).to_have_count(5)
        expect(answer.locator(".heat img")).to_be_visible(timeout=30_000)
    expect(page.locator('[data-pipeline="classical.pipeline"] .class')).to_have_text("7")


def test_html_in_a_file_name_is_escaped(page, seven):
    drop(page, seven[0])
    caption = page.locator(".input-image figcaption")
    assert "seven" in caption.inner_text()
    assert caption.locator("b").count() == 0


def test_the_page_requests_nothing_from_other_machines(page, served, seven):
    drop(page, seven[0])
    foreign = [url for url in page.requests if not url.startswith((served[0], "data:", "blob:"))]
    assert not foreign


def test_nothing_of_an_image_is_left_after_the_answer(page, served, seven):
    drop(page, seven[0])
    deadline = time.monotonic() + 5
    while (
        left := [path for path in served[1].rglob("*") if path.is_file() and path.stat().st_size]
    ) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not left


@pytest.mark.parametrize("kind", ["text", "half", "many pixels", "pickle"])
def test_a_file_that_is_not_an_image_is_refused_with_a_reason(kind, page, seven, tmp_path):
    path = tmp_path / "hostile.png"
    if kind == "many pixels":
        Image.new("1", (30_000, 30_000)).save(path)  # 900 million pixels in 100 kB
    else:
        whole = seven[0].read_bytes()
        path.write_bytes(
            {
                "text": b"<script>alert(1)</script>",
                "half": whole[: len(whole) // 2],
                "pickle": b"\x80\x04N.",
            }[kind]
        )
    drop(page, path)
    reason = page.locator(".refused").inner_text()
    assert reason.startswith("cannot read the image hostile.png: ")
    assert str(tmp_path) not in reason
    assert "benchmark-serve" not in reason


def test_another_image_can_be_uploaded_after_a_refusal(page, seven, tmp_path):
    (tmp_path / "hostile.png").write_bytes(b"no")
    drop(page, tmp_path / "hostile.png")
    page.locator("#upload").get_by_label("Clear").click()
    drop(page, seven[0])
    expect(page.locator(".answer")).to_have_count(2)


def test_the_leaderboard_can_be_sorted_and_filtered(page):
    page.get_by_role("tab", name="Leaderboard").click()
    table = page.locator("#leaderboard")
    expect(table.get_by_text("knn").first).to_be_visible()
    interval = re.compile(r"\d\.\d+ to \d\.\d+")
    expect(table.get_by_role("gridcell", name=interval).first).to_be_visible()
    expect(page.get_by_text("Ranked by f1, highest first")).to_be_visible()

    def models():
        rows = table.get_by_role("row").all()
        return [
            match.group() for row in rows if (match := re.search("knn|majority", row.inner_text()))
        ]

    assert models()[0] == "knn"
    head = table.get_by_role("columnheader", name="accuracy").first
    head.hover()
    head.get_by_label("Open cell menu").click()
    page.get_by_role("menuitem", name="Sort ascending").click()
    expect(table.get_by_role("row").nth(1)).to_contain_text("majority")
    table.get_by_placeholder("Filter...").fill("knn")
    expect(table.get_by_text("majority")).to_have_count(0)
    assert set(models()) == {"knn"}


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "pyproject.toml", "{folder}/classical.pipeline", "{folder}/results.sqlite"],
)
def test_no_other_file_can_be_read(path, served, folder):
    for door in (
        "gradio_api/file=",
        "file=",
        "static/",
        "assets/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e",
    ):
        answer = httpx.get(f"{served[0]}/{door}{path.format(folder=folder)}")
        assert answer.status_code in (401, 403, 404)


def test_too_large_an_upload_is_refused(served):
    answer = httpx.post(
        f"{served[0]}/gradio_api/upload", files={"files": ("a.png", bytes(60 * 2**20))}
    )
    assert answer.status_code == 413


def test_the_page_listens_on_this_machine_only(served):
    sockets = psutil.Process(served[2]).net_connections()
    assert {socket.laddr.ip for socket in sockets if socket.status == psutil.CONN_LISTEN} == {
        "127.0.0.1"
    }


def test_long_class_names_are_shown_in_full(classical, browser, tmp_path, seven):
    long = tuple(
        f"number {k} of ten, written by hand by a person whose name nobody knows" for k in range(10)
    )
    card = classical.card.model_copy(update={"classes": long})
    view = replace(classical, card=card)
    first = next(render_predictions(copied(seven[0], tmp_path), {"it.pipeline": view}))
    style = (resources.files("benchmark.serving") / "page.css").read_text("utf-8")
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.set_content(f"<style>{style}</style>{first}")
    names = page.locator(".bar .name")
    assert names.all_inner_texts() == [
        name for name, _ in most_probable_classes(card, view.predict_proba(seven[1][None])[0])
    ]
    assert names.evaluate_all(
        "all => all.every(one => one.scrollWidth <= one.clientWidth && one.scrollHeight <= "
        "one.clientHeight)"
    )
    page.close()


def test_own_scripts_are_allowed_and_a_file_name_is_not_a_template(page, seven, tmp_path):
    complaints = []
    page.on(
        "console",
        lambda message: complaints.append(message.text) if message.type == "error" else None,
    )
    page.reload()
    drop(page, copied(seven[0], tmp_path, "a ${document.title='run'} {{1+1}}.png"))
    expect(page.locator(".answer")).to_have_count(2)
    assert not [text for text in complaints if "Content Security Policy" in text]
    assert page.title() == "classical vs deep"


def copied(path, folder, name="seven.png"):
    """Copy of a file, which is deleted after its answer."""
    return Path(shutil.copy(path, folder / name))
