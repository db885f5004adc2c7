"""Scores and taxes from records: signs, pairing, floors, parts; and the papers' numbers that are drawn beside them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import synthetic
from hypothesis import given
from hypothesis import strategies as st

from cai_eval.contracts import Metric, Results
from cai_eval.pages import lettering, scores, taxes
from cai_eval.reports import published

ACCURACY = Metric("accuracy", "accuracy", chance=0.25, primary=True)
LOSS = Metric("loss", "perplexity", unit="nats", higher_is_better=False, transform="exp")


def study(values: Mapping[tuple[str, int], Sequence[float]], metric: Metric = ACCURACY) -> Results:
    """One model, one benchmark; (intervention, seed) → scores of items 0, 1, ...; NaN for none."""
    cells, rows = {}, []
    for (intervention, seed), column in values.items():
        cell = f"{intervention}{seed}"
        cells[cell] = {
            "model": "m",
            "rung": "m",
            "parameters": 10**8,
            "intervention": intervention,
            "seed": seed,
            "benchmark": "b",
            "label": "",
            "errors": 0,
            "items": len(column),
        }
        rows += [(cell, f"i{i}", f"c{i // 2}", "", metric.name, value) for i, value in enumerate(column)]
    records = pd.DataFrame(rows, columns=["cell", "item", "cluster", "category", "metric", "value"])
    names = {intervention: intervention for intervention, _ in values}
    return Results(
        records.dropna(), pd.DataFrame.from_dict(cells, orient="index"), {"b": [metric]}, lambda _: [], names
    )


def tax(values: Mapping[tuple[str, int], Sequence[float]], metric: Metric = ACCURACY) -> pd.Series:
    return taxes.taxes(study(values, metric), {"b": metric}).iloc[0]


RIGHT = [1.0] * 30 + [0.0] * 10
WORSE = [1.0] * 20 + [0.0] * 20


def test_a_loss_is_positive() -> None:
    row = tax({("none", 0): RIGHT, ("prompt", 0): WORSE})
    assert row["tax"] == pytest.approx(0.25)
    assert row["relative"] == pytest.approx(1 - (0.5 - 0.25) / (0.75 - 0.25))
    assert row["low"] < 0.25 < row["high"]
    assert row["p"] < 0.05 < row["p_gain"]
    assert taxes.verdict(row) == "loss"


def test_a_gain_is_negative() -> None:
    row = tax({("none", 0): WORSE, ("prompt", 0): RIGHT})
    assert row["tax"] == pytest.approx(-0.25)
    assert taxes.verdict(row) == "gain"


def test_of_a_loss_in_nats_more_is_worse() -> None:
    rng = np.random.default_rng(0)
    base = rng.normal(2, 0.3, 40)
    row = tax({("none", 0): base, ("prompt", 0): base + rng.normal(0.5, 0.1, 40)}, LOSS)
    assert row["tax"] == pytest.approx(0.5, abs=0.1)
    assert row["base"] == pytest.approx(np.exp(base.mean()))
    assert np.isnan(row["relative"])
    assert taxes.verdict(row) == "loss"


def test_at_floor_is_never_no_tax() -> None:
    guessing = [1.0] * 10 + [0.0] * 30
    row = tax({("none", 0): guessing, ("prompt", 0): [0.0] * 40})
    assert row["floor"]
    assert np.isnan(row["p"])
    assert np.isnan(row["relative"])
    assert taxes.verdict(row) == "at floor"


def test_from_the_floor_one_can_rise() -> None:
    assert taxes.verdict(tax({("none", 0): [1.0] * 10 + [0.0] * 30, ("prompt", 0): [1.0] * 40})) == "gain"


def test_only_shared_items_count() -> None:
    base, changed = np.array(RIGHT), np.array(WORSE)
    base[:4], changed[-6:] = np.nan, np.nan
    row = tax({("none", 0): base, ("prompt", 0): changed})
    assert row["items"] == 30
    assert row["base"] == pytest.approx(26 / 30)
    assert row["changed"] == pytest.approx(16 / 30)


def test_chance_may_be_each_items_own() -> None:
    metric = replace(ACCURACY, chance="own")
    results = study({("none", 0): RIGHT, ("prompt", 0): WORSE}, metric)
    own = results.records.assign(metric="own", value=np.tile([0.2, 0.3], 40))
    results = replace(results, records=pd.concat([results.records, own]))
    row = taxes.taxes(results, {"b": metric}).iloc[0]
    assert row["relative"] == pytest.approx(0.5)
    assert scores.scores(results, "b", metric)["chance"].unique() == pytest.approx([0.25])


@pytest.mark.parametrize(
    ("metric", "scale", "ends"),
    [
        (ACCURACY, 1, (0, 1)),
        (Metric("harm", "harm", "grades", least=0, most=4), 4, (0, 4)),
        (Metric("words", "words", "words", least=0), 9, (0, None)),
        (Metric("margin", "margin", "nats"), 1, (None, None)),
        (Metric("bleu", "BLEU"), 100, (None, None)),
    ],
)
def test_intervals_over_few_seeds_end_where_scores_must(
    metric: Metric, scale: float, ends: tuple[float | None, float | None]
) -> None:
    """Two seeds as far apart as can be: Student's t goes on far behind both."""
    seeds = [scale * np.array([high] * 30 + [1 - high] * 10) for high in (0.0, 1.0)]
    row = scores.scores(study({("prompt", i): seed for i, seed in enumerate(seeds)}, metric), "b", metric).iloc[0]
    for end, sign, limit in ((row["low"], -1, ends[0]), (row["high"], 1, ends[1])):
        if limit is None:
            assert sign * end > sign * scale * (sign > 0)
        else:
            assert end == limit


