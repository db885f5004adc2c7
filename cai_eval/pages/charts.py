"""The chart that most figures are made of: one quantity against model size, one curve an intervention."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cai_eval.pages import lettering, style
from cai_eval.pages.taxes import TOTAL

if TYPE_CHECKING:
    from matplotlib.axes import Axes


IDEAL = "ideal"  #: labels the dotted curve of an ideal observer
SHORT = 24  #: characters of a prefix's label that still fits beside its curve


def against_size(
    ax: Axes,
    frame: pd.DataFrame,
    titles: Mapping[str, str],
    columns: tuple[str, str, str] = ("value", "low", "high"),
    published: Mapping[str, pd.DataFrame] | None = None,
    level: tuple[float, str] | None = None,
    limits: tuple[float, float] | None = None,
) -> None:
    """Draw `columns` (estimate, low, high) of `frame` against its `parameters`, with labels at the line ends.

    frame: one row a point, with columns intervention, parameters, cell; label where prefixes are to be named; floor
    where points are drawn hollow; ideal where an ideal observer's score is known, drawn dotted. titles: intervention →
    title; their order gives the colours. published: label → frame (parameters, value), drawn in grey behind. level: a
    reference line and its label. limits: of the y axis, where several panels share it or intervals are cut.
    """
    looks = style.series(list(titles))
    labels = curve_labels(frame, titles)
    published = published or {}
    theirs = [x for rows in published.values() for x in rows["parameters"]]
    style.size_axis(ax, frame["parameters"].tolist(), others=theirs)
    ends: list[lettering.EndLabel] = []
    ideals: dict[str, tuple[float, float]] = {}
    if level is not None:
        ax.axhline(level[0], color=style.colour("quiet"), linewidth=0.7, dashes=(3, 2), zorder=1)
        ends.append(lettering.EndLabel(ax.get_xlim()[1], level[0], level[1], style.colour("quiet")))
    for label, rows in published.items():
        x, y = rows["parameters"].to_numpy(float), rows["value"].to_numpy(float)
        ax.plot(x, y, color=style.colour("published"), linewidth=0.9, marker=".", markersize=2.5, zorder=1)
        ends.append(lettering.EndLabel(x[-1], y[-1], label, style.colour("quiet")))
    for i, (name, label) in enumerate(labels.items()):
        rows = frame[frame["intervention"] == name].sort_values("parameters")
        x = rows["parameters"].to_numpy(float)
        y, low, high = (rows[column].to_numpy(float) for column in columns)
        if limits is not None:
            low, high = np.clip(low, *limits), np.clip(high, *limits)  # an end may be infinite
        dodge = 2.2 * (i - (len(labels) - 1) / 2)
        hollow = rows["floor"].tolist() if "floor" in rows else None
        style.curve(ax, x, y, low, high, looks[name], rows["cell"].tolist(), dodge, hollow)
        if "ideal" in rows and rows["ideal"].notna().any():
            (ideal,) = ax.plot(x, rows["ideal"], ":_", color=looks[name].colour, linewidth=0.8, markersize=4, zorder=1)
            ideal.set_gid(style.curve_id(name))
            ideals[name] = (x[-1], float(rows["ideal"].dropna().iloc[-1]))
        known = np.flatnonzero(np.isfinite(y))
        if len(known):
            end = x[known[-1]], y[known[-1]]
            ends.append(lettering.EndLabel(*end, label, looks[name].colour, style.curve_id(name)))
    for colour, end in _apart(ideals, looks):
        ends.append(lettering.EndLabel(*end, IDEAL, colour))
    ax.autoscale_view(scalex=False)
    if limits is not None:
        ax.set_ylim(*limits)
    if ax.get_yscale() == "log":
        ticks = log_ticks(*ax.get_ylim())
        ax.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
        ax.set_yticks([], minor=True)
    lettering.label_ends(ax, ends)


def _apart(
    ends: Mapping[str, tuple[float, float]], looks: Mapping[str, style.Series]
) -> list[tuple[str, tuple[float, float]]]:
    """Colour and place of each different end; one that several curves share is in nobody's colour."""
    places: dict[str, list[str]] = {}
    for name, (_, y) in ends.items():
        places.setdefault(f"{y:.3g}", []).append(name)
    return [
        (looks[names[0]].colour if len(names) == 1 else style.colour("quiet"), ends[names[0]])
        for names in places.values()
    ]


