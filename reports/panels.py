"""Panels of curves against model size, and figures made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pandas as pd

from cai_eval.contracts import Metric
from cai_eval.pages import charts, lettering, scores, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas


@dataclass(frozen=True)
class Panel:
    """One set of axes. frame: rows of `scores.scores`. overlay: the paper's curves. limits: of a shared y axis.

    difference: the values are differences, and a line at zero bears this name.
    """

    title: str
    quantity: str
    metric: Metric
    frame: pd.DataFrame
    overlay: Mapping[str, pd.DataFrame]
    limits: tuple[float, float] | None = None
    difference: str = ""


def categories(metric: Metric, frame: pd.DataFrame, known: Mapping[str, Mapping[str, pd.DataFrame]]) -> list[Panel]:
    """A panel for each category in the frame, all with one y axis. known: category → the paper's curves."""
    found = [
        Panel(str(name), f"{metric.label}, {_items(rows)}", metric, rows, known.get(str(name), {}))
        for name, rows in frame[frame["category"] != ""].groupby("category", sort=False)
    ]
    return alike(found)


def alike(panels: Sequence[Panel]) -> list[Panel]:
    """The panels with one y axis."""
    return [replace(panel, limits=_limits(panels)) for panel in panels]


def _items(rows: pd.DataFrame) -> str:
    most = rows["items"].max()
    return f"{most} item{'' if most == 1 else 's'}"


@style.house()
def against_size(panels: Sequence[Panel], titles: Mapping[str, str]) -> Canvas:
    """One panel in a column, or several in two columns of a page. titles: of the curves, in the order of colours."""
    frame = together(panels)
    curves = charts.curve_labels(frame, titles).values()
    overlays = [label for panel in panels for label in panel.overlay]
    names = [*curves, *overlays, *(panel.difference for panel in panels)]
    margins = style.Margins(right=lettering.room_for(names))
    figure, axes = style.grid(len(panels), height=1.6 if len(panels) == 1 else 1.25, margins=margins)
    for ax, panel in zip(axes, panels, strict=True):
        _draw(ax, titles, panel)
    return figure


def together(panels: Sequence[Panel]) -> pd.DataFrame:
    """The frames of all panels, one below the other."""
    return pd.concat([panel.frame for panel in panels], ignore_index=True)


def _limits(panels: Sequence[Panel]) -> tuple[float, float]:
    """What holds every interval, chance level and published point."""
    columns = [panel.frame[end] for panel in panels for end in ("low", "high", "chance")]
    ends = pd.concat([*columns, *(rows["value"] for panel in panels for rows in panel.overlay.values())])
    room = 0.05 * (ends.max() - ends.min() or 1.0)
    return float(ends.min() - room), float(ends.max() + room)


def caption(panels: Sequence[Panel], level: float) -> list[str]:
    """Sentences on how to read the panels. level: of the intervals."""
    frame = together(panels)
    clusters = int(frame["clusters"].max())
    whence = f"by clusters ({clusters} of them)" if clusters else "from the standard errors that were imported"
    directions = {panel.metric.higher_is_better for panel in panels}
    better = {True: "Higher is better.", False: "Lower is better."}
    lower = dict.fromkeys(panel.metric.label for panel in panels if not panel.metric.higher_is_better)
    sentences = [
        better[directions.pop()] if len(directions) == 1 else f"Higher is better, but lower of {' and '.join(lower)}.",
        f"Bars: {level * 100:g} % intervals {whence}, a little apart where they would hide each other.",
    ]
    if frame["chance"].notna().any():
        sentences.append("Broken line: what guessing scores.")
    if frame["ideal"].notna().any():
        sentences.append("Dotted: what an ideal observer scores, who knows how the texts of this world were made.")
    return [*sentences, scores.reach(frame)]


def _draw(ax: Axes, titles: Mapping[str, str], panel: Panel) -> None:
    chance = panel.frame["chance"].mean()
    lettering.heading(ax, panel.title, panel.quantity)
    if panel.difference:
        charts.difference_axis(ax, panel.metric.unit)
        level: tuple[float, str] | None = (0.0, panel.difference)
    else:
        charts.value_axis(ax, panel.metric.unit, log=panel.metric.transform == "exp")
        level = (float(chance), "chance") if chance == chance else None
    charts.against_size(ax, panel.frame, titles, published=panel.overlay, level=level, limits=panel.limits)
