"""The alignment tax, item by item (DESIGN §3), and its parts.

A tax is what the base model scores in the plain format minus what the changed policy scores in its own format, on the
items that both have a score for; positive is a loss, whatever the metric's direction.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cai_eval import statistics
from cai_eval.contracts import Metric, Results
from cai_eval.pages import scores as scoring
from cai_eval.pages.scores import LEVEL, Array, display, scored

POWER = 0.8

TAX_COLUMNS = [
    *("benchmark", "metric", "model", "rung", "parameters", "intervention", "label", "seeds", "errors"),
    *("base", "changed", "tax", "low", "high", "relative", "relative_low", "relative_high", "floor"),
    *("p", "p_adjusted", "p_gain", "p_gain_adjusted", "detectable", "items", "clusters", "cell"),
]


def taxes(
    results: Results, measures: Mapping[str, Metric], base: str | None = None, level: float = LEVEL
) -> pd.DataFrame:
    """What each point that is not the base lost against the base of the same model. The frame is one family of tests.

    measures: benchmark → metric. Columns: TAX_COLUMNS. base, changed: mean scores on the shared items, as displayed.
    tax, low, high: in the metric's own unit (nats where it is displayed through exp). relative: 1 − (changed −
    chance)/(base − chance), NaN without a chance level or at floor. floor: the base is not above chance, so nothing
    can be lost. p, p_gain: one-sided tests for a loss (none at floor) and for a gain, each Benjamini–Hochberg adjusted
    over the frame. detectable: the least effect found with 80 % power at (1 − level)/(number of rows).
    """
    base = base or scoring.base_intervention(results)
    pairs = [pair for benchmark, metric in measures.items() for pair in _pairs(results, benchmark, metric, base)]
    alpha = (1 - level) / max(1, len(pairs))
    frame = pd.DataFrame([pair.about | _tax(pair, level, alpha) for pair in pairs], columns=TAX_COLUMNS)
    for column in ("p", "p_gain"):
        tested = frame[column].notna()
        adjusted = statistics.benjamini_hochberg(frame.loc[tested, column].to_numpy(float))
        frame.loc[tested, f"{column}_adjusted"] = adjusted
    return frame


@dataclass(frozen=True)
class Pair:
    """Base and changed on the items that both have: (items,) or (seeds, items). chance: of each item, or None."""

    about: dict[str, Any]
    metric: Metric
    before: Array
    after: Array
    chance: Array | None
    clusters: NDArray[np.intp]


def _pairs(results: Results, benchmark: str, metric: Metric, base: str) -> Iterator[Pair]:
    data = scoring.item_scores(results, benchmark, metric.name)
    chance = scoring.chance_level(results, benchmark, metric, data)
    for (model, intervention), about in scoring.points(results, data):
        before, after = data.of((model, base)), data.of((model, intervention))
        kept = scored(before, after)
        if intervention != base and kept.any():
            about |= {"benchmark": benchmark, "metric": metric.name}
            own = None if chance is None else chance[kept]
            yield Pair(about, metric, before[..., kept], after[..., kept], own, data.clusters[kept])


def _tax(pair: Pair, level: float, alpha: float) -> dict[str, Any]:
    sign = 1 if pair.metric.higher_is_better else -1
    more, less, clusters = sign * pair.before, sign * pair.after, pair.clusters
    absolute = loss(more, less, clusters, level)
    row: dict[str, Any] = {
        "base": display(pair.metric, pair.before.mean()),
        "changed": display(pair.metric, pair.after.mean()),
        "tax": absolute.value,
        "low": absolute.low,
        "high": absolute.high,
        "floor": False,
        **_tests(more, less, clusters, absolute, alpha),
        "items": absolute.n,
        "clusters": absolute.clusters,
    }
    if pair.chance is not None:
        base, chance = _averaged(more), sign * pair.chance
        if not statistics.above_chance(base, chance, clusters):
            return row | {"floor": True, "p": np.nan}
        relative = statistics.relative_loss(base, _averaged(less), chance, clusters, level)
        row |= {"relative": relative.value, "relative_low": relative.low, "relative_high": relative.high}
    return row


def loss(before: Array, after: Array, clusters: NDArray[np.intp], level: float) -> statistics.Estimate:
    """Mean of before − after, of fixed weights (items,) or of methods with several seeds (seeds, items)."""
    if before.ndim == after.ndim == 1:
        return statistics.difference_interval(before, after, clusters, level)
    if before.shape == after.shape:  # replicates of the base, each with what was made of it
        return statistics.seeded_difference(before - after, np.zeros(before.shape[1]), clusters, level)
    return statistics.seeded_difference(before, after, clusters, level)


def _tests(
    more: Array, less: Array, clusters: NDArray[np.intp], lost: statistics.Estimate, alpha: float
) -> dict[str, float]:
    """One-sided p-values and the detectable effect: by sign flips for fixed weights, by t where seeds vary too."""
    if more.ndim == less.ndim == 1:
        difference = more - less
        return {
            "p": statistics.sign_flip(difference, clusters, "greater"),
            "p_gain": statistics.sign_flip(difference, clusters, "less"),
            "detectable": statistics.minimum_detectable_effect(difference, clusters, alpha, POWER),
        }
    from scipy import special

    p = float(special.stdtr(lost.df, -lost.value / lost.se)) if lost.se > 0 else np.nan
    reach = special.stdtrit(lost.df, 1 - alpha) + special.stdtrit(lost.df, POWER)
    return {"p": p, "p_gain": 1 - p, "detectable": float(reach * lost.se)}


def _averaged(scores: Array) -> Array:
    """(items,) means over seeds."""
    return np.asarray(np.atleast_2d(scores).mean(axis=0))


def verdict(row: Any, alpha: float = 1 - LEVEL) -> str:
    """What a row of `taxes` says: "loss", "gain", "at floor", or "none found"."""
    if row.p_adjusted < alpha:
        return "loss"
    if row.p_gain_adjusted < alpha:
        return "gain"
    return "at floor" if row.floor else "none found"


STEP_COLUMNS = [
    *("benchmark", "metric", "model", "rung", "parameters", "step", "before", "after"),
    *("start", "value", "low", "high", "items", "clusters"),
]
TOTAL = "total"


def decomposition(
    results: Results, benchmark: str, metric: Metric, stages: Sequence[str], level: float = LEVEL
) -> pd.DataFrame:
    """What each step from one stage to the next adds to the tax, and their sum; on the items that all stages share.

    stages: interventions, the base first. Columns: STEP_COLUMNS. step: "1", "2", ..., then TOTAL; start: the sum of
    the steps before; value, low, high: what this step adds, positive for a loss. Models that lack a stage have no rows.
    """
    data = scoring.item_scores(results, benchmark, metric.name)
    sign = 1 if metric.higher_is_better else -1
    rows = []
    for (model, intervention), about in scoring.points(results, data):
        columns = [sign * data.of((model, stage)) for stage in stages]
        kept = scored(*columns)
        if intervention != stages[0] or not kept.any():
            continue
        levels = [column[..., kept] for column in columns]
        steps = [(str(i), i - 1, i) for i in range(1, len(stages))]
        for step, before, after in [*steps, (TOTAL, 0, len(stages) - 1)]:
            estimate = loss(levels[before], levels[after], data.clusters[kept], level)
            rows.append(
                {
                    **about,
                    "benchmark": benchmark,
                    "metric": metric.name,
                    "step": step,
                    "before": stages[before],
                    "after": stages[after],
                    "start": float(levels[0].mean() - levels[before].mean()),
                    "value": estimate.value,
                    "low": estimate.low,
                    "high": estimate.high,
                    "items": estimate.n,
                    "clusters": estimate.clusters,
                }
            )
    return pd.DataFrame(rows, columns=STEP_COLUMNS)