def curve_labels(frame: pd.DataFrame, titles: Mapping[str, str]) -> dict[str, str]:
    """Intervention → its curve's label, for those in the frame: the title, and which prefix where there is one."""
    labels = {}
    for name, rows in frame.groupby("intervention", sort=False, observed=True):
        prefixes = [label for label in rows["label"].unique() if label] if "label" in rows else []
        told = len(prefixes) == 1 and len(prefixes[0]) <= SHORT
        labels[name] = f"{titles[name]} ({prefixes[0]})" if told else titles[name]
    return {name: labels[name] for name in titles if name in labels}


def value_axis(ax: Axes, unit: str, log: bool = False) -> None:
    """The y axis: fractions as per cent, perplexities on a logarithmic scale. Call it before anything is drawn."""
    from matplotlib.ticker import PercentFormatter

    if log:
        ax.set_yscale("log")
    elif unit == "fraction":
        ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))


def log_ticks(low: float, high: float, most: int = 7) -> list[float]:
    """Round numbers in [low, high], 0 < low < high, at most `most` of them and rarely fewer than three."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    decades = [10.0**decade for decade in range(first, last + 1)]
    fine = 10.0 ** math.floor(math.log10((high - low) / 3))  # less than a doubling: evenly spaced
    even = [i * fine for i in range(math.ceil(low / fine), math.floor(high / fine) + 1)]
    for steps in ((1, 1.5, 2, 3, 4, 5, 7), (1, 2, 5), (1, 3), (1,)):
        ticks = [step * decade for decade in decades for step in steps if low <= step * decade <= high]
        if len(ticks) <= most:
            return ticks if len(ticks) > 2 else even[:: math.ceil(len(even) / most)]
    return ticks[:: math.ceil(len(ticks) / most)]


def difference_axis(ax: Axes, unit: str) -> None:
    """The y axis of a difference: signed, fractions in percentage points. Call it before anything is drawn."""
    from matplotlib.ticker import FuncFormatter

    scale = 100 if unit == "fraction" else 1
    ax.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{scale * y:+.4g}".replace("-", "−") if y else "0"))


def waterfall(ax: Axes, part: pd.DataFrame, colours: Sequence[str]) -> None:
    """The steps of `taxes.decomposition` for each model, left to right, each from where the last one ended.

    One place a model, in order of size. colours: of the steps; the total is a dot in ink.
    """
    models = list(part.drop_duplicates("model")["model"])
    places = {model: float(i) for i, model in enumerate(models)}
    width = 0.8 / (len(colours) + 1)
    for step, shade in [*((str(i), c) for i, c in enumerate(colours, start=1)), (TOTAL, style.colour("ink"))]:
        rows = part[part["step"] == step]
        position = len(colours) if step == TOTAL else int(step) - 1
        x = np.array([places[model] for model in rows["model"]]) + (position - len(colours) / 2) * width
        start, value = rows["start"].to_numpy(float), rows["value"].to_numpy(float)
        low, high = start + rows["low"].to_numpy(float), start + rows["high"].to_numpy(float)
        if step == TOTAL:
            ax.scatter(x, value, s=11, color=shade, zorder=4)
        else:
            ax.bar(x, value, width * 0.92, bottom=start, color=shade, alpha=0.55, linewidth=0, zorder=2)
        ax.vlines(x, low, high, color=shade, linewidth=0.8, zorder=3)
    ax.axhline(0, color=style.colour("quiet"), linewidth=0.7, zorder=1)
    sizes = part.drop_duplicates("model")["parameters"]
    ax.set_xticks(list(places.values()), [style.size_label(size) for size in sizes])
    ax.set_xlim(-0.6, len(models) - 0.4)
    ax.set_xlabel("non-embedding parameters (one place a model)")
