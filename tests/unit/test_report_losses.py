"""Loss against step, from logs beside what was trained."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import synthetic

from cai_eval.contracts import Figure, Trained
from cai_eval.reports.losses import LIKELIHOODS, Losses, losses
from cai_eval.testing import check_report


@pytest.fixture
def trained(tmp_path: Path) -> list[Trained]:
    """Two sizes and two trainers, and a data set that has no log."""
    made = []
    for name in LIKELIHOODS:
        for rung, parameters in (("70m", 18_900_000), ("410m", 302_000_000)):
            folder = tmp_path / name / rung
            folder.mkdir(parents=True)
            entries = [{"step": step, "loss": 0.3 / step} for step in range(1, 31)]
            evaluated = {"step": 10, "evaluation": {"held-out": 0.5}}
            lines = "".join(json.dumps(entry) + "\n" for entry in [*entries, evaluated])
            (folder / "log.jsonl").write_text(lines, "utf-8")
            made.append(Trained(name, rung, parameters, 0, "policy", name, {}, {}, folder))
    return [*made, Trained("rows", "70m", 18_900_000, 0, "dataset", "rows", {}, {}, tmp_path / "none")]


def test_losses_keep_their_promises() -> None:
    check_report(Losses)


def test_every_step_is_a_row_and_every_size_a_curve(trained: list[Trained]) -> None:
    results = replace(synthetic.results(benchmarks=["hhh"], items=20), trained=trained)
    frame = losses(results)
    assert len(frame) == 4 * 30
    assert frame.groupby(["intervention", "rung"])["loss"].first().eq(0.3).all()
    (figure,) = Losses(Losses.Config()).draw(results)
    assert isinstance(figure, Figure)
    curves = [[line for line in ax.lines if len(line.get_xdata()) == 30] for ax in figure.figure.axes]
    assert [len(drawn) for drawn in curves] == [2, 2]
    assert figure.figure.axes[0].get_yscale() == "log"
    assert curves[0][0].get_ydata()[-1] == pytest.approx(sum(0.3 / step for step in range(25, 31)) / 6)


def test_nothing_is_drawn_where_nothing_was_trained() -> None:
    assert list(Losses(Losses.Config()).draw(synthetic.results(benchmarks=["hhh"], items=20))) == []
