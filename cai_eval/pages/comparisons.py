"""From records to the numbers that pages show: scores, and taxes item by item, each with its interval.

A tax is what the base model scores in the plain format minus what the changed policy scores in its own format, on the
items that both have a score for; positive is a loss, whatever the metric's direction (DESIGN §3).
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

BASE = "none"
LEVEL = 0.95
POWER = 0.8
Point = tuple[str, str]  #: model, intervention


def primary(metrics: Sequence[Metric]) -> Metric:
    """The metric that a benchmark is drawn by."""
    return next((metric for metric in metrics if metric.primary), metrics[0])


def titles(results: Results) -> dict[str, str]:
    """Intervention → how figures name it, in the study's order."""
    names = results.interventions
    return dict(names) if isinstance(names, Mapping) else {name: name for name in names}


def base_intervention(results: Results) -> str:
    """What everything is compared with: "none" where the study has it, else its first intervention."""
    names = list(titles(results))
    return BASE if BASE in names or not names else names[0]


def display(metric: Metric, value: Any) -> Any:
    """A mean, or an end of its interval, as it is shown."""
    return np.exp(value) if metric.transform == "exp" else value


@dataclass(frozen=True)
class Scores:
    """One metric of one benchmark: items × points; NaN where an item has no score.

    A point that was trained with several seeds has the mean over seeds of each item.
    clusters, categories: one for each item. cells: the hashes behind each point.
    """

    values: pd.DataFrame
    clusters: NDArray[np.intp]
    categories: NDArray[np.object_]
    cells: Mapping[Point, tuple[str, ...]]

    def column(self, point: Point) -> NDArray[np.float64]:
        """The point's score of every item; all NaN where the study lacks the point."""
        if point not in self.cells:
            return np.full(len(self.values), np.nan)
        return np.asarray(self.values[point], dtype=float)


def item_scores(results: Results, benchmark: str, metric: str) -> Scores:
    """The scores of `metric` as items × points."""
    cells = results.cells[results.cells["benchmark"] == benchmark]
    records = results.records
    records = records[records["cell"].isin(cells.index) & (records["metric"] == metric)]
    records = records[np.isfinite(records["value"])]
    wide = records.astype({"cell": str, "item": str}).pivot(index="item", columns="cell", values="value")
    about = records.drop_duplicates("item").astype({"item": str}).set_index("item")
    wide = wide.loc[about.index]
    points: dict[Point, list[str]] = {}
    for cell, row in cells.iterrows():
        if cell in wide:
            points.setdefault((row["model"], row["intervention"]), []).append(str(cell))
    values = pd.DataFrame({point: wide[hashes].mean(axis=1, skipna=False) for point, hashes in points.items()})
    return Scores(
        values,
        pd.factorize(about["cluster"])[0],
        about["category"].astype(object).to_numpy(),
        {point: tuple(hashes) for point, hashes in points.items()},
    )


def scores(results: Results, benchmark: str, metric: Metric, level: float = LEVEL) -> pd.DataFrame:
    """One row for each point and category ("" for the whole benchmark).

    Columns: SCORE_COLUMNS; value, low, high and chance as displayed.
    """
    data = item_scores(results, benchmark, metric.name)
    chance = _chance(results, benchmark, metric, data)
    named = [c for c in dict.fromkeys(data.categories) if c]
    rows = []
    for point, cell, about in _points(results, data):
        column = data.column(point)
        for category in ["", *named] if len(named) > 1 else [""]:
            kept = np.isfinite(column) & ((data.categories == category) if category else True)
            if not kept.any():
                continue
            estimate = statistics.mean_interval(column[kept], data.clusters[kept], level=level)
            rows.append(
                {
                    "benchmark": benchmark,
                    "metric": metric.name,
                    "category": category,
                    **about,
                    "value": display(metric, estimate.value),
                    "low": display(metric, estimate.low),
                    "high": display(metric, estimate.high),
                    "chance": np.nan if chance is None else display(metric, np.nanmean(chance[kept])),
                    "items": estimate.n,
                    "clusters": estimate.clusters,
                    "cell": cell,
                }
            )
    return pd.DataFrame(rows, columns=SCORE_COLUMNS)


def prefix_notes(frame: pd.DataFrame, titles: Mapping[str, str]) -> list[str]:
    """One sentence for each intervention of a frame of points that stood behind a prefix: which one."""
    named = frame[frame["label"].fillna("") != ""].drop_duplicates(["intervention", "label"])
    return [f"{titles[row.intervention]}: {row.label}." for row in named.itertuples()]


SCORE_COLUMNS = [
    *("benchmark", "metric", "category", "model", "rung", "parameters", "intervention", "label", "errors"),
    *("value", "low", "high", "chance", "items", "clusters", "cell"),
]


def _points(results: Results, data: Scores) -> Iterator[tuple[Point, str, dict[str, Any]]]:
    """Points in order of size, with a cell to link to and what tables say about them."""
    order = {name: i for i, name in enumerate(titles(results))}
    found = []
    for point, hashes in data.cells.items():
        first = results.cells.loc[hashes[0]]
        about = {name: first[name] for name in ("model", "rung", "parameters", "intervention", "label")}
        about["errors"] = int(results.cells.loc[list(hashes), "errors"].sum())
        found.append((point, hashes[0], about))
    return iter(sorted(found, key=lambda f: (f[2]["parameters"], f[2]["rung"], order.get(f[0][1], len(order)))))


