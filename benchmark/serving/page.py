"""Gradio page with an upload, the predictions of all pipelines, and the leaderboard."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from html import escape
from importlib import resources
from pathlib import Path
from typing import Any

from benchmark.errors import UserError
from benchmark.serving.guard import Guard
from benchmark.serving.page_content import INTERVAL, PageContent
from benchmark.utils.console import print_line

MAX_UPLOAD = "50mb"
MAX_QUEUE = 20  # requests
DELETE_CACHE = (20, 120)  # every 20 s, uploads that are older than 120 s are deleted
WIDTHS = {
    "table": "220px",
    "rank": "64px",
    "mark": "64px",
    "extractor": "300px",
    "strategy": "160px",
    "model": "180px",
    "done": "64px",
}
NOTICE = (
    "For research only: a prediction is not a diagnosis. The image is deleted as soon as it is "
    "read."
)


def _find_width(column: str) -> str:
    return "120px" if column.endswith(INTERVAL) else WIDTHS.get(column, "92px")


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
        gradio = _import_gradio()
        page = _build_page(gradio, content, uploads)

        @asynccontextmanager
        async def install_guard(app: Any) -> AsyncIterator[None]:
            # around everything that Gradio adds, and before the first request is answered
            app.middleware_stack = Guard(app.middleware_stack, host, uploads)
            yield

        try:
            _, url, _ = page.queue(max_size=MAX_QUEUE).launch(
                server_name=host,
                server_port=port,
                max_file_size=MAX_UPLOAD,
                css=(resources.files("benchmark.serving") / "page.css").read_text("utf-8"),
                theme=gradio.themes.Default(
                    font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]
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


def _import_gradio() -> Any:
    try:
        import gradio
    except ImportError:
        raise UserError(
            "the page needs the extra 'serve': python -m pip install 'classical-vs-deep[serve]'"
        ) from None
    _separate_uploads(gradio)
    return gradio


def _separate_uploads(gradio: Any) -> None:
    """Store each upload in its own folder.

    Gradio stores equal uploads in the same folder, so that the first answer would delete them all.
    """

    class Upload(gradio.route_utils.GradioUploadFile):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.sha.update(secrets.token_bytes(16))

    gradio.route_utils.GradioUploadFile = Upload


def _build_page(gradio: Any, content: PageContent, uploads: Path) -> Any:
    with gradio.Blocks(
        title="classical vs deep",
        analytics_enabled=False,
        fill_width=True,
        delete_cache=DELETE_CACHE,
    ) as page:
        if content.pipelines:
            with gradio.Tab("Ask"):
                _build_ask_tab(gradio, content, uploads)
        if content.leaderboard is not None:
            with gradio.Tab("Leaderboard"):
                gradio.Markdown(
                    "Means over folds and seeds, with 95% confidence intervals. Sort and filter "
                    "with the ⋮ in the head of a column."
                )
                widths = [_find_width(name) for name in content.leaderboard.columns]
                gradio.Dataframe(
                    content.leaderboard,
                    interactive=False,
                    show_search="filter",
                    wrap=True,
                    column_widths=widths,
                    elem_id="leaderboard",
                    max_height=700,
                )
                gradio.HTML("".join(f"<p>{escape(line)}</p>" for line in content.lines))
    return page


def _build_ask_tab(gradio: Any, content: PageContent, uploads: Path) -> None:
    from benchmark.datasets.images.picture import SUFFIXES

    # needs jinja2, which is installed with Gradio
    from benchmark.serving.render import render_predictions

    def answer_upload(uploaded: str | None) -> Iterator[str]:
        if uploaded is None:
            yield ""
            return
        path = Path(uploaded).resolve()
        if path.parent.parent != uploads:
            yield _render_refusal("this file was not uploaded here")
            return
        answers = render_predictions(path, content.pipelines)
        try:
            first = next(answers)  # the file is not read afterwards
        except UserError as error:
            yield _render_refusal(str(error).replace(str(path), path.name))
            return
        finally:
            shutil.rmtree(path.parent, ignore_errors=True)
        yield first
        yield from answers

    upload = gradio.File(
        label="An image: PNG, JPEG, TIFF, BMP or DICOM",
        file_types=sorted(SUFFIXES),
        elem_id="upload",
        height=140,
    )
    gradio.Markdown(NOTICE)
    output = gradio.HTML(elem_id="answers")
    upload.change(answer_upload, upload, output, api_name=False, show_progress="minimal")


def _render_refusal(reason: str) -> str:
    return f'<div class="refused">{escape(reason)}</div>'
