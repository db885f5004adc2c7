"""One score at each rung of a ladder, on the same items everywhere, and what such curves say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cai_eval import statistics
from cai_eval.contracts import IDEAL, Results
from cai_eval.pages import taxes
from cai_eval.pages.scores import LEVEL, Array, Scores, item_scores, mean, points, scored
from cai_eval.statistics import Estimate


class Missing(LookupError):  # noqa: N818 - reads as what happened
    """What a row of the page needs and the runs do not have, in words."""


@dataclass(frozen=True)
class Point:
    """A score at a rung. ideal: what an ideal observer scores on the same items, NaN where nobody knows."""

    rung: str
    estimate: Estimate
    ideal: float = float("nan")

    @property
    def value(self) -> float:
        return self.estimate.value


@dataclass(frozen=True)
class Curve:
    """A score at each rung, smallest first, on the items that have it at all of them.

    sizes: rung → non-embedding parameters. values: rung → (items,) of one model, or (seeds, items) of replicates.
    ideals: rung → (items,) of an ideal observer, NaN where nobody knows. clusters: (items,) numbers.
    """

    sizes: Mapping[str, float]
    values: Mapping[str, Array]
    ideals: Mapping[str, Array]
    clusters: NDArray[np.intp]

    @property
    def rungs(self) -> tuple[str, ...]:
        return tuple(self.values)

    def points(self) -> tuple[Point, ...]:
        """The mean at each rung."""
        return tuple(
            Point(rung, mean(values, self.clusters, LEVEL), float(self.ideals[rung].mean()))
            for rung, values in self.values.items()
        )


def averaged(values: Array) -> Array:
    """(items,) means over replicates."""
    return np.asarray(np.atleast_2d(values).mean(axis=0))


def gains(after: Curve, before: Curve, level: float = LEVEL) -> tuple[Point, ...]:
    """after − before at each rung, paired by item; the ideal is the ideal observer's own difference."""
    return tuple(
        Point(
            rung,
            taxes.loss(values, before.values[rung], after.clusters, level),
            float((after.ideals[rung] - before.ideals[rung]).mean()),
        )
        for rung, values in after.values.items()
    )


def rise(curve: Curve, low: str, high: str) -> Estimate:
    """What the curve gains from one rung to another, paired by item. Raises Missing where they are one."""
    if low == high:
        raise Missing("a second rung")
    return taxes.loss(curve.values[high], curve.values[low], curve.clusters, LEVEL)


def slope(after: Curve, before: Curve) -> Estimate:
    """Change of after − before a tenfold of parameters. Raises Missing where there is one rung only."""
    if len(after.rungs) == 1:
        raise Missing("a second rung")
    matrix = np.stack([averaged(after.values[rung]) - averaged(before.values[rung]) for rung in after.rungs], axis=1)
    count, rungs = matrix.shape
    sizes = np.tile([after.sizes[rung] for rung in after.rungs], count)
    items, clusters = np.repeat(np.arange(count), rungs), np.repeat(after.clusters, rungs)
    return statistics.trend(sizes, matrix.ravel(), items, clusters)


def curves(
    results: Results, benchmark: str, metric: str, interventions: Sequence[str], category: str = ""
) -> list[Curve]:
    """A curve for each intervention, all on the items that have the score at every rung under each of them.

    Raises Missing where a rung has no such cell, or no item is left.
    """
    data, ideal = item_scores(results, benchmark, metric), item_scores(results, benchmark, IDEAL)
    about = {name: _rungs(results, data, name) for name in interventions}
    models = dict.fromkeys(results.cells.sort_values("parameters")["model"])
    for name, found in about.items():
        if lacking := [model for model in models if model not in found]:
            raise Missing(f"{benchmark} under {name} at {', '.join(map(_label, lacking))}")
    values = {name: {model: data.of((model, name)) for model in models} for name in interventions}
    kept = scored(*(array for by_model in values.values() for array in by_model.values()))
    if category:
        kept &= data.categories == category
    if not kept.any():
        raise Missing(f"an item of {benchmark}{f' ({category})' if category else ''} that every rung has answered")
    return [
        Curve(
            {about[name][model][0]: about[name][model][1] for model in models},
            {about[name][model][0]: values[name][model][..., kept] for model in models},
            {about[name][model][0]: _ideals(ideal, data, (model, name))[kept] for model in models},
            data.clusters[kept],
        )
        for name in interventions
    ]


def _rungs(results: Results, data: Scores, intervention: str) -> dict[str, tuple[str, float]]:
    """Model → its rung and size, where it was measured under the intervention."""
    return {
        point[0]: (about["rung"], float(about["parameters"]))
        for point, about in points(results, data)
        if point[1] == intervention
    }


def _label(model: str) -> str:
    return model.partition(" ")[0]


def _ideals(ideal: Scores, data: Scores, point: tuple[str, str]) -> Array:
    """(items,) of `data`: the ideal observer's score, NaN where there is none."""
    known = dict(zip(ideal.items, np.atleast_2d(ideal.of(point))[0], strict=True))
    return np.array([known.get(item, np.nan) for item in data.items])
