"""The page: complete, self-contained, safe against what models write, published in one step."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import synthetic

from cai_eval import pages, registry
from cai_eval.contracts import Figure, Report, Results, Table, Trained
from cai_eval.errors import UserError
from cai_eval.pages import charts, headline, html, style
from cai_eval.testing import check_report

NAMES = ("tax", "scaling", "flips", "cost")
TWO = {"70m": 18.9e6, "6.9b": 6.44e9}
HOSTILE = "</script></details><img src=x onerror=alert(1)> \"'&\x00\u202eright to left $x_{$ `${1}`"


def reports(names: Sequence[str] = NAMES) -> list[Report]:
    return [registry.create("reports", name) for name in names]


def build(folder: Path, results: Results, names: Sequence[str] = NAMES, **provenance: object) -> str:
    return pages.build(results, reports(names), provenance, folder / "report").read_text("utf-8")


class Tags(HTMLParser):
    """Every tag with its attributes; complains of a wrong nesting."""

    VOID = frozenset({"meta", "br", "img", "input"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def study() -> Results:
    return synthetic.results(TWO, benchmarks=["hhh", "truthfulqa"], items=60)


@pytest.fixture(scope="module")
def page(study: Results, tmp_path_factory: pytest.TempPathFactory) -> str:
    return build(tmp_path_factory.mktemp("page"), study)


def test_the_page_fetches_nothing(page: str) -> None:
    assert "http:" not in page
    assert "https:" not in page
    assert "default-src 'none'" in page
    assert "url(//" not in page
    for tag, attributes in Tags(page).seen:
        assert tag not in {"link", "img", "iframe", "object", "base"}
        assert "src" not in attributes
        href = attributes.get("href") or "#"
        assert href.startswith("#") or re.fullmatch(r"(figures|tables)/[\w-]+\.(png|svg|csv)", href)


def test_ids_are_unique_and_links_lead_somewhere(page: str, study: Results) -> None:
    tags = Tags(page).seen
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(set(ids)) == len(ids)
    targets = {(a.get("href") or "")[1:] for _, a in tags if (a.get("href") or "").startswith("#")} - {""}
    cells = {target.removeprefix("cell=") for target in targets if target.startswith("cell=")}
    assert cells == set(study.cells.index)
    assert {target for target in targets if not target.startswith("cell=")} <= set(ids)


def test_every_cell_is_on_the_page(page: str, study: Results) -> None:
    for row in study.cells.itertuples():
        assert f"{row.rung}, {study.interventions[row.intervention]}, {row.benchmark}" in page


def test_figures_and_tables_lie_beside_the_page(study: Results, tmp_path: Path) -> None:
    build(tmp_path, study)
    drawn = [part for report in reports() for part in report.draw(study)]
    for part in drawn:
        if isinstance(part, Figure):
            for kind in ("png", "svg"):
                assert (tmp_path / f"report/figures/{part.name}.{kind}").stat().st_size > 1000
            kept = pd.read_csv(tmp_path / f"report/figures/{part.name}.csv", keep_default_na=False)
            assert len(kept) == len(part.data)
        else:
            assert len(pd.read_csv(tmp_path / f"report/tables/{part.name}.csv")) == len(part.frame)
    assert {"tax", "tax-decomposition", "scaling-hhh", "scaling-hhh-categories"} <= {part.name for part in drawn}


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    study = synthetic.results(
        {HOSTILE: 1e8}, benchmarks=["hhh", "lambada"], items=30, text=HOSTILE + "\ud800", laboratory=HOSTILE
    )
    study = replace(study, interventions=dict.fromkeys(study.interventions, HOSTILE))
    suite = {"title": HOSTILE, "description": HOSTILE}
    page = build(tmp_path, study, suite=suite, notes=[HOSTILE], settings={HOSTILE: HOSTILE})
    tags = Tags(page).seen
    assert [dict(attributes).get("type") for tag, attributes in tags if tag == "script"] == ["application/json", None]
    assert not any(tag == "img" or any(name.startswith("on") for name in attributes) for tag, attributes in tags)
    assert "\x00" not in page
    assert "\u202e" not in page
    assert "⟨202E⟩" in page


@pytest.mark.parametrize(
    "study",
    [
        synthetic.results({}),
        synthetic.results({"only": 1e8}, benchmarks=["hhh", "truthfulqa"], items=20),
        synthetic.results(TWO, {"none": "none"}, ["lambada"], items=20),
        synthetic.results(TWO, benchmarks=["lambada"], items=3),
        synthetic.results({"only": 1e8}, benchmarks=["truthfulqa"], items=1, errors=0.0),
        synthetic.results(TWO, benchmarks=["hhh"], items=20, errors=1.0),
    ],
    ids=["nothing", "one model", "one intervention", "few items", "one item", "only errors"],
)
def test_meagre_studies_are_drawn(study: Results, tmp_path: Path) -> None:
    Tags(build(tmp_path, study))


def test_what_is_not_a_number_is_left_out(study: Results, tmp_path: Path) -> None:
    records = study.records.copy()
    records.loc[records.index[::7], "value"] = np.nan
    records.loc[records.index[::11], "value"] = np.inf
    page = build(tmp_path, replace(study, records=records))
    assert not re.search(r">\s*[-−+]?(nan|inf)\b", page)


def test_what_is_missing_is_said(study: Results, tmp_path: Path) -> None:
    skipped = [{"intervention": "hhh-prompt", "benchmark": "mmlu", "reason": "it does not fit <here>"}]
    page = build(tmp_path, study, ["cost"], notes=["4 of 14 conversations"], skipped=skipped)
    assert "it does not fit &lt;here&gt;" in page
    assert "4 of 14 conversations" in page
    assert "the prompt is empty" in page  # the reason of failed items


def test_what_was_trained_once_is_said_to_be_these_weights_alone(study: Results, tmp_path: Path) -> None:
    def made(name: str, *seeds: int) -> list[Trained]:
        return [
            Trained(name, rung, round(size), seed, "policy", "ppo", {}, {}, tmp_path)
            for rung, size in TWO.items()
            for seed in seeds
        ]

    once, both = made("hhh-prompt", 0), [*made("hhh-prompt", 0, 1), *made("tuned", 0)]
    assert "variance not measured</b> (everything:" in headline.trainings(replace(study, trained=once))
    assert "variance not measured</b> (tuned:" in headline.trainings(replace(study, trained=both))
    assert headline.trainings(replace(study, trained=made("hhh-prompt", 0, 1))) == headline.trainings(study) == ""
    assert "variance not measured" in build(tmp_path, replace(study, trained=once), ["cost"])


def test_a_laboratory_is_named_on_the_page_and_on_every_figure(tmp_path: Path) -> None:
    study = synthetic.results(TWO, benchmarks=["hhh"], items=20, laboratory="world-1")
    page = build(tmp_path, study)
    figures = re.findall(r"<figure.*?</figure>", page, flags=re.S)
    assert figures
    assert all("world-1" in figure for figure in figures)
    for file in (tmp_path / "report/figures").glob("*.svg"):
        assert "world-1" in file.read_text("utf-8")


def test_the_old_page_stands_until_the_new_one_is_complete(
    study: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = build(tmp_path, study, ["cost"])
    with monkeypatch.context() as patch:
        patch.setattr("cai_eval.pages.output.svg", lambda figure: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            build(tmp_path, study, ["cost"])
    assert (tmp_path / "report/index.html").read_text("utf-8") == first
    assert [path.name for path in tmp_path.iterdir()] == ["report"]
    assert build(tmp_path, study, ["cost"]) == first


def test_a_folder_of_something_else_is_not_replaced(study: Results, tmp_path: Path) -> None:
    precious = tmp_path / "report/thesis.tex"
    precious.parent.mkdir()
    precious.write_text("years of work")
    with pytest.raises(UserError, match="something else than a report"):
        build(tmp_path, study, ["cost"])
    assert precious.read_text() == "years of work"


@pytest.mark.parametrize("name", NAMES)
def test_reports_keep_their_promises(name: str, study: Results) -> None:
    check_report(name)
    check_report(name, results=[study])


def test_flips_are_counted_by_verdict(study: Results) -> None:
    (table,) = registry.create("reports", "flips").draw(study)
    assert len(table.frame) == 2 * 3 * 2
    for row in table.frame.itertuples():
        about = study.cells.loc[row.cell]
        same = study.cells[(study.cells["model"] == about["model"]) & (study.cells["benchmark"] == about["benchmark"])]
        base = same.index[same["intervention"] == "none"][0]
        metric = study.metrics[about["benchmark"]][0].name
        wide = study.records[study.records["metric"] == metric].pivot(index="item", columns="cell", values="value")
        change = (wide[row.cell] - wide[base]).dropna()
        assert (row.items, row.lost, row.won) == (len(change), (change < 0).sum(), (change > 0).sum())


def test_costs_are_per_timed_item(study: Results) -> None:
    cells = study.cells.assign(timed_items=study.cells["items"] // 2)
    parts = {part.name: part for part in registry.create("reports", "cost").draw(replace(study, cells=cells))}
    frame = parts["cost-table"].frame
    for (rung, title), rows in frame.groupby(["model", "intervention"]):
        own = cells[(cells["rung"] == rung) & (cells["intervention"].map(study.interventions) == title)]
        expected = 1000 * own["seconds"].sum() / own["timed_items"].sum()
        assert rows["milliseconds an item"].item() == pytest.approx(expected)
    assert (frame.loc[frame["intervention"] == "no intervention", "times base"] == 1).all()


def test_numbers_in_tables() -> None:
    frame = pd.DataFrame({"x": [-0.5, np.nan], "n": [1234, 5], "who": ["<a>", None], "cell": ["c1", "c2"]})
    shown = html.table(Table("t", "t", "", frame, {"x": "{:+.2f}"}))
    assert "−0.50" in shown
    assert "1,234" in shown
    assert "&lt;a&gt;" in shown
    assert ">–<" in shown
    assert "nan" not in shown
    assert 'data-value="-0.5"' in shown
    assert 'data-value=""' in shown
    assert '<a href="#cell=c2">' in shown


@pytest.mark.parametrize(
    ("parameters", "label"),
    [
        (18.9e6, "19M"),
        (302e6, "302M"),
        (1.21e9, "1.2B"),
        (6.44e9, "6.4B"),
        (260_000, "260k"),
        (999.9e6, "1B"),
        (7, "7"),
    ],
)
def test_sizes_are_named_as_people_do(parameters: float, label: str) -> None:
    assert style.size_label(parameters) == label


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (1.4, 7.7, [1.5, 2, 3, 4, 5, 7]),
        (231, 312, [240, 260, 280, 300]),
        (8, 1200, [10, 20, 50, 100, 200, 500, 1000]),
        (0.9e6, 1.1e9, [1e6, 3e6, 1e7, 3e7, 1e8, 3e8, 1e9]),
        (1, 1e12, [1, 100, 1e4, 1e6, 1e8, 1e10, 1e12]),
    ],
)
def test_ticks_of_a_logarithmic_axis_are_few_and_round(low: float, high: float, ticks: list[float]) -> None:
    assert charts.log_ticks(low, high) == pytest.approx(ticks)


def test_a_report_that_fails_does_not_take_the_page_with_it(study: Results, tmp_path: Path) -> None:
    class Broken:
        name = title = "broken"

        def draw(self, results: Results) -> Iterator[Figure]:
            raise ZeroDivisionError("no sizes")
            yield

    reports = [Broken(), registry.create("reports", "scaling")]
    text = pages.build(study, reports, {}, tmp_path / "report").read_text("utf-8")
    assert "broken" in text
    assert "ZeroDivisionError: no sizes" in text
    assert "Score against size" in text
