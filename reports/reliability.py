"""How often AI feedback is right when it says how sure it is (Bai et al. 2022b, figure 9)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cai_eval import statistics
from cai_eval.contracts import Record, Results
from cai_eval.pages import charts, lettering, style
from cai_eval.pages.scores import LEVEL
from cai_eval.statistics import calibration as measures

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

Array = NDArray[np.float64]

BINS = 10
CAPTION = (
    f"Both answers of each comparison in {BINS} bins of equal count by the probability that feedback gives them: mean "
    f"probability across, share that is the better answer upwards, with {LEVEL:.0%} intervals by clusters. On the "
    "broken line what is said comes true."
)


@dataclass(frozen=True)
class Labels:
    """What one policy said, all (n,). p: probability of each answer. c: whether it is the better one."""

    about: Mapping[str, Any]
    p: Array
    c: Array
    clusters: Sequence[str]

    @classmethod
    def of(cls, results: Results, cell: str) -> Labels:
        """Both answers of each comparison in a cell's records."""
        records = [record for record in results.details(cell) if not record.error]
        good = np.array([p_better(record) for record in records])
        clusters = [record.cluster for record in records]
        told = {name: results.cells.loc[cell, name] for name in ("rung", "parameters", "intervention", "benchmark")}
        p, c = np.concatenate([good, 1 - good]), np.concatenate([np.ones(good.size), np.zeros(good.size)])
        return cls({**told, "cell": cell}, p, c, [*clusters, *clusters])


def p_better(record: Record) -> float:
    """The probability of the better answer in a record of `hhh-lettered` or `principles`."""
    given = record.details.get("p_good", record.scores.get("p_right"))
    assert given is not None
    return float(given)


@style.house()
def diagram(labels: Sequence[Labels]) -> Canvas:
    """A curve for each size."""
    ordered = sorted(labels, key=lambda each: each.about["parameters"])
    names = [style.size_label(each.about["parameters"]) for each in ordered]
    looks = style.series(names)
    margins = style.Margins(right=lettering.room_for([*names, "calibrated"]))
    figure, (ax,) = style.panels(1.2 * style.COLUMN, 1, 1, height=2.2, margins=margins)
    lettering.heading(ax, "Labels of AI feedback", "share that is right, by probability")
    charts.value_axis(ax, "fraction")
    ax.plot([0, 1], [0, 1], color=style.colour("quiet"), linewidth=0.7, dashes=(3, 2), zorder=1)
    ends = []
    for name, rows in zip(names, map(_bins, ordered), strict=True):
        x, y, low, high = (rows[column].to_numpy(float) for column in ("forecast", "outcome", "low", "high"))
        style.curve(ax, x, y, low, high, looks[name], rows["cell"].tolist())
        ends.append(lettering.EndLabel(x[-1], y[-1], name, looks[name].colour))
    ticks = (0, 0.25, 0.5, 0.75, 1)
    ax.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xticks=ticks, xticklabels=[f"{tick:.0%}" for tick in ticks])
    ax.set_xlabel("probability given")
    lettering.label_ends(ax, ends)
    return figure


def table(labels: Sequence[Labels]) -> pd.DataFrame:
    """The bins of all."""
    return pd.concat([_bins(each) for each in labels], ignore_index=True)


def _bins(labels: Labels) -> pd.DataFrame:
    binned = measures.bins(labels.p, labels.c, BINS)
    clusters = np.array(labels.clusters)
    parts = np.array_split(np.argsort(labels.p, kind="stable"), binned.items.size)
    ends = [statistics.mean_interval(labels.c[part], clusters[part], LEVEL) for part in parts]
    return pd.DataFrame(
        {
            **labels.about,
            "forecast": binned.forecast,
            "outcome": binned.outcome,
            "low": [end.low for end in ends],
            "high": [end.high for end in ends],
            "labels": binned.items,
        }
    )
