"""A paper's figures: what they need, what they say is lacking, and what they look like."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import synthetic
from matplotlib.image import imread

from cai_eval.contracts import PaperFigure, Results
from cai_eval.errors import UserError
from cai_eval.study.figures import draw, lacking, paper_figures, remedy

REFERENCE = Path(__file__).parents[1] / "reference"
ALIKE, OTHER = 0.01, 0.02  #: root mean square difference of pixels in [0, 1]; another curve makes more than `OTHER`
LADDER = {"70m": 18.9e6, "410m": 302e6, "2.8b": 2.52e9}


def figure(number: str) -> PaperFigure:
    (found,) = paper_figures("askell-2021", number)
    return found


@pytest.fixture(scope="module")
def study() -> Results:
    return synthetic.results(LADDER, benchmarks=["hhh", "truthfulqa", "lambada"], items=60)


def distance(one: Path, other: Path) -> float:
    a, b = (imread(path)[..., :3] for path in (one, other))
    assert a.shape == b.shape
    return float(np.sqrt(np.mean((a - b) ** 2)))


@pytest.mark.parametrize("number", ["6L", "7L", "7R"])
def test_figures_look_as_they_did(number: str, study: Results, tmp_path: Path) -> None:
    drawn = draw(figure(number), study, tmp_path)[0]
    assert distance(drawn, REFERENCE / drawn.name) < ALIKE
    changed = replace(study, records=study.records.assign(value=study.records["value"].to_numpy() ** 2 * 0.9))
    assert distance(draw(figure(number), changed, tmp_path / "changed")[0], REFERENCE / drawn.name) > OTHER


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
    rungs = [{"model": "EleutherAI/pythia-70m@step1000"}, {"model": "gpt2"}]
    command = "cai-eval run --suite alignment-tax --benchmarks lambada --interventions hhh-prompt"
    assert remedy(needs) == command
    assert remedy(needs, {"ladder": "pythia", "rungs": rungs}) == f"{command} --ladder pythia"
    assert remedy(needs, {"ladder": "models", "rungs": rungs}) == f"{command} --models EleutherAI/pythia-70m,gpt2"


def test_another_suite_is_named_where_it_holds_the_cells() -> None:
    assert remedy([("lettered", "none")]).startswith("cai-eval run --suite calibration ")


def test_a_metric_that_was_not_recorded_is_named(study: Results) -> None:
    with pytest.raises(UserError, match="does not record mc1_mean"):
        figure("21").draw(study)


def test_figures_go_by_paper_and_number() -> None:
    assert [each.figure for each in paper_figures("askell-2021", "7")] == ["7L", "7R"]
    assert [each.figure for each in paper_figures("askell-2021")][-2:] == ["21", "25"]
    with pytest.raises(UserError, match="did you mean 'askell-2021'"):
        paper_figures("askell-2012")
    with pytest.raises(UserError, match="unknown figure '99'"):
        paper_figures("askell-2021", "99")
