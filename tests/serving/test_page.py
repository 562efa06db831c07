"""The page, served by another process and opened in a real browser."""

import csv
import http.client
import io
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import httpx
import numpy as np
import psutil
import pytest
from PIL import Image
from playwright.sync_api import Error, expect, sync_playwright

from benchmark import load_study, run
from benchmark.pipelines import saving
from benchmark.pipelines.prediction_text import most_probable_classes
from benchmark.reporting.report import write_report
from benchmark.serving.render import render_predictions
from benchmark.serving.render_table import render_prediction_table
from benchmark.serving.templates import read_part
from benchmark.serving.uploads import UploadedFile

axe = pytest.importorskip("axe_playwright_python.sync_playwright")

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
    assert files_left(served[1]) == []


def files_left(folder):
    """Files that are still there after a few seconds."""
    deadline = time.monotonic() + 5
    while (
        left := [path for path in folder.rglob("*") if path.is_file() and path.stat().st_size]
    ) and time.monotonic() < deadline:
        time.sleep(0.1)
    return left


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
    drop(page, seven[0])
    expect(page.locator(".answer")).to_have_count(2)


def test_the_next_upload_is_answered_if_it_is_chosen_before_the_answer_is_complete(
    page, seven, tmp_path
):
    Image.new("L", (8000, 8000)).save(tmp_path / "large.png")  # decoding takes about a second
    page.set_input_files("#upload input[type=file]", tmp_path / "large.png")
    page.wait_for_selector(".progress")
    page.set_input_files("#upload input[type=file]", copied(seven[0], tmp_path, "next.png").path)
    expect(page.locator(".input-image figcaption")).to_have_text("next.png", timeout=30_000)


def test_the_page_says_at_a_glance_whether_pipelines_agree(page, seven, classical, deep):
    drop(page, seven[0])
    labels = {
        pipeline.card.classes[pipeline.predict_proba(seven[1][None])[0].argmax()]
        for pipeline in (classical, deep)
    }
    title = "Both pipelines predict 7." if labels == {"7"} else "1 of 2 pipelines predicts 7"
    expect(page.get_by_role("heading", level=2)).to_contain_text(title)


def show(page, width, texts):
    """Show HTML of the page with its style, in a window of some width."""
    page.set_viewport_size({"width": width, "height": 900})
    page.set_content(f"<style>{read_part('page.css')}</style>{texts}")


def many_pipelines(classical, n):
    """Copies of a pipeline under long names; the last two of them have other classes."""
    name = "color_histogram + hog(orientations=12, pixels_per_cell=(4, 4))"
    pipelines = {}
    for k in range(n):
        classes = tuple(f"digit {j}" for j in range(10)) if k >= n - 2 else classical.card.classes
        model = "a_model_whose_name_is_longer_than_any_line_of_an_answer_can_be"
        card = classical.card.model_copy(
            update={"classes": classes, "extractor": name, "model": model}
        )
        pipelines[f"{k}.pipeline"] = replace(classical, card=card)
    return pipelines


@pytest.mark.parametrize(("width", "most_per_line"), [(1400, 4), (400, 1)])
def test_eight_pipelines_are_side_by_side_and_their_names_are_whole(
    width, most_per_line, classical, browser, tmp_path, seven
):
    pipelines = many_pipelines(classical, 8)
    answer = next(render_predictions(copied(seven[0], tmp_path), pipelines))
    page = browser.new_page()
    show(page, width, answer)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    expect(page.locator(".answer")).to_have_count(8)
    boxes = [box.bounding_box() for box in page.locator(".group").first.locator(".answer").all()]
    per_line = sum(box["y"] == boxes[0]["y"] for box in boxes)
    assert per_line == 1 if most_per_line == 1 else 2 <= per_line <= most_per_line
    names = page.locator(".name-of-pipeline")
    assert set(names.all_inner_texts()) == {pipelines["0.pipeline"].card.name}
    assert names.evaluate_all("all => all.every(one => one.scrollWidth <= one.clientWidth)")
    assert page.locator(".group h2").all_inner_texts() == [
        "All 6 pipelines predict 7.",
        "Both pipelines predict digit 7.",
    ]
    assert page.locator(".classes").first.inner_text() == "10 classes: 0 | 1 | 2 | 3 | 4 | ..."
    page.close()


def test_a_prediction_that_differs_from_most_others_is_marked(classical, tmp_path, seven, browser):
    shifted = classical.card.model_copy(
        update={"classes": (*classical.card.classes[1:], classical.card.classes[0])}
    )
    pipelines = {"a": classical, "b": classical, "c": replace(classical, card=shifted)}
    answer = next(render_predictions(copied(seven[0], tmp_path), pipelines))
    page = browser.new_page()
    show(page, 1400, answer)
    assert page.locator("h2").inner_text() == "2 of 3 pipelines predict 7, 1 predicts 8."
    assert page.locator(".answer", has_text="differs").get_attribute("data-pipeline") == "c"
    *_, table = render_prediction_table([copied(seven[0], tmp_path)], pipelines)
    show(page, 1400, table)
    assert page.locator("td.differs").all_inner_texts()[0].startswith("8 ")
    assert page.locator("tbody td").first.inner_text() == "no"
    page.close()


