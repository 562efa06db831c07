"""The report in a browser without a network: what it shows, sorts and filters, and to whom."""

import shutil

import pytest
from small_studies import make_digits_results

from benchmark.reporting.plots.style import SMALL
from benchmark.reporting.report import write_report

playwright = pytest.importorskip("playwright.sync_api")
axe = pytest.importorskip("axe_playwright_python.sync_playwright")
CHROMIUM = shutil.which("chromium")
FLAGS = ["--no-sandbox", "--disable-gpu"]
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="there is no Chromium here (Debian: apt-get install chromium)"
)
MODELS = [*(f"knn(n_neighbors={k})" for k in range(1, 10)), "gaussian_nb", "nearest_centroid"]


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    make_digits_results(folder, [*MODELS, "majority"], "holdout")
    return write_report(folder)


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser, file):
    """Open the report in a window of some width, with or without scripts, offline."""
    contexts, problems = [], []

    def open_at(width=1400, scripts=True):
        size = {"width": width, "height": 900}
        context = browser.new_context(viewport=size, offline=True, java_script_enabled=scripts)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: problems.append(message.text))
        page.on(
            "request",
            lambda request: request.url.startswith("file:") or problems.append(request.url[:99]),
        )
        page.goto(file.as_uri())
        return page

    yield open_at
    for context in contexts:
        context.close()
    assert not problems


def leaderboard(page):
    return page.locator("#leaderboard table")


def column(page, name):
    headers = leaderboard(page).locator("th").all_inner_texts()
    place = next(k for k, header in enumerate(headers) if header.strip().startswith(name))
    cells = leaderboard(page).locator(f"tbody tr:visible td:nth-child({place + 1})")
    return [text.split("\n")[0].strip() for text in cells.all_inner_texts()]


def test_a_leaderboard_is_sorted_by_a_click_and_restored_by_the_third(open_page):
    page = open_page()
    button = leaderboard(page).get_by_role("button", name="log_loss")
    before = column(page, "log_loss")
    button.click()
    values = [float(text) for text in column(page, "log_loss")]
    assert values == sorted(values, reverse=True)
    assert leaderboard(page).locator("th[aria-sort=descending]").count() == 1
    button.click()
    assert [float(text) for text in column(page, "log_loss")] == sorted(values)
    button.click()
    assert column(page, "log_loss") == before
    assert leaderboard(page).locator("th[aria-sort]").count() == 0


def test_lines_above_the_configurations_stay_there(open_page):
    page = open_page()
    table = page.locator("#classes table")
    table.get_by_role("button", name="model").click()
    assert table.locator("tbody tr").first.inner_text().startswith("(training images)")


def test_a_leaderboard_is_filtered_by_all_words(open_page):
    page = open_page()
    page.locator("#leaderboard input").fill("pixels gaussian")
    assert column(page, "model") == ["gaussian_nb"]
    page.locator("#leaderboard input").fill("")
    assert len(column(page, "model")) == len(MODELS) + 1


def test_a_keyboard_sorts_as_a_mouse_does(open_page):
    page = open_page()
    leaderboard(page).get_by_role("button", name="f1").focus()
    page.keyboard.press("Enter")
    values = [float(text) for text in column(page, "f1")]
    assert values == sorted(values, reverse=True)


def test_everything_is_there_without_scripts(open_page):
    page = open_page(scripts=False)
    assert leaderboard(page).locator("tbody tr").count() == len(MODELS) + 1
    assert page.locator("#leaderboard input").is_hidden()
    assert page.locator("#plots svg").count() >= 3


@pytest.mark.parametrize("width", [400, 1400])
def test_no_page_is_wider_than_its_window(open_page, width):
    page = open_page(width)
    assert page.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize(("width", "pixels"), [(400, 8), (1400, 11)])
def test_texts_of_a_plot_can_be_read_and_a_wide_one_is_scrolled(open_page, width, pixels):
    page = open_page(width)
    sizes = page.evaluate(
        """[...document.querySelectorAll('.plot')].map(plot => {
            const svg = plot.querySelector('svg');
            return [plot.clientWidth, plot.scrollWidth, svg.clientWidth, svg.viewBox.baseVal.width];
        })"""
    )
    assert len(sizes) >= 3
    for window, content, drawn, points in sizes:
        assert SMALL * drawn / points >= pixels - 0.1
        assert window < width
        assert content >= drawn


def test_titles_of_plots_do_not_repeat_the_only_dataset_and_split(open_page):
    titles = open_page().locator("#plots figcaption strong").all_inner_texts()
    assert "Confusion matrices." in titles
    assert not [title for title in titles if "holdout" in title]


@pytest.mark.parametrize("width", [400, 1400])
def test_axe_finds_nothing_serious(browser, file, width):
    context = browser.new_context(viewport={"width": width, "height": 900}, bypass_csp=True)
    page = context.new_page()
    page.goto(file.as_uri())
    found = axe.Axe().run(page).response["violations"]
    context.close()
    assert not [each["id"] for each in found if each["impact"] in ("serious", "critical")]
