"""The page in a real browser, opened from a file: it sorts, filters, drills down, follows links, and asks nobody."""

import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import synthetic

from cai_eval import pages, registry
from cai_eval.contracts import Results
from cai_eval.pages import style

pytestmark = pytest.mark.slow
playwright = pytest.importorskip("playwright.sync_api", reason="playwright drives the browser, and is not installed")
expect = playwright.expect

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)
HOSTILE = "</script><img src=x onerror=document.title=1>\u2028\x00\u202e"
ITEMS = 300  #: of a cell: more than a shard holds
Open = Callable[..., Any]


@pytest.fixture(scope="module")
def study() -> Results:
    return synthetic.results({"70m": 18.9e6, "6.9b": 6.44e9}, benchmarks=["hhh", "lambada"], items=ITEMS, text=HOSTILE)


@pytest.fixture(scope="module")
def index(study: Results, tmp_path_factory: pytest.TempPathFactory) -> Path:
    reports = [registry.create("reports", name) for name in ("tax", "scaling", "flips")]
    return pages.build(study, reports, {}, tmp_path_factory.mktemp("browser") / "report")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("there is no Chromium on the path")
    with playwright.sync_playwright() as driver:
        launched = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield launched
        launched.close()


@pytest.fixture
def opened(browser: Any, index: Path) -> Iterator[Open]:
    """Opens the page; at the end, nothing but files was asked for and the console is empty."""
    complaints: list[str] = []
    asked: list[str] = []

    def open_page(
        place: Path = index, width: int = 1180, scheme: str = "light", ready: str = "#item h3", **fragment: str
    ) -> Any:
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{place.as_uri()}#{urlencode(fragment)}")
        page.wait_for_selector(ready)
        return page

    yield open_page
    for context in browser.contexts:
        context.close()
    assert complaints == []
    assert all(url.startswith("file:") for url in asked)


def cell_of(study: Results, **about: str) -> str:
    cells = study.cells
    for name, value in about.items():
        cells = cells[cells[name] == value]
    (cell,) = cells.index
    return str(cell)


def shown(page: Any, selector: str) -> list[str]:
    return [each.inner_text() for each in page.locator(selector).all() if each.is_visible()]


def column(page: Any, table: Any, name: str) -> list[str]:
    heads = [head.inner_text().rstrip(" ↑↓") for head in table.locator("th").all()]
    cells = table.locator(f"tbody tr td:nth-child({heads.index(name) + 1})")
    return [cell.inner_text() for cell in cells.all() if cell.is_visible()]


def test_heads_sort_numbers_as_numbers_with_the_keyboard(opened: Open) -> None:
    page = opened()
    part = page.locator("#section-Items-that-flipped")
    table = part.locator("table.sorted")
    button = table.get_by_role("button", name="won", exact=True)
    button.focus()
    page.keyboard.press("Enter")
    numbers = [int(text) for text in column(page, table, "won")]
    assert numbers == sorted(numbers)
    assert [str(number) for number in numbers] != sorted(str(number) for number in numbers)
    assert table.locator("th[aria-sort=ascending]").inner_text().startswith("won")
    page.keyboard.press("Enter")
    assert [int(text) for text in column(page, table, "won")] == sorted(numbers, reverse=True)


def test_the_filter_goes_through_tables_figures_and_items(opened: Open, study: Results) -> None:
    page = opened()
    page.locator("#filter select[name=benchmark]").select_option("lambada")
    page.locator("#filter select[name=intervention]").select_option("hhh-prompt")
    table = page.locator("#section-Items-that-flipped table.sorted")
    assert set(column(page, table, "benchmark")) == {"lambada"}
    assert set(column(page, table, "intervention")) == {"HHH prompt"}
    assert not page.locator("#figure-scaling-hhh").is_visible()
    assert page.locator("#figure-scaling-lambada").is_visible()
    title = "6.9b, {}, lambada"
    points = page.locator("#figure-scaling-lambada svg a")
    dimmed = {
        point.locator("title").text_content(): "dim" in (point.get_attribute("class") or "") for point in points.all()
    }
    assert dimmed[title.format("HHH prompt")] is False
    assert dimmed[title.format("no intervention")] is True
    options = page.locator("#picker select[name=cell] option").all_inner_texts()
    assert options == ["lambada · 70m · HHH prompt", "lambada · 6.9b · HHH prompt"]
    assert "benchmark=lambada&intervention=hhh-prompt" in page.url
    page.locator("#list a").nth(1).click()
    expect(page.locator("#list li:nth-child(2) a")).to_have_attribute("aria-current", "true")
    assert "benchmark=lambada&intervention=hhh-prompt&cell=" in page.url
    page.get_by_role("button", name="Show all").click()
    page.locator("#list a").first.click()
    expect(page.locator("#list li:nth-child(1) a")).to_have_attribute("aria-current", "true")
    assert "benchmark" not in page.url
    assert page.locator("#figure-scaling-hhh").is_visible()
    assert len(page.locator("#picker select[name=cell] option").all()) == len(study.cells)