@pytest.fixture(scope="module")
def cases(digits, tmp_path_factory):
    """A zip file of 40 images in two folders, and of four files that are no images."""
    path = tmp_path_factory.mktemp("zip") / "cases.zip"
    half = io.BytesIO()
    Image.fromarray(digits.images[0, ..., 0]).save(half, "PNG")
    with zipfile.ZipFile(path, "w") as archive:
        for k in range(40):
            content = io.BytesIO()
            Image.fromarray(digits.images[k, ..., 0]).save(content, "PNG")
            archive.writestr(f"case {k % 2}/scan ({k}).png", content.getvalue())
        archive.writestr("=1+1.png", half.getvalue()[:60])
        archive.writestr("<b>notes</b>.txt", "no image")
        archive.writestr("inner.zip", zipfile_of_nothing())
        archive.writestr("empty.dcm", b"")
        archive.writestr("__MACOSX/case 0/._scan (0).png", b"x")
    return path


def zipfile_of_nothing():
    content = io.BytesIO()
    zipfile.ZipFile(content, "w").close()
    return content.getvalue()


def drop_many(page, field, paths):
    page.set_input_files(f"{field} input[type=file], input{field}", paths)
    page.wait_for_selector(".lines, .refused", timeout=60_000)


def read_download(page):
    with page.expect_download() as download:
        page.get_by_role("link", name="Download as CSV").click()
    assert download.value.suggested_filename == "predictions.csv"
    with Path(download.value.path()).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_zip_file_becomes_a_table_and_a_csv(page, cases, classical, deep, digits):
    drop_many(page, "#upload", cases)
    rows = page.locator(".lines tbody tr")
    names = [f"case {k % 2}/scan ({k}).png" for k in range(40)]
    others = ["=1+1.png", "<b>notes</b>.txt", "inner.zip", "empty.dcm"]
    assert rows.locator("th").all_inner_texts() == [*names, *others]
    expect(page.locator(".summary")).to_contain_text("44 files, of which 4 cannot be read.")
    assert all(text.startswith("Not read: ") for text in rows.locator(".error").all_inner_texts())
    lines = read_download(page)
    assert [line["file"] for line in lines[:80:2]] == names
    for k, (name, pipeline) in enumerate(
        [("classical.pipeline", classical), ("deep.pipeline", deep)]
    ):
        proba = pipeline.predict_proba(digits.images[:40])
        labels = [pipeline.card.classes[j] for j in proba.argmax(axis=1)]
        own = [line for line in lines if line["pipeline"] == name]
        assert [line["prediction"] for line in own] == [*labels, *[""] * 4]
        assert [bool(line["error"]) for line in own] == [*[False] * 40, *[True] * 4]
        written = [[float(line[f"p:{j}"]) for j in range(10)] for line in own[:40]]
        np.testing.assert_allclose(written, proba, atol=1e-6)
        cells = page.locator(f".lines tbody tr:nth-child(-n+40) td:nth-child({3 + k})")
        shown = [f"{label} {p:.2f}" for label, p in zip(labels, proba.max(axis=1), strict=True)]
        assert cells.all_inner_texts() == shown
    assert lines[80]["file"] == "'=1+1.png"


def test_a_folder_is_read_with_the_names_of_its_folders(page, digits, tmp_path):
    for k in (2, 0, 1):
        path = tmp_path / "hospital" / f"patient {k}" / "1.png"
        path.parent.mkdir(parents=True)
        Image.fromarray(digits.images[k, ..., 0]).save(path)
    (tmp_path / "hospital" / ".DS_Store").write_bytes(b"x")
    drop_many(page, "[webkitdirectory]", tmp_path / "hospital")
    files = page.locator(".lines tbody th").all_inner_texts()
    assert files == [f"hospital/patient {k}/1.png" for k in range(3)]


def test_several_images_are_in_the_order_in_which_they_were_chosen(page, digits, tmp_path):
    paths = [tmp_path / name for name in ("b.png", "a.png")]
    for k, path in enumerate(paths):
        Image.fromarray(digits.images[k, ..., 0]).save(path)
    drop_many(page, "#upload", paths)
    assert page.locator(".lines tbody th").all_inner_texts() == ["b.png", "a.png"]
    expect(page.locator(".summary")).to_contain_text("2 files.")
    expect(page.locator(".heat")).to_have_count(0)


@pytest.mark.parametrize("button", ["Click to upload or drop files", "Choose a folder of images"])
def test_files_and_folders_can_be_chosen_with_the_keyboard(button, page):
    with page.expect_file_chooser():
        page.get_by_role("button", name=button).press("Enter")


def test_nothing_of_many_images_is_left_after_the_answer(page, served, cases):
    drop_many(page, "#upload", cases)
    expect(page.locator(".summary")).to_be_visible()
    assert files_left(served[1]) == []


