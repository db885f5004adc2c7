"""What AI feedback said of pairs of answers, as forecasts of which is better (Bai et al. 2022b, figure 9)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cai_eval.contracts import Record, Results
from cai_eval.pages.scores import trained

from .forecasts import NOBODY_KNOWS, Forecasts


def labels(results: Results, benchmark: str, intervention: str) -> list[Forecasts]:
    """The labels of one intervention at each size, smallest first, training seeds pooled; a forecast is of the answer
    that it prefers.
    """
    return [_labels(results, about, cells) for about, cells in trained(results, benchmark, intervention)]


def _labels(results: Results, about: Mapping[str, Any], cells: Sequence[str]) -> Forecasts:
    records = [record for cell in cells for record in results.details(cell) if not record.error]
    better = np.array([p_better(record) for record in records])
    clusters = np.array([record.cluster for record in records])
    said = np.maximum(better, 1 - better)
    return Forecasts(
        about=about,
        p=said,
        c=np.where(better == 0.5, 0.5, (better > 0.5).astype(float)),
        clusters=clusters,
        every_p=np.concatenate([better, 1 - better]),
        every_c=np.concatenate([np.ones(better.size), np.zeros(better.size)]),
        every_clusters=np.concatenate([clusters, clusters]),
        planted=np.empty(0),
        ideal=NOBODY_KNOWS,
        tempered=said,
        temperature=1.0,
    )


def p_better(record: Record) -> float:
    """The probability of the better answer in a record of `hhh-lettered` or `principles`."""
    return float(record.details["p_good"] if "p_good" in record.details else record.scores["p_right"])
