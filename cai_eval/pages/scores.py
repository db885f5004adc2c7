"""From records to scores: items × points as arrays, and each point's mean with its interval."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from cai_eval import statistics
from cai_eval.contracts import IDEAL, Metric, Results

LEVEL = 0.95

Array = NDArray[np.float64]
Point = tuple[str, str]  #: model, intervention


def primary(metrics: Sequence[Metric]) -> Metric:
    """The metric that a benchmark is drawn by."""
    return next((metric for metric in metrics if metric.primary), metrics[0])


def base_intervention(results: Results) -> str:
    """What everything is compared with: the study's first intervention, "" where it has none."""
    return next(iter(results.interventions), "")


def display(metric: Metric, value: Any) -> Any:
    """A mean, or an end of its interval, as it is shown."""
    return np.exp(value) if metric.transform == "exp" else value


@dataclass(frozen=True)
class Scores:
    """One metric of one benchmark. Arrays run over the items, in the order of the records.

    cells: point → hashes, one for each training seed (of two runs of one seed the later).
    columns: hash → scores (items,), NaN where an item has none.
    """

    items: Sequence[str]
    clusters: NDArray[np.intp]
    categories: NDArray[np.object_]
    cells: Mapping[Point, tuple[str, ...]]
    columns: Mapping[str, Array]

    def of(self, point: Point) -> Array:
        """(items,) scores of fixed weights, or (seeds, items); all NaN where the study lacks the point."""
        found = [self.columns[cell] for cell in self.cells.get(point, ())]
        if not found:
            return np.full(len(self.items), np.nan)
        return found[0] if len(found) == 1 else np.stack(found)


def item_scores(results: Results, benchmark: str, metric: str) -> Scores:
    """The scores of `metric` on every item of `benchmark`. What is not a finite number counts as none."""
    cells = results.cells[results.cells["benchmark"] == benchmark] if len(results.cells) else results.cells
    records = results.records
    records = records[records["cell"].isin(cells.index) & (records["metric"] == metric)]
    records = records[np.isfinite(records["value"].to_numpy(float))]
    item, names = pd.factorize(records["item"])
    cell, hashes = pd.factorize(records["cell"])
    first = records.iloc[np.unique(item, return_index=True)[1]]
    matrix = np.full((len(hashes), len(names)), np.nan)
    matrix[cell, item] = records["value"]
    seeds: dict[Point, dict[str, str]] = {}
    for row in cells[cells.index.isin(hashes)].itertuples():
        seeds.setdefault((row.model, row.intervention), {})[row.seed] = str(row.Index)
    return Scores(
        [str(name) for name in names],
        pd.factorize(first["cluster"])[0],
        first["category"].to_numpy(dtype=object),
        {point: tuple(found[seed] for seed in sorted(found)) for point, found in seeds.items()},
        dict(zip((str(name) for name in hashes), matrix, strict=True)),
    )


def scored(*scores: Array) -> NDArray[np.bool_]:
    """Which items have a finite score in all of the given (items,) or (seeds, items) arrays."""
    finite: NDArray[np.bool_] = np.isfinite(np.concatenate([np.atleast_2d(array) for array in scores])).all(axis=0)
    return finite


def chance_level(results: Results, benchmark: str, metric: Metric, data: Scores) -> Array | None:
    """What a guesser scores on each item of `data`; None where the metric has no such level."""
    if metric.chance is None:
        return None
    if not isinstance(metric.chance, str):
        return np.full(len(data.items), float(metric.chance))
    own = item_scores(results, benchmark, metric.chance)
    if not own.columns:
        return None
    known = dict(zip(own.items, np.nanmax(list(own.columns.values()), axis=0), strict=True))  # the same in every cell
    return np.array([known.get(item, np.nan) for item in data.items])


def points(results: Results, data: Scores) -> Iterator[tuple[Point, dict[str, Any]]]:
    """Points by size, with what every frame says of them. cell: one to link to. errors: items without a record."""
    order = {name: i for i, name in enumerate(results.interventions)}
    said = results.cells.to_dict("index")
    found = []
    for point, hashes in data.cells.items():
        about = {name: said[hashes[0]][name] for name in ("model", "rung", "parameters", "intervention", "label")}
        errors = sum(said[cell]["errors"] for cell in hashes)
        found.append((point, {**about, "seeds": len(hashes), "errors": errors, "cell": hashes[0]}))
    return iter(sorted(found, key=lambda f: (f[1]["parameters"], f[1]["rung"], order.get(f[0][1], len(order)))))


def trained(results: Results, benchmark: str, intervention: str) -> list[tuple[dict[str, Any], list[str]]]:
    """By size what frames say of a model, and its cells, one for each training seed (of two of one seed the later)."""
    cells = results.cells
    own = cells[(cells["benchmark"] == benchmark) & (cells["intervention"] == intervention)]
    own = own.drop_duplicates(["model", "seed"], keep="last").sort_values("parameters", kind="stable")
    names = ["model", "rung", "parameters", "intervention", "label"]
    return [
        ({**group.iloc[0][names].to_dict(), "cell": group.index[0]}, [str(cell) for cell in group.index])
        for _, group in own.groupby("model", sort=False)
    ]


