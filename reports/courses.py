"""Panels of curves against something counted: answers learnt from, rounds of revision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from cai_eval.pages import charts, lettering, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas


@dataclass(frozen=True)
class Course:
    """One curve. rows: x, value, low, high, cell; in order of x. look: its place among the figure's colours."""

    label: str
    rows: pd.DataFrame
    look: int


@dataclass(frozen=True)
class Panel:
    """title and quantity stand above the axes, across below them. unit: of the values, as of a metric."""

    title: str
    quantity: str
    across: str
    unit: str
    courses: Sequence[Course]


@style.house()
def draw(panels: Sequence[Panel]) -> Canvas:
    """One panel in a column, or several in two columns of a page, with labels at the line ends."""
    from matplotlib.ticker import MaxNLocator

    labels = [course.label for panel in panels for course in panel.courses]
    looks = list(style.series([str(i) for i in range(1 + max(c.look for p in panels for c in p.courses))]).values())
    margins = style.Margins(right=lettering.room_for(labels))
    height = 1.8 if len(panels) == 1 else 1.4
    figure, axes = style.grid(len(panels), alone=1.3 * style.COLUMN, height=height, margins=margins)
    for ax, panel in zip(axes, panels, strict=True):
        lettering.heading(ax, panel.title, panel.quantity)
        charts.value_axis(ax, panel.unit)
        ends = []
        for place, course in enumerate(panel.courses):
            x, y, low, high = (course.rows[name].to_numpy(float) for name in ("x", "value", "low", "high"))
            dodge = 1.8 * (place - (len(panel.courses) - 1) / 2)
            style.curve(ax, x, y, low, high, looks[course.look], course.rows["cell"].tolist(), dodge)
            ends.append(lettering.EndLabel(x[-1], y[-1], course.label, looks[course.look].colour))
        ax.set_xlabel(panel.across)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.margins(x=0.04)
        ax.autoscale_view()
        lettering.label_ends(ax, ends)
    return figure


def together(panels: Sequence[Panel]) -> pd.DataFrame:
    """What is drawn, with the labels."""
    parts = [c.rows.assign(curve=c.label, panel=panel.title) for panel in panels for c in panel.courses]
    return pd.concat(parts, ignore_index=True)
