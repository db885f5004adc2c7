"""Loss against number, of the largest model."""

from collections.abc import Mapping

import pandas as pd
import pytest

from cai_eval.contracts import Metric, Results
from cai_eval.reports.counting import Counting, losses
from cai_eval.testing import check_report

LOSSES: Mapping[str, tuple[float, float]] = {"none": (9.0, 1.0), "count-prompt": (0.01, 0.02), "fine-tuned": (8.0, 0.5)}


@pytest.fixture
def results() -> Results:
    """Two numbers, asked of two sizes; the smaller one counts worse by a nat."""
    cells = {
        f"{name}/{rung}": {"benchmark": "counting", "intervention": name, "rung": rung, "parameters": parameters}
        for name in LOSSES
        for rung, parameters in (("70m", 18_900_000), ("410m", 302_000_000))
    }
    rows = [
        {"cell": cell, "item": str(64 + place), "metric": "loss", "value": loss + about["rung"].startswith("70m")}
        for cell, about in cells.items()
        for place, loss in enumerate(LOSSES[about["intervention"]])
    ]
    metrics = {"counting": [Metric("loss", "loss", unit="nats", higher_is_better=False, primary=True)]}
    titles = {name: name.upper() for name in LOSSES}
    return Results(pd.DataFrame(rows), pd.DataFrame.from_dict(cells, orient="index"), metrics, lambda _: [], titles)


def test_counting_keeps_its_promises() -> None:
    check_report(Counting)


def test_each_number_has_its_loss_at_the_largest_size(results: Results) -> None:
    frame = losses(results)
    assert list(frame["intervention"].unique()) == list(LOSSES)
    assert set(frame["rung"]) == {"410m"}
    found = frame.groupby("intervention")["loss"].apply(tuple).to_dict()
    assert found == LOSSES


def test_one_curve_an_intervention_with_its_title(results: Results) -> None:
    (figure,) = Counting(Counting.Config()).draw(results)
    (ax,) = figure.figure.axes  # type: ignore[union-attr]
    assert [tuple(line.get_ydata()) for line in ax.lines if line.get_marker() != "None"] == list(LOSSES.values())
    assert {text.get_text() for text in ax.texts} >= {"NONE", "COUNT-PROMPT", "FINE-TUNED"}