SCORE_COLUMNS = [
    *("benchmark", "metric", "category", "model", "rung", "parameters", "intervention", "label", "seeds", "errors"),
    *("value", "low", "high", "chance", "ideal", "items", "clusters", "cell"),
]


def scores(results: Results, benchmark: str, metric: Metric, level: float = LEVEL) -> pd.DataFrame:
    """One row for each point and category ("" for the whole benchmark).

    Columns: SCORE_COLUMNS; value, low, high, chance and ideal as displayed. ideal: what an ideal observer scores on the
    same items, NaN where nobody knows. clusters: 0 where only a mean and its standard error are known.
    """
    data = item_scores(results, benchmark, metric.name)
    ideal = item_scores(results, benchmark, IDEAL) if metric.primary else None
    chance = chance_level(results, benchmark, metric, data)
    named = [category for category in dict.fromkeys(data.categories) if category]
    rows = []
    for point, about in points(results, data):
        values = data.of(point)
        for category in ["", *named] if len(named) > 1 else [""]:
            kept = scored(values) & ((data.categories == category) if category else True)
            if not kept.any():
                continue
            estimate = mean(values[..., kept], data.clusters[kept], level)
            low, high = _cut(metric, values[..., kept], estimate)
            rows.append(
                {
                    **about,
                    "benchmark": benchmark,
                    "metric": metric.name,
                    "category": category,
                    "value": display(metric, estimate.value),
                    "low": display(metric, low),
                    "high": display(metric, high),
                    "chance": np.nan if chance is None else display(metric, np.nanmean(chance[kept])),
                    "ideal": np.nan if ideal is None else display(metric, _ideal(ideal, data, point, kept)),
                    "items": estimate.n,
                    "clusters": estimate.clusters,
                }
            )
    rows += _without_items(results, benchmark, metric, level)
    return pd.DataFrame(rows, columns=SCORE_COLUMNS)


def _without_items(results: Results, benchmark: str, metric: Metric, level: float) -> Iterator[dict[str, Any]]:
    """Rows of the cells of which only a mean and its standard error are known."""
    cells = results.cells[results.cells["benchmark"] == benchmark] if "means" in results.cells else results.cells[:0]
    known = {(row.model, row.intervention): (row.Index,) for row in cells.itertuples() if metric.name in row.means}
    nobody = np.empty(0)
    for _, about in points(results, Scores((), nobody.astype(np.intp), nobody.astype(object), known, {})):
        cell = cells.loc[about["cell"]]
        mean, error = cell["means"][metric.name]
        half = float(special.ndtri((1 + level) / 2)) * error if error > 0 else np.nan  # no variation seen is none known
        ends = {"value": mean, "low": mean - half, "high": mean + half}
        yield {
            **about,
            "benchmark": benchmark,
            "metric": metric.name,
            "category": "",
            **{end: display(metric, value) for end, value in ends.items()},
            "chance": metric.chance if isinstance(metric.chance, float) else np.nan,
            "ideal": np.nan,
            "items": cell["items"],
            "clusters": 0,
        }


def _ideal(ideal: Scores, data: Scores, point: Point, kept: NDArray[np.bool_]) -> float:
    """The mean of the ideal observer's scores over the kept items of `data`, NaN where one has none."""
    if not ideal.items:
        return float("nan")
    known = dict(zip(ideal.items, np.atleast_2d(ideal.of(point))[0], strict=True))
    return float(np.mean([known.get(item, np.nan) for item, keep in zip(data.items, kept, strict=True) if keep]))


def mean(values: Array, clusters: NDArray[np.intp], level: float) -> statistics.Estimate:
    """Of fixed weights (items,), or of a method trained with several seeds (seeds, items)."""
    if values.ndim == 1:
        return statistics.mean_interval(values, clusters, level)
    return statistics.seeded_difference(values, np.zeros(values.shape[1]), clusters, level)


def _cut(metric: Metric, values: Array, estimate: statistics.Estimate) -> tuple[float, float]:
    """The interval as far as a mean can lie in it: by t, over few seeds, it goes on behind that."""
    share = metric.unit == "fraction" and values.min() >= 0 and values.max() <= 1
    least, most = (0.0, 1.0) if share else (metric.least, metric.most)
    low, high = np.clip(
        (estimate.low, estimate.high), -np.inf if least is None else least, np.inf if most is None else most
    )
    return float(low), float(high)


def reach(frame: pd.DataFrame) -> str:
    """A caption's sentence on what the intervals of a frame of points speak of."""
    if (frame["seeds"] > 1).any():
        return "Where a method was trained with several seeds, the intervals hold items and seeds."
    return "Intervals are over items: they speak of these weights, not of other trainings."