def test_a_zip_bomb_is_refused_in_one_line(page, tmp_path):
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.png", bytes(501 * 2**20))
    drop_many(page, "#upload", tmp_path / "bomb.zip")
    assert page.locator(".refused").inner_text() == (
        "bomb.zip is refused: its files take 501 MB when unpacked, and at most 500 MB are unpacked "
        "at once"
    )


def test_the_table_scrolls_in_its_own_box(classical, browser, tmp_path, seven):
    pipelines = many_pipelines(classical, 8)
    file = copied(seven[0], tmp_path, "a_name_of_a_file_that_is_long_" * 6 + ".png")
    *_, table = render_prediction_table([file], pipelines)
    page = browser.new_page()
    for width in (1400, 400):
        show(page, width, table)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        cells = page.locator(".lines th")
        assert cells.evaluate_all("all => all.every(one => one.scrollWidth <= one.clientWidth)")
    page.close()


def test_the_report_is_the_one_that_the_command_writes(served, folder, tmp_path):
    report = httpx.get(f"{served[0]}/report.html")
    assert report.text == write_report(folder, out=tmp_path / "report.html").read_text()


def open_report(page):
    page.get_by_role("tab", name="Leaderboard and report").click()
    return page.frame_locator("iframe")


def test_the_report_in_the_page_is_sorted_by_its_own_script(page):
    report = open_report(page)
    interval = re.compile(r"\(\d\.\d+ to \d\.\d+\)")
    expect(report.locator("#leaderboard td small", has_text=interval).first).to_be_visible()
    header = report.locator("#leaderboard thead th").all_inner_texts()
    models = report.locator(f"#leaderboard tbody td:nth-child({place_of('model', header)})")
    expect(models.first).to_have_text("knn")
    button = report.locator("#leaderboard").get_by_role("button", name="accuracy")
    button.click()
    button.click()
    expect(models.first).to_have_text("majority")


def place_of(name, header):
    return 1 + next(k for k, text in enumerate(header) if text.strip().startswith(name))


def test_scripts_of_the_report_cannot_reach_the_page(page):
    open_report(page).locator("#leaderboard").wait_for()
    frame = page.frames[1]
    assert frame.evaluate("origin") == "null"
    with pytest.raises(Error, match="cross-origin"):
        frame.evaluate("parent.document.title")


def test_the_report_can_be_opened_alone_and_downloaded(page, served):
    open_report(page)
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Open it alone").click()
    expect(opened.value.locator("#leaderboard")).to_be_visible()
    opened.value.close()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download it").click()
    assert Path(download.value.path()).read_text() == httpx.get(f"{served[0]}/report.html").text


@pytest.mark.parametrize("width", [1400, 400])
def test_no_tab_is_wider_than_its_window(width, page, cases, seven):
    page.set_viewport_size({"width": width, "height": 900})

    def is_narrow():
        return page.evaluate("document.documentElement.scrollWidth") == width

    assert is_narrow()
    drop(page, seven[0])
    assert is_narrow()
    drop_many(page, "#upload", cases)
    assert is_narrow()
    open_report(page).locator("#leaderboard").wait_for()
    assert is_narrow()
    assert page.frames[1].evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize(("colour_scheme", "width"), [("light", 1400), ("dark", 400)])
def test_axe_finds_nothing_serious(colour_scheme, width, browser, served, seven, cases):
    context = browser.new_context(
        viewport={"width": width, "height": 900}, bypass_csp=True, color_scheme=colour_scheme
    )
    page = context.new_page()
    page.goto(served[0])
    page.wait_for_selector("#upload")

    def serious_findings():
        return [
            (each["id"], node["html"][:200])
            for each in axe.Axe().run(page).response["violations"]
            if each["impact"] in ("serious", "critical")
            for node in each["nodes"]
        ]

    findings = serious_findings()
    drop(page, seven[0])
    expect(page.locator(".heat img")).to_have_count(2, timeout=30_000)
    findings += serious_findings()
    drop_many(page, "#upload", cases)
    findings += serious_findings()
    open_report(page).locator("#leaderboard").wait_for()
    findings += serious_findings()
    context.close()
    assert not findings


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


def test_too_large_an_upload_is_refused_before_it_is_sent(served):
    connection = http.client.HTTPConnection(served[0].removeprefix("http://"), timeout=30)
    connection.putrequest("POST", "/gradio_api/upload")
    connection.putheader("Content-Length", str(202 * 2**20))
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()


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
    page = browser.new_page()
    show(page, 1280, first)
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
    name = "a ${document.title='run'} {{1+1}}.png"
    drop(page, copied(seven[0], tmp_path, name).path)
    expect(page.locator(".answer")).to_have_count(2)
    assert not [text for text in complaints if "Content Security Policy" in text]
    assert page.title() == "classical vs deep"


def copied(path, folder, name="seven.png"):
    """Copy of a file, as it was uploaded; it is deleted after its answer."""
    return UploadedFile(name, Path(shutil.copy(path, folder / name)))