def test_seeds_widen_the_interval() -> None:
    seeds = {("prompt", seed): np.roll(WORSE, 7 * seed) for seed in range(3)}
    one = tax({("none", 0): RIGHT, ("prompt", 0): WORSE})
    several = tax({("none", 0): RIGHT, **{k: [*WORSE[: 40 - 6 * k[1]], *[0.0] * 6 * k[1]] for k in seeds}})
    steady = tax({("none", 0): RIGHT, **dict.fromkeys(seeds, WORSE)})
    assert several["seeds"] == 3
    assert steady["tax"] == pytest.approx(one["tax"])
    rising = {k: [*[1.0] * (10 + 10 * k[1]), *[0.0] * (30 - 10 * k[1])] for k in seeds}
    uneven = tax({("none", 0): RIGHT, **rising})
    assert uneven["tax"] == pytest.approx(one["tax"])
    assert uneven["high"] - uneven["low"] > 1.5 * (steady["high"] - steady["low"])
    assert uneven["p"] > steady["p"]


def test_the_steps_add_up_to_the_tax() -> None:
    results = synthetic.results({"a": 1e8, "b": 1e9}, benchmarks=["lambada"], items=80)
    metric = results.metrics["lambada"][1]
    stages = ("none", "neutral-prefix", "dialogue-only", "hhh-prompt")
    parts = taxes.decomposition(results, "lambada", metric, stages)
    assert len(parts) == 2 * 4
    for _, rows in parts.groupby("model"):
        steps, total = rows[rows["step"] != taxes.TOTAL], rows[rows["step"] == taxes.TOTAL].iloc[0]
        assert steps["value"].sum() == pytest.approx(total["value"])
        assert steps["start"].tolist() == pytest.approx([0, *np.cumsum(steps["value"])[:-1]])
        assert ((rows["low"] < rows["value"]) & (rows["value"] < rows["high"])).all()


def test_what_is_found_is_corrected_for_the_number_of_comparisons() -> None:
    results = synthetic.results(items=40)
    measures = {name: scores.primary(metrics) for name, metrics in results.metrics.items()}
    frame = taxes.taxes(results, measures)
    assert len(frame) == 7 * 3 * 4
    tested = frame["p"].notna()
    assert (frame.loc[tested, "p_adjusted"] >= frame.loc[tested, "p"]).all()
    assert frame.loc[~tested, "floor"].all()
    alone = taxes.taxes(results, {"hhh": measures["hhh"]})
    assert (alone["detectable"] <= frame.loc[frame["benchmark"] == "hhh", "detectable"].to_numpy()).all()


def test_a_score_has_its_interval_and_its_parts() -> None:
    results = synthetic.results({"a": 1e9}, benchmarks=["hhh"], items=120, errors=0.1)
    frame = scores.scores(results, "hhh", scores.primary(results.metrics["hhh"]))
    whole = frame[frame["category"] == ""]
    assert len(whole) == 4
    assert len(frame) == 4 * 5
    parts = frame[frame["category"] != ""].groupby("intervention")["items"].sum()
    assert parts.to_dict() == whole.set_index("intervention")["items"].to_dict()
    assert (whole["items"] + whole["errors"] == 120).all()
    assert ((frame["low"] < frame["value"]) & (frame["value"] < frame["high"])).all()


labels = st.lists(st.tuples(st.floats(0, 100), st.sampled_from([8.5, 17.0])), min_size=1, max_size=8)


@given(labels)
def test_labels_never_overlap_and_stay_put_where_they_can(wanted: list[tuple[float, float]]) -> None:
    wanted = sorted(wanted)
    heights = [height for _, height in wanted]
    places = lettering.spread([y for y, _ in wanted], heights, 100.0)
    assert max(places) <= 100 + 1e-9
    for i in range(len(places) - 1):
        assert places[i + 1] - places[i] >= (heights[i] + heights[i + 1]) / 2 - 1e-9
    if all(b[0] - a[0] >= (a[1] + b[1]) / 2 for a, b in pairwise(wanted)):
        assert places == pytest.approx([y for y, _ in wanted])


def test_published_taxes_are_losses_and_agree_with_the_published_scores() -> None:
    curves = published.scores("lambada", "accuracy")
    for name, tax_rows in published.taxes("lambada", "accuracy").items():
        difference = curves["A21 none"]["value"].to_numpy() - curves[name]["value"].to_numpy()
        assert (tax_rows["value"] > 0).all()
        assert tax_rows["value"].to_numpy() == pytest.approx(difference, abs=5e-4)
