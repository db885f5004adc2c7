"""Elo ratings out of matches: one row for each policy, judge and quality."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from cai_eval.contracts import Results
from cai_eval.statistics.elo import elo

from .matches import Match

COLUMNS = [
    *("judge", "quality", "model", "rung", "parameters", "intervention", "seeds", "cell"),
    *("value", "low", "high", "prompts", "clusters", "anchor"),
]


@dataclass(frozen=True)
class Rated:
    """How policies are rated. anchor: intervention that stands at 0, at the largest size. level: of the intervals."""

    anchor: str
    level: float
    resamples: int


def ratings(results: Results, matches: Sequence[Match], how: Rated) -> pd.DataFrame:
    """Points above the anchor (COLUMNS), by size; of a match without the anchor, above its largest first policy."""
    order = {name: place for place, name in enumerate(results.interventions)}
    about = results.cells.to_dict("index")
    rows: list[dict[str, Any]] = []
    for match in matches:
        points: dict[tuple[str, str], list[str]] = {}
        for cell in match.cells:
            points.setdefault((about[cell]["model"], about[cell]["intervention"]), []).append(cell)
        ranked = sorted(points, key=lambda point: (about[points[point][0]]["parameters"], order.get(point[1], 0)))
        anchor = _anchor(ranked, {point: about[points[point][0]] for point in points}, how.anchor)
        rated = elo(match.shares, match.cells, match.clusters, how.resamples)
        for point in ranked:
            cells = points[point]
            estimate = rated.difference(cells, points[anchor], how.level)
            first = about[cells[0]]
            rows.append(
                {
                    "judge": match.judge,
                    "quality": match.quality,
                    **{name: first[name] for name in ("model", "rung", "parameters", "intervention")},
                    "seeds": len(cells),
                    "cell": cells[0],
                    "value": estimate.value,
                    "low": estimate.value if point == anchor else estimate.low,
                    "high": estimate.value if point == anchor else estimate.high,
                    "prompts": estimate.n,
                    "clusters": estimate.clusters,
                    "anchor": f"{first_title(results, anchor[1])}, {about[points[anchor][0]]['rung']}",
                }
            )
    return pd.DataFrame(rows, columns=COLUMNS)


def first_title(results: Results, intervention: str) -> str:
    """How figures call an intervention."""
    return results.interventions.get(intervention, intervention)


def _anchor(
    ranked: Sequence[tuple[str, str]], about: Mapping[tuple[str, str], Mapping[str, Any]], name: str
) -> tuple[str, str]:
    """The named intervention at its largest size, else the first policy of the largest size."""
    named = [point for point in ranked if point[1] == name]
    largest = max(about[point]["parameters"] for point in named or ranked)
    return next(point for point in named or ranked if about[point]["parameters"] == largest)
