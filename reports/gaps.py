"""How often labels agree with a preference model, by how far apart it scores two answers (Bai et al. 2022a, §3.3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from cai_eval import statistics
from cai_eval.contracts import Record, Results
from cai_eval.pages import charts, lettering, style
from cai_eval.pages.scores import LEVEL, trained

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

Array = NDArray[np.float64]

BENCHMARK = "preference"
BINS = 10
LEAST = 20  #: comparisons in a bin; fewer say nothing of it
LOGISTIC = "logistic"
CAPTION = (
    f"Comparisons in {BINS} bins of equal count, or fewer of {LEAST} each, by the difference of the two scores: its "
    f"mean across, agreement with the labels upwards, with {LEVEL:.0%} intervals by clusters; training seeds are "
    "pooled. Broken line: the logistic function, which scores are trained to follow."
)


@dataclass(frozen=True)
class Gaps:
    """What one preference model said, all (n,). gap: |difference of scores|. agreed: the chance, by the label, that
    the answer with the higher score is the better one; a half where the scores are equal.
    """

    about: Mapping[str, Any]
    gap: Array
    agreed: Array
    clusters: NDArray[np.str_]


@dataclass(frozen=True)
class Panel:
    """One set of axes: the sizes of one preference model on some comparisons."""

    title: str
    curves: Sequence[Gaps]


def gaps(results: Results, intervention: str, category: str = "") -> list[Gaps]:
    """One for each size of a preference model, training seeds pooled; none of a policy. category: of the comparisons,
    or all.
    """
    found = []
    for about, cells in trained(results, BENCHMARK, intervention):
        records = [record for cell in cells for record in results.details(cell) if "scores" in record.details]
        records = [record for record in records if not category or record.category == category]
        if records:
            found.append(_gaps(about, records))
    return found


def _gaps(about: Mapping[str, Any], records: Sequence[Record]) -> Gaps:
    scored = np.array([record.details["scores"] for record in records])
    label = np.array([record.details["label"] for record in records])
    difference = scored[:, 0] - scored[:, 1]
    agreed = 0.5 + np.sign(difference) * (label - 0.5)
    return Gaps(about, np.abs(difference), agreed, np.array([record.cluster for record in records]))


@style.house()
def draw(panels: Sequence[Panel]) -> Canvas:
    """Panels side by side, a curve for each size."""
    names = [style.size_label(each.about["parameters"]) for panel in panels for each in panel.curves]
    looks = style.series(list(dict.fromkeys(names)))
    width = style.COLUMN * len(panels)
    entries = [*((name, look.colour) for name, look in looks.items()), (LOGISTIC, style.colour("quiet"))]
    lines = lettering.key_lines(width, entries)
    header = lettering.LINE * len(lines) / style.POINTS
    figure, axes = style.panels(width, 1, len(panels), height=1.8, margins=style.Margins(right=0.2), header=header)
    for ax, panel in zip(axes, panels, strict=True):
        _draw(ax, panel, looks)
    lettering.key(figure, lines)
    return figure


def _draw(ax: Axes, panel: Panel, looks: Mapping[str, style.Series]) -> None:
    lettering.heading(ax, panel.title, "agreement with the labels, by difference of scores")
    charts.value_axis(ax, "fraction")
    reach = 0.0
    for each in panel.curves:
        rows = _bins(each)
        x, y, low, high = (rows[column].to_numpy(float) for column in ("gap", "agreed", "low", "high"))
        style.curve(ax, x, y, low, high, looks[style.size_label(each.about["parameters"])], rows["cell"].tolist())
        reach = max(reach, float(x[-1]))
    along = np.linspace(0, reach, 50)
    ax.plot(along, special.expit(along), color=style.colour("quiet"), linewidth=0.7, dashes=(3, 2), zorder=1)
    ax.set_xlabel("difference of scores")


def table(panels: Sequence[Panel]) -> pd.DataFrame:
    """The bins of all panels."""
    frames = [_bins(each).assign(panel=panel.title) for panel in panels for each in panel.curves]
    return pd.concat(frames, ignore_index=True)


def _bins(said: Gaps) -> pd.DataFrame:
    bins = min(BINS, max(1, said.gap.size // LEAST))
    parts = np.array_split(np.argsort(said.gap, kind="stable"), bins)
    means = [statistics.mean_interval(said.agreed[part], said.clusters[part], LEVEL) for part in parts]
    return pd.DataFrame(
        {
            **said.about,
            "gap": [said.gap[part].mean() for part in parts],
            "calibrated": [special.expit(said.gap[part]).mean() for part in parts],
            "agreed": [mean.value for mean in means],
            "low": [max(mean.low, 0.0) for mean in means],
            "high": [min(mean.high, 1.0) for mean in means],
            "comparisons": [part.size for part in parts],
        }
    )
