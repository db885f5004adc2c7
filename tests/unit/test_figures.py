"""A paper's figures: what they need, what they say is lacking, and what they look like."""

import shlex
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import synthetic
from matplotlib.testing.compare import compare_images

from cai_eval.cli.run import command
from cai_eval.contracts import PaperFigure, Results
from cai_eval.errors import UserError
from cai_eval.study.figures import draw, lacking, paper_figures, remedy, told
from cai_eval.study.results import load_results
from cai_eval.study.suite import load_suite

REFERENCE = Path(__file__).parents[1] / "reference"
STUDIES = {
    "askell-2021": REFERENCE / "studies" / "alignment-tax",
    "kadavath-2022": REFERENCE / "studies" / "calibration",
}
LOOKS = [
    *(("askell-2021", number) for number in ("2L", "6L", "7L", "7R")),
    *(("kadavath-2022", number) for number in ("1L", "1R", "4L", "4R")),
]
TOLERANCE = 4.0  #: root mean square of the differences of pixels in [0, 255]; other letters or curves make more
LADDER = {"70m": 18.9e6, "410m": 302e6, "2.8b": 2.52e9}


def figure(number: str, paper: str = "askell-2021") -> PaperFigure:
    (found,) = paper_figures(paper, number)
    return found


@pytest.fixture(scope="module")
def study() -> Results:
    return synthetic.results(LADDER, benchmarks=["hhh", "truthfulqa", "lambada"], items=60)


@pytest.mark.parametrize(("paper", "number"), LOOKS)
def test_figures_of_a_committed_run_look_as_they_did(paper: str, number: str, tmp_path: Path) -> None:
    """Where a figure is meant to change: `python tests/unit/test_figures.py`, and look at every image."""
    results = load_results([STUDIES[paper]])
    drawn = draw(figure(number, paper), results, tmp_path)[0]
    assert compare_images(str(REFERENCE / drawn.name), str(drawn), TOLERANCE) is None


def test_another_curve_is_told_from_the_reference(tmp_path: Path) -> None:
    results = load_results([STUDIES["askell-2021"]])
    turned = replace(results, records=results.records.assign(value=1 - results.records["value"]))
    for number in ("2L", "7L", "7R"):
        drawn = draw(figure(number), turned, tmp_path)[0]
        assert compare_images(str(REFERENCE / drawn.name), str(drawn), TOLERANCE) is not None


def test_files_hold_the_drawing_and_its_numbers_beside_the_published_ones(study: Results, tmp_path: Path) -> None:
    png, svg, pdf, csv = draw(figure("7L"), study, tmp_path)
    assert png.read_bytes().startswith(b"\x89PNG")
    assert "LAMBADA" in svg.read_text("utf-8")
    assert pdf.read_bytes().startswith(b"%PDF")
    frame = pd.read_csv(csv)
    assert set(frame["intervention"].dropna()) == {"none", "hhh-prompt"}
    published = frame[frame["series"] == "A21 none"]
    assert published["value"].iloc[0] == pytest.approx(0.2905)
    assert published["source"].eq("arXiv:2112.00861v3").all()


def test_a_difference_is_changed_minus_plain_on_the_same_items(study: Results) -> None:
    frame = figure("7R").draw(study).data
    scores = figure("7L").draw(study).data.set_index(["rung", "intervention"])["value"]
    own = frame[frame["intervention"] == "hhh-prompt"].set_index("rung")
    for rung, row in own.iterrows():
        assert row["low"] <= row["value"] <= row["high"]
        assert row["value"] == pytest.approx(scores[rung, "hhh-prompt"] - scores[rung, "none"], abs=0.03)


def test_what_is_lacking_comes_with_the_command_that_makes_it(study: Results) -> None:
    assert lacking(figure("7L"), study) == []
    plain = replace(study, cells=study.cells[study.cells["intervention"] == "none"])
    needs = lacking(figure("7L"), plain)
    assert needs == [("lambada", "hhh-prompt")]
    rungs = [{"model": "EleutherAI/pythia-70m@step1000", "label": "70m"}, {"model": "gpt2", "label": "gpt2"}]
    command = "cai-eval run --suite alignment-tax --benchmarks lambada --interventions hhh-prompt"
    assert remedy(needs) == command
    assert remedy(needs, {"ladder": "pythia", "rungs": rungs}) == f"{command} --ladder pythia"
    assert remedy(needs, {"ladder": "models", "rungs": rungs}) == f"{command} --models EleutherAI/pythia-70m,gpt2"


def test_another_suite_is_named_where_it_holds_the_cells() -> None:
    rungs = [{"model": "/somewhere/98k", "label": "98k"}]
    laboratory = {"ladder": "mine", "rungs": rungs, "laboratory": "a small world"}
    lettered = [("lettered", "none")]
    asked = "--benchmarks lettered --interventions none"
    assert remedy(lettered, laboratory) == f"cai-eval run --suite calibration {asked} --ladder lab"
    published = {"ladder": "pythia", "rungs": rungs, "laboratory": ""}
    assert remedy(lettered, published) == f"cai-eval run --suite calibration-published {asked} --ladder pythia"


def test_needs_are_told_by_what_they_share() -> None:
    needs = [("hhh", "none"), ("hhh", "tuned"), ("lambada", "none"), ("lambada", "tuned"), ("code", "none")]
    assert told(needs) == "hhh, lambada with none, tuned; code with none"


def test_a_suite_is_named_that_can_make_what_is_no_plug_in() -> None:
    needs = [("hhh", "none"), ("hhh", "hh-rlhf")]
    assert remedy(needs).startswith("cai-eval run --suite constitutional-ai --benchmarks hhh ")
    assert remedy([("hhh", "my-method")]) == "name them in a suite of your own, for none of those that ship does"


def test_every_remedy_is_a_command_that_is_understood() -> None:
    for each in paper_figures():
        _, name, *arguments = shlex.split(remedy(each.needs))
        options = command.make_context(name, arguments).params
        suite = load_suite(options["suite"]).extended(options["interventions"], options["benchmarks"])
        assert all(name in suite.benchmarks for name, _ in each.needs)


def test_a_metric_that_was_not_recorded_is_named(study: Results) -> None:
    with pytest.raises(UserError, match="does not record mc1_mean"):
        figure("21").draw(study)


def test_figures_go_by_paper_and_number() -> None:
    assert [each.figure for each in paper_figures("askell-2021", "7")] == ["7L", "7R"]
    assert [each.figure for each in paper_figures("askell-2021")][-2:] == ["25", "26R"]
    with pytest.raises(UserError, match="did you mean 'askell-2021'"):
        paper_figures("askell-2012")
    with pytest.raises(UserError, match="unknown figure '99'"):
        paper_figures("askell-2021", "99")


if __name__ == "__main__":
    for paper, number in LOOKS:
        made = draw(figure(number, paper), load_results([STUDIES[paper]]), REFERENCE)
        for path in made[1:]:
            path.unlink()
