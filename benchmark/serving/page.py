"""The page itself, by Gradio: an image to drop, every pipeline's answer, and the leaderboard."""

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
from benchmark.serving.page_content import PageContent
from benchmark.utils.console import print_line

MAX_UPLOAD = "50mb"
MAX_QUEUE = 20  # people
DELETE_CACHE = (
    20,
    120,
)  # seconds: how often, and how old, uploads that nobody asked about are deleted
WIDTHS = {
    "table": "220px",
    "rank": "64px",
    "extractor": "300px",
    "strategy": "160px",
    "model": "180px",
    "done": "64px",
}
NOTICE = "For research: what a pipeline says is no diagnosis. The image is deleted as soon as it is read."


def serve_page(content: PageContent, host: str, port: int | None) -> None:
    """Show the page until it is interrupted.

    Parameters
    ----------
    content : PageContent
    host : str
    port : int or None
        None: the first free one from 7860.

    Raises
    ------
    UserError
        The port is taken.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # so that uploads are deleted then, too
    with run_page(content, host, port) as url:
        print_line(f"{url}  (Ctrl-C ends it)")
        with suppress(KeyboardInterrupt):
            threading.Event().wait()


@contextmanager
def run_page(
    content: PageContent, host: str = "127.0.0.1", port: int | None = None
) -> Iterator[str]:
    """Run the page in threads of this process; yields its address."""
    with tempfile.TemporaryDirectory(prefix="benchmark-serve-") as folder:
        uploads = Path(folder).resolve()
        os.environ["GRADIO_TEMP_DIR"] = str(uploads)  # nobody else's, and gone in the end
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
            where = f"{host}:{port}" if port else f"any port of {host} from 7860"
            why = "it is taken, or not ours to take" if port else error
            raise UserError(f"cannot serve on {where}: {why}; name another --port") from None
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
    _keep_uploads_apart(gradio)
    return gradio


def _keep_uploads_apart(gradio: Any) -> None:
    """Have every upload lie in a folder of its own; Gradio gives equal ones the same, and the first answer would delete them all."""

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
        if content.entries is not None:
            with gradio.Tab("Leaderboard"):
                gradio.Markdown(
                    "Means over folds and seeds, ranked by f1. Sort and filter by the ⋮ in a "
                    "column's head."
                )
                widths = [WIDTHS.get(name, "92px") for name in content.entries.columns]
                gradio.Dataframe(
                    content.entries,
                    interactive=False,
                    show_search="filter",
                    wrap=True,
                    column_widths=widths,
                    elem_id="leaderboard",
                    max_height=700,
                )
    return page


def _build_ask_tab(gradio: Any, content: PageContent, uploads: Path) -> None:
    from benchmark.datasets.images.picture import SUFFIXES

    # jinja2 comes with Gradio, so that this is imported after it was content to be there
    from benchmark.serving.answer import render_predictions

    def answer_upload(uploaded: str | None) -> Iterator[str]:
        if uploaded is None:
            yield ""
            return
        path = Path(uploaded).resolve()
        if path.parent.parent != uploads:
            yield _render_refusal("this is not what was uploaded")
            return
        replies = render_predictions(path, content.pipelines)
        try:
            first = next(replies)  # all that is read of the file
        except UserError as error:
            yield _render_refusal(str(error).replace(str(path), path.name))
            return
        finally:
            shutil.rmtree(path.parent, ignore_errors=True)
        yield first
        yield from replies

    upload = gradio.File(
        label="An image: PNG, JPEG, TIFF, BMP or DICOM",
        file_types=sorted(SUFFIXES),
        elem_id="upload",
        height=140,
    )
    gradio.Markdown(NOTICE)
    shown = gradio.HTML(elem_id="answers")
    upload.change(answer_upload, upload, shown, api_name=False, show_progress="minimal")


def _render_refusal(reason: str) -> str:
    return f'<div class="refused">{escape(reason)}</div>'
