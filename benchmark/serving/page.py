"""Gradio page with an upload, the predictions of all pipelines, and the report."""

from __future__ import annotations

import os
import secrets
import signal
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from html import escape
from pathlib import Path
from typing import Any

from benchmark.errors import UserError
from benchmark.serving.guard import MAX_UPLOAD_BYTES, Guard
from benchmark.serving.page_content import PageContent
from benchmark.serving.render import render_predictions
from benchmark.serving.render_table import render_prediction_table
from benchmark.serving.templates import read_part
from benchmark.serving.uploads import MAX_FILES, is_single_image, take_uploads
from benchmark.utils.console import print_line
from benchmark.utils.text import escape_controls

MAX_UPLOAD_MB = MAX_UPLOAD_BYTES >> 20
TITLE = "classical vs deep"
MAX_QUEUE = 20  # requests
DELETE_CACHE = (20, 120)  # every 20 s, uploads that are older than 120 s are deleted
NOTICE = (
    "One image is answered with a heat map per pipeline; several, a folder or a zip file with a "
    f"table and a CSV file. PNG, JPEG, TIFF, BMP or DICOM; at most {MAX_FILES:,} files and "
    f"{MAX_UPLOAD_MB} MB at once. They are deleted as soon as they are read. For research only: a "
    "prediction is not a diagnosis."
)
MOST_NAMES = 20_000  # of uploaded files, kept until they are read


def serve_page(content: PageContent, host: str, port: int | None) -> None:
    """Serve the page until the process is interrupted.

    Parameters
    ----------
    content : PageContent
    host : str
        Address to listen on.
    port : int or None
        None: the first free port from 7860.

    Raises
    ------
    UserError
        The port cannot be used, or Gradio is not installed.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # so that uploads are deleted
    with run_page(content, host, port) as url:
        print_line(f"{url}  (Ctrl-C stops it)")
        with suppress(KeyboardInterrupt):
            threading.Event().wait()


@contextmanager
def run_page(
    content: PageContent, host: str = "127.0.0.1", port: int | None = None
) -> Iterator[str]:
    """Run the page in threads of this process, and yield its URL.

    Parameters and exceptions are those of `serve_page`.
    """
    with tempfile.TemporaryDirectory(prefix="benchmark-serve-") as folder:
        uploads = Path(folder).resolve()
        os.environ["GRADIO_TEMP_DIR"] = str(uploads)  # private, and deleted at the end
        os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
        names: dict[str, str] = {}
        gradio = _import_gradio(names)
        page = _build_page(gradio, content, uploads, names)

        @asynccontextmanager
        async def install_guard(app: Any) -> AsyncIterator[None]:
            # around everything that Gradio adds, and before the first request is answered
            app.middleware_stack = Guard(app.middleware_stack, host, uploads, content.report)
            yield

        try:
            _, url, _ = page.queue(max_size=MAX_QUEUE).launch(
                server_name=host,
                server_port=port,
                max_file_size=MAX_UPLOAD_BYTES,
                css=read_part("page.css"),
                theme=gradio.themes.Default(
                    primary_hue="blue",
                    font=["system-ui", "sans-serif"],
                    font_mono=["ui-monospace", "monospace"],
                ),
                footer_links=[],
                share=False,
                inbrowser=False,
                prevent_thread_lock=True,
                quiet=True,
                ssr_mode=False,
                app_kwargs={"lifespan": install_guard, "docs_url": None, "redoc_url": None},
            )
        except OSError as error:
            address = f"{host}:{port}" if port else f"any port of {host} from 7860"
            reason = "it is in use, or not permitted" if port else error
            raise UserError(f"cannot serve on {address}: {reason}; name another --port") from None
        try:
            yield url
        finally:
            page.close(verbose=False)


def _import_gradio(names: dict[str, str]) -> Any:
    try:
        import gradio
    except ImportError:
        raise UserError(
            "the page needs the extra 'serve': python -m pip install 'classical-vs-deep[serve]'"
        ) from None
    _separate_uploads(gradio, names)
    return gradio


def _separate_uploads(gradio: Any, names: dict[str, str]) -> None:
    """Store each upload in its own folder, and keep the name that the sender gave it.

    Gradio stores equal uploads in the same folder, so that the first answer would delete them all,
    and drops the folders of a name and some of its characters.
    """

    class Upload(gradio.route_utils.GradioUploadFile):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.sha = _RandomName()
            names[self.sha.hexdigest()] = self.filename or "file"
            if len(names) > MOST_NAMES:
                names.pop(next(iter(names)), None)

        async def seek(self, offset: int) -> None:
            """Close the complete file: more may be uploaded than a process may keep open."""
            self.file.close()

    gradio.route_utils.GradioUploadFile = Upload


class _RandomName:
    """Random name of a folder, in place of the digest of the content."""

    def __init__(self) -> None:
        self.name = secrets.token_hex(16)

    def update(self, content: bytes) -> None:
        """Ignore the content."""

    def hexdigest(self) -> str:
        """Return the name."""
        return self.name


def _build_page(gradio: Any, content: PageContent, uploads: Path, names: dict[str, str]) -> Any:
    with gradio.Blocks(
        title=TITLE,
        analytics_enabled=False,
        fill_width=True,
        delete_cache=DELETE_CACHE,
    ) as page:
        gradio.HTML(f"<h1>{TITLE}</h1>", elem_id="title")
        if content.pipelines:
            with gradio.Tab("Predict"):
                _build_predict_tab(gradio, content, uploads, names)
        if content.report:
            with gradio.Tab("Leaderboard and report"):
                gradio.HTML(read_part("report_frame.html"), elem_id="report")
        elif content.problem:
            with gradio.Tab("Leaderboard and report"):
                gradio.HTML(_render_refusal(f"There is no report: {content.problem}"))
    return page


def _build_predict_tab(
    gradio: Any, content: PageContent, uploads: Path, names: dict[str, str]
) -> None:
    def answer_upload(uploaded: list[dict[str, Any]] | None) -> Iterator[tuple[Any, str]]:
        if not uploaded:
            yield None, ""
            return
        paths = [Path(file["path"]) for file in uploaded]
        yield None, _render_status("Reading the upload …")  # and the field is ready for the next
        try:
            with take_uploads(paths, uploads, names) as files:
                if is_single_image(files, paths):
                    answers = render_predictions(files[0], content.pipelines)
                else:
                    answers = render_prediction_table(files, content.pipelines)
                for answer in answers:
                    yield gradio.skip(), answer
        except UserError as error:
            yield gradio.skip(), _render_refusal(str(error))

    files = gradio.File(
        label="Images, or a zip file of images",
        file_count="multiple",
        elem_id="upload",
        height=140,
    )
    folder = gradio.UploadButton(
        "Choose a folder of images", file_count="directory", elem_id="upload-folder", size="sm"
    )
    gradio.Markdown(NOTICE)
    output = gradio.HTML(elem_id="answers")
    for field in (files, folder):
        field.upload(
            answer_upload,
            field,
            [field, output],
            preprocess=False,
            api_name=False,
            show_progress="hidden",
            concurrency_id="predict",
            trigger_mode="always_last",
        )


def _render_status(text: str) -> str:
    return f'<p class="progress" role="status">{escape(text)}</p>'


def _render_refusal(reason: str) -> str:
    return f'<div class="refused" role="alert">{escape(escape_controls(reason))}</div>'
