"""Slopes with size: what is planted is found."""

import numpy as np
import pytest
import synthetic

from cai_eval.contracts import Metric
from cai_eval.pages.scores import item_scores, primary
from cai_eval.pages.trends import trends

LADDER = {"small": 1e7, "middle": 1e8, "large": 1e9}


@pytest.fixture(scope="module")
def results():
    return synthetic.results(LADDER, benchmarks=["hhh", "lambada"], items=150)


def test_a_slope_is_the_regression_of_the_means_where_no_item_is_missing(results):
    """By an independent way: a line through the mean of the items that have a score at every size."""
    measures = {name: primary(metrics) for name, metrics in results.metrics.items()}
    frame = trends(results, measures)
    for row in frame.itertuples():
        data = item_scores(results, row.benchmark, row.metric)
        models = results.cells.drop_duplicates("model").sort_values("parameters")["model"]
        curve = np.stack([data.of((model, row.intervention)) for model in models])
        kept = np.isfinite(curve).all(axis=0)
        assert row.items == kept.sum()
        slope = np.polyfit(np.log10(list(LADDER.values())), curve[:, kept].mean(axis=1), 1)[0]
        assert row.score == pytest.approx(slope, abs=1e-12)
        assert row.score_low < row.score < row.score_high


def test_the_slope_of_a_tax_is_the_difference_of_slopes(results):
    metric = primary(results.metrics["lambada"])
    frame = trends(results, {"lambada": metric}).set_index("intervention")
    base = next(iter(results.interventions))
    assert np.isnan(frame.loc[base, "tax"])
    for name in list(results.interventions)[1:]:
        difference = frame.loc[base, "score"] - frame.loc[name, "score"]
        assert frame.loc[name, "tax"] == pytest.approx(difference, abs=0.02)  # missing items differ


def test_a_loss_is_positive_whatever_the_direction(results):
    up = trends(results, {"lambada": Metric("accuracy", "", higher_is_better=True)})
    down = trends(results, {"lambada": Metric("accuracy", "", higher_is_better=False)})
    assert np.allclose(up["tax"], -down["tax"], equal_nan=True)


def test_one_size_has_no_trend():
    alone = synthetic.results({"only": 1e8}, benchmarks=["hhh"], items=20)
    assert trends(alone, {"hhh": primary(alone.metrics["hhh"])}).empty