def _chance(results: Results, benchmark: str, metric: Metric, data: Scores) -> NDArray[np.float64] | None:
    """What a guesser scores on each item; None where the metric has no such level."""
    if metric.chance is None:
        return None
    if not isinstance(metric.chance, str):
        return np.full(len(data.values), float(metric.chance))
    own = item_scores(results, benchmark, metric.chance).values
    return np.asarray(own.mean(axis=1).reindex(data.values.index), dtype=float)


TAX_COLUMNS = [
    *("benchmark", "metric", "model", "rung", "parameters", "intervention", "label", "errors"),
    *("base", "changed", "tax", "low", "high", "relative", "relative_low", "relative_high", "floor"),
    *("p", "p_adjusted", "p_gain", "p_gain_adjusted", "detectable", "items", "clusters", "cell"),
]


def taxes(
    results: Results, measures: Mapping[str, Metric], base: str | None = None, level: float = LEVEL
) -> pd.DataFrame:
    """What each point that is not the base lost against the base of the same model. The frame is one family of tests.

    measures: benchmark → metric. Columns: TAX_COLUMNS. base, changed: mean scores on the shared items, as displayed.
    tax, low, high: in the metric's own unit (nats where it is displayed through exp). relative: 1 − (changed −
    chance)/(base − chance), NaN without a chance level or at floor. floor: the base is not above chance, so nothing can
    be lost. p, p_gain: one-sided sign-flip tests for a loss (none at floor) and for a gain, each Benjamini–Hochberg
    adjusted over the frame. detectable: the least effect found with 80 % power at (1 − level)/(number of rows).
    """
    base = base or base_intervention(results)
    pairs = [pair for benchmark, metric in measures.items() for pair in _pairs(results, benchmark, metric, base)]
    alpha = (1 - level) / max(1, len(pairs))
    frame = pd.DataFrame([pair.about | _tax(pair, level, alpha) for pair in pairs], columns=TAX_COLUMNS)
    for column in ("p", "p_gain"):
        tested = frame[column].notna()
        frame.loc[tested, f"{column}_adjusted"] = statistics.benjamini_hochberg(
            frame.loc[tested, column].to_numpy(float)
        )
    return frame


@dataclass(frozen=True)
class Pair:
    """Base and changed on the items that both have. chance: of each item, or None."""

    about: dict[str, Any]
    metric: Metric
    before: NDArray[np.float64]
    after: NDArray[np.float64]
    chance: NDArray[np.float64] | None
    clusters: NDArray[np.intp]


def _pairs(results: Results, benchmark: str, metric: Metric, base: str) -> Iterator[Pair]:
    data = item_scores(results, benchmark, metric.name)
    chance = _chance(results, benchmark, metric, data)
    for (model, intervention), cell, about in _points(results, data):
        before, after = data.column((model, base)), data.column((model, intervention))
        kept = np.isfinite(before) & np.isfinite(after)
        if intervention != base and kept.any():
            about |= {"benchmark": benchmark, "metric": metric.name, "cell": cell}
            own = None if chance is None else chance[kept]
            yield Pair(about, metric, before[kept], after[kept], own, data.clusters[kept])


def _tax(pair: Pair, level: float, alpha: float) -> dict[str, Any]:
    upward = pair.metric.higher_is_better
    lost = pair.before - pair.after if upward else pair.after - pair.before
    absolute = statistics.mean_interval(lost, pair.clusters, level=level)
    row: dict[str, Any] = {
        "base": display(pair.metric, pair.before.mean()),
        "changed": display(pair.metric, pair.after.mean()),
        "tax": absolute.value,
        "low": absolute.low,
        "high": absolute.high,
        "floor": False,
        "p": statistics.sign_flip(lost, pair.clusters, alternative="greater"),
        "p_gain": statistics.sign_flip(lost, pair.clusters, alternative="less"),
        "detectable": statistics.minimum_detectable_effect(lost, pair.clusters, alpha=alpha, power=POWER),
        "items": absolute.n,
        "clusters": absolute.clusters,
    }
    if pair.chance is not None:
        room = statistics.difference_interval(pair.before, pair.chance, pair.clusters, level=level)
        if room.low <= 0 if upward else room.high >= 0:
            return row | {"floor": True, "p": np.nan}
        relative = statistics.relative_loss(pair.before, pair.after, pair.chance, pair.clusters, level=level)
        row |= {"relative": relative.value, "relative_low": relative.low, "relative_high": relative.high}
    return row


def verdict(row: Any, alpha: float = 1 - LEVEL) -> str:
    """What a row of `taxes` says: "loss", "gain", "at floor", or "none found"."""
    if row.p_adjusted < alpha:
        return "loss"
    if row.p_gain_adjusted < alpha:
        return "gain"
    return "at floor" if row.floor else "none found"
