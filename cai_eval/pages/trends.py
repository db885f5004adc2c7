"""How scores and taxes change with model size: slopes a tenfold of parameters, item by item."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from cai_eval import statistics
from cai_eval.contracts import Metric, Results
from cai_eval.pages.scores import LEVEL, Array, Scores, base_intervention, item_scores, points

TREND_COLUMNS = [
    *("benchmark", "metric", "intervention", "sizes", "items"),
    *("score", "score_low", "score_high", "tax", "tax_low", "tax_high"),
]


def trends(results: Results, measures: Mapping[str, Metric], level: float = LEVEL) -> pd.DataFrame:
    """One row for each benchmark and intervention that was measured at two sizes or more.

    Columns: TREND_COLUMNS. score, tax: slope a tenfold of non-embedding parameters in the metric's own unit, with its
    interval over items; NaN for the tax of the base. Items without a score at every size are left out.
    """
    base = base_intervention(results)
    rows = []
    for benchmark, metric in measures.items():
        data = item_scores(results, benchmark, metric.name)
        curves = {name: _by_size(results, data, name) for name in results.interventions}
        for name, curve in curves.items():
            slope = _slope(data, curve, level)
            if slope is None:
                continue
            row = {"benchmark": benchmark, "metric": metric.name, "intervention": name, "sizes": len(curve)}
            row |= {"items": slope.n, "score": slope.value, "score_low": slope.low, "score_high": slope.high}
            shared = curve.keys() & curves.get(base, {}).keys() if name != base else ()
            sign = 1 if metric.higher_is_better else -1
            lost = _slope(data, {size: sign * (curves[base][size] - curve[size]) for size in shared}, level)
            if lost is not None:
                row |= {"tax": lost.value, "tax_low": lost.low, "tax_high": lost.high}
            rows.append(row)
    return pd.DataFrame(rows, columns=TREND_COLUMNS)


def _by_size(results: Results, data: Scores, intervention: str) -> dict[float, Array]:
    """Parameters → (items,) scores, averaged over training seeds and over models of equal size."""
    found: dict[float, list[Array]] = {}
    for point, about in points(results, data):
        if point[1] == intervention:
            found.setdefault(float(about["parameters"]), []).append(np.atleast_2d(data.of(point)))
    return {size: np.concatenate(columns).mean(axis=0) for size, columns in found.items()}


def _slope(data: Scores, curve: Mapping[float, Array], level: float) -> statistics.Estimate | None:
    """The trend over the items that have a score at every size; None with fewer than two sizes or no such item."""
    if len(curve) < 2:
        return None
    matrix = np.stack([curve[size] for size in sorted(curve)], axis=1)
    kept = np.isfinite(matrix).all(axis=1)
    if not kept.any():
        return None
    count = int(kept.sum())
    sizes, items = np.tile(sorted(curve), count), np.repeat(np.arange(count), len(curve))
    clusters = np.repeat(data.clusters[kept], len(curve))
    return statistics.trend(sizes, matrix[kept].ravel(), items, clusters, level=level)