def test_a_point_opens_its_items_with_the_flips_first(opened: Open, study: Results) -> None:
    page = opened()
    cell = cell_of(study, benchmark="hhh", rung="6.9b", intervention="hhh-prompt")
    page.locator(f"#figure-scaling-hhh a[href='#cell={cell}']").click()
    expect(page.locator("#told")).to_contain_text("300 listed")
    assert page.locator("#picker select[name=cell]").input_value() == cell
    expect(page.locator("#list")).to_be_in_viewport()
    badges = page.locator("#list li").evaluate_all("rows => rows.map(row => row.querySelector('i')?.textContent ?? '')")
    flips = [badge for badge in badges if badge in {"lost", "won"}]
    assert flips
    assert badges[: len(flips)] == flips == sorted(flips)
    page.get_by_role("button", name="Show more").click()
    assert page.locator("#list li").count() == 100
    page.locator("#picker select[name=change]").select_option("won")
    assert set(shown(page, "#list li i")) == {"won"}


def test_an_item_is_set_beside_the_same_item_of_the_base(opened: Open, study: Results) -> None:
    cell = cell_of(study, benchmark="hhh", rung="6.9b", intervention="hhh-prompt")
    page = opened(cell=cell)
    page.locator("#picker select[name=change]").select_option("won")
    page.locator("#list a").first.click()
    expect(page.locator("#item .badge")).to_have_text("won")
    said = page.locator("#item").inner_text()
    assert "I don't know that" in said
    heads = page.locator("#item table").first.locator("th").all_inner_texts()
    assert heads == ["option", "", "logprobs"]
    assert re.fullmatch(r"−\d+\.\d\d → −\d+\.\d\d", page.locator("#item td.number").first.inner_text())
    assert "right, chosen with" in said
    first = page.locator("#item h3").text_content()
    page.get_by_role("button", name="next").click()
    expect(page.locator("#item h3")).not_to_have_text(first)
    page.get_by_role("button", name="previous").click()
    expect(page.locator("#item h3")).to_have_text(first)


def test_words_that_differ_are_marked(opened: Open) -> None:
    page = opened()
    old, new = "The cat sat on the mat.", "The dog sat on the red mat."
    marked = page.evaluate(
        "([a, b]) => difference(a, b).map((parts) => parts.map((part) => part.outerHTML ?? part).join(''))",
        [old, new],
    )
    assert marked == ["The <del>cat</del> sat on the mat.", "The <ins>dog</ins> sat on the<ins> red</ins> mat."]
    long = [f"{word} " * 3000 for word in ("one", "two")]
    assert page.evaluate("([a, b]) => difference(a, b).map((parts) => parts.length)", long) == [1, 1]


def test_an_address_restores_what_was_shown(opened: Open, study: Results) -> None:
    cell = cell_of(study, benchmark="lambada", rung="6.9b", intervention="hhh-prompt")
    item = study.details(cell)[ITEMS - 1].item  # in the second shard, and not in the sample
    page = opened(cell=cell, item=item, benchmark="lambada")
    expect(page.locator("#item h3")).to_have_text(re.compile(f"{item}$"))
    assert page.locator("#filter select[name=benchmark]").input_value() == "lambada"
    assert page.locator("#permalink").get_attribute("href") == "#" + urlencode({"cell": cell, "item": item})
    page.goto(f"{page.url.partition('#')[0]}#{urlencode({'cell': 'constructor', 'item': 'nothing'})}")
    page.wait_for_selector("#item h3")


def test_what_models_wrote_is_text(opened: Open) -> None:
    page = opened()
    prompt = page.locator("#item pre").first.text_content()
    assert prompt.startswith("</script><img src=x onerror=document.title=1>\u2028⟨0000⟩⟨202E⟩")
    assert page.locator("#items img").count() == 0
    assert page.title() != "1"


def test_the_page_works_without_its_shards(browser: Any, index: Path, tmp_path: Path) -> None:
    alone = tmp_path / "alone.html"
    shutil.copy(index, alone)
    page = browser.new_page()
    page.goto(alone.as_uri())
    page.wait_for_selector("#item h3")
    assert "holds a sample" in page.locator("#told").inner_text()
    assert page.locator("#list li").count() > 5
    for link in page.locator("#list a").all()[:5]:
        link.click()
        expect(page.locator("#item h3")).to_have_text(re.compile(f"{link.get_attribute('data-item')}$"))
    page.close()


@pytest.mark.parametrize("models", [{}, {"70m": 18.9e6}], ids=["no cell", "no record"])
def test_a_study_without_records_opens(opened: Open, tmp_path: Path, models: dict[str, float]) -> None:
    study = synthetic.results(models, benchmarks=["hhh"], items=5)
    study = replace(study, details=lambda cell: [], records=study.records[:0])
    page = opened(pages.build(study, [], {}, tmp_path / "report"), ready="#told:not(:empty)")
    assert page.locator("#told").inner_text() == (
        "0 items; 0 listed." if models else "No cell was measured with these."
    )


def test_dark_mode_changes_page_and_figures(opened: Open) -> None:
    seen = {}
    for scheme in ("light", "dark"):
        page = opened(scheme=scheme)
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
        title = page.evaluate("getComputedStyle(document.querySelector('figure svg text')).fill")
        seen[scheme] = [
            "#" + "".join(f"{int(part):02x}" for part in re.findall(r"\d+", colour)) for colour in (paper, title)
        ]
    assert seen == {
        "light": [style.ROLES["paper"][0], style.ROLES["ink"][0]],
        "dark": [style.ROLES["paper"][1], style.ROLES["ink"][1]],
    }


@pytest.mark.parametrize("width", [360, 768])
def test_a_narrow_window_scrolls_down_only(opened: Open, width: int) -> None:
    page = opened(width=width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("#list").bounding_box()["width"] > 250 * width / 1000
