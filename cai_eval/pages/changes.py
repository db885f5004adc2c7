"""Which items an intervention turned from right to wrong or from wrong to right, against the base of the same model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from cai_eval.contracts import Record, Results
from cai_eval.pages.scores import base_intervention, item_scores, primary

LOST, WON, SAME = "lost", "won", "same"
FLIP = 0.5  #: a share that moves by as much has changed its verdict


def base_cells(results: Results) -> dict[str, str]:
    """Cell → the base's cell on the same model and benchmark, of the same seed if there is one.

    Cells of the base itself, and those of a model that lacks it, are left out.
    """
    base = base_intervention(results)
    found: dict[tuple[Any, Any], dict[Any, str]] = {}
    for row in results.cells.itertuples():
        if row.intervention == base:
            found.setdefault((row.model, row.benchmark), {})[row.seed] = str(row.Index)
    pairs = {}
    for row in results.cells.itertuples():
        bases = found.get((row.model, row.benchmark))
        if bases and row.intervention != base:
            pairs[str(row.Index)] = bases.get(row.seed) or bases[min(bases)]
    return pairs


def changes(results: Results, pairs: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Cell → item → LOST, WON or SAME, by the benchmark's primary metric, for the items that both cells scored.

    pairs: as `base_cells` gives them. Benchmarks whose primary metric is not a share of right answers have no verdicts.
    """
    found: dict[str, dict[str, str]] = {}
    for benchmark, metrics in results.metrics.items():
        metric = primary(metrics)
        if metric.unit != "fraction":
            continue
        data = item_scores(results, benchmark, metric.name)
        sign = 1 if metric.higher_is_better else -1
        for cell in data.columns:
            if cell in pairs and pairs[cell] in data.columns:
                gain = sign * (data.columns[cell] - data.columns[pairs[cell]])
                found[cell] = {
                    item: WON if change >= FLIP else LOST if change <= -FLIP else SAME
                    for item, change in zip(data.items, gain.tolist(), strict=True)
                    if change == change
                }
    return found


def moved(before: Record, after: Record) -> float:
    """By how much the log-probabilities changed, in nats; a shift that all options share does not count."""
    one, other = (_numbers(record.details.get("logprobs")) for record in (before, after))
    if not one or len(one) != len(other):
        return 0.0
    change = np.subtract(other, one)
    return float(np.ptp(change)) if change.size > 1 else float(abs(change[0]))


def _numbers(value: Any) -> list[float]:
    """The value as a list of numbers; empty where it is none."""
    if isinstance(value, (list, tuple)) and all(isinstance(number, (int, float)) for number in value):
        return [float(number) for number in value]
    return []
