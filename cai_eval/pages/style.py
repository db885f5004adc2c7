"""One look for every figure: sizes in inches, colours by role, real model sizes on the axis, labels at the line ends.

Figures are 3.3 or 6.9 inches wide, the column and the page of a paper, with 7-point text. Margins are given in inches,
so nothing has to be measured by drawing it twice. Every colour is a *role*: the page swaps roles for dark mode.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMN, PAGE = 3.3, 6.9  #: inches
FONT = "DejaVu Sans"  #: ships with matplotlib, so figures look the same everywhere
POINTS = 72.0

#: role → (on white, on dark). Series after Okabe and Ito (2008), which colour-blind readers can tell apart.
ROLES: Mapping[str, tuple[str, str]] = {
    "ink": ("#1f2328", "#e6e8eb"),
    "quiet": ("#6b7280", "#9aa3ad"),
    "grid": ("#e3e5e8", "#30363d"),
    "published": ("#b4b9c0", "#59616b"),
    "paper": ("#ffffff", "#14171a"),
    "series-0": ("#3c4146", "#d0d4d8"),
    "series-1": ("#0072b2", "#56b4e9"),
    "series-2": ("#d55e00", "#f0894a"),
    "series-3": ("#009e73", "#33c79b"),
    "series-4": ("#aa4499", "#dd88cc"),
    "series-5": ("#b37a00", "#e6b94d"),
    "series-6": ("#332288", "#9a8cf0"),
    "series-7": ("#882255", "#e07a9f"),
    "loss": ("#b3261e", "#f2857d"),
    "gain": ("#0a7d4f", "#4cc995"),
}
MARKERS = "osD^vPX"
CURVE = "curve:"
GAP = 24.0  #: points between the labels of an axis of sizes


def colour(role: str) -> str:
    """The role's colour on white."""
    return ROLES[role][0]


@dataclass(frozen=True)
class Series:
    """How one intervention looks in every figure. name: by which the page finds its curves."""

    colour: str
    marker: str
    name: str


def series(names: Sequence[str]) -> dict[str, Series]:
    """A look for each name, by position: the first one is ink, the others are coloured.

    From the ninth on colours come again, with other markers.
    """
    return {name: Series(colour(f"series-{i % 8}"), MARKERS[(i + i // 8) % 7], name) for i, name in enumerate(names)}


@contextmanager
def house() -> Iterator[None]:
    """matplotlib's settings while a figure is made or saved."""
    import matplotlib

    settings = {
        "font.family": [FONT],
        "font.size": 7,
        "axes.titlesize": 7.5,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "axes.titlepad": 5,
        "axes.labelsize": 7,
        "axes.edgecolor": colour("quiet"),
        "axes.labelcolor": colour("ink"),
        "axes.titlecolor": colour("ink"),
        "axes.linewidth": 0.6,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.grid.axis": "y",
        "axes.axisbelow": True,
        "grid.color": colour("grid"),
        "grid.linewidth": 0.5,
        "xtick.labelsize": 6.5,
        "ytick.labelsize": 6.5,
        "xtick.color": colour("quiet"),
        "ytick.color": colour("quiet"),
        "xtick.labelcolor": colour("ink"),
        "ytick.labelcolor": colour("ink"),
        "xtick.major.size": 2.5,
        "ytick.major.size": 0,
        "xtick.minor.size": 0,
        "lines.linewidth": 1.1,
        "text.color": colour("ink"),
        "text.parse_math": False,  # names may hold dollar signs
        "svg.fonttype": "none",
        "svg.hashsalt": "cai-eval",
        "pdf.fonttype": 42,
        "savefig.dpi": 200,
    }
    with matplotlib.rc_context(settings):
        yield


@dataclass(frozen=True)
class Margins:
    """Inches around each panel."""

    left: float = 0.42
    right: float = 0.9
    bottom: float = 0.42
    top: float = 0.42


def panels(
    width: float, rows: int, columns: int, height: float = 1.6, margins: Margins = Margins(), header: float = 0.0
) -> tuple[Figure, list[Axes]]:
    """A figure of rows × columns panels, row by row. width: of the figure; height: of one panel; header: above
    them all; in inches.

    Each panel keeps its own room on the right for the labels at its line ends.
    """
    from matplotlib.figure import Figure

    step = width / columns
    row = margins.top + height + margins.bottom
    total = header + row * rows
    figure = Figure(figsize=(width, total))
    axes = [
        figure.add_axes(
            (
                (column * step + margins.left) / width,
                1 - (header + i * row + margins.top + height) / total,
                (step - margins.left - margins.right) / width,
                height / total,
            )
        )
        for i in range(rows)
        for column in range(columns)
    ]
    return figure, axes


def grid(
    count: int,
    columns: int = 2,
    alone: float = COLUMN,
    height: float = 1.6,
    margins: Margins = Margins(),
    header: float = 0.0,
) -> tuple[Figure, list[Axes]]:
    """So many panels, at most `columns` in a row across the page; what is left over in the last row is taken away.

    alone: the figure's width where there is one panel; height: of one panel; header: above them all; in inches.
    """
    columns = min(columns, count)
    figure, axes = panels(PAGE if columns > 1 else alone, -(-count // columns), columns, height, margins, header)
    for spare in axes[count:]:
        spare.remove()
    return figure, axes[:count]


def size_label(parameters: float) -> str:
    """19M, 302M, 1.2B: non-embedding parameters as people say them."""
    for limit, unit in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if parameters >= limit * 0.9995:
            value = parameters / limit
            return f"{value:.{1 if value < 9.95 else 0}f}".removesuffix(".0") + unit
    return f"{parameters:.0f}"


def size_axis(ax: Axes, sizes: Sequence[float], others: Sequence[float] = ()) -> None:
    """A logarithmic x axis with a tick at each of `sizes`, the ones that were measured.

    others: sizes that it spans too; their ends are named where there is room. Crowded labels are thinned; the first and
    the last size are kept.
    """
    from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

    named = sorted({float(size) for size in sizes if size > 0})
    if not named:
        return
    first, last = min([*named, *others]), max([*named, *others])
    margin = 1.5 if first == last else (last / first) ** 0.07
    ax.set_xscale("log")
    ax.set_xlim(first / margin, last * margin)

    def position(size: float) -> float:
        return width_of(ax) * float(np.log(size / first) / np.log(last / first * margin**2))

    shown = {named[i] for i in _uncrowded([position(size) for size in named], GAP)}
    for end in (min(others), max(others)) if others else ():
        if min(abs(position(end) - position(size)) for size in named) >= GAP:
            shown.add(end)
    ticks = sorted({*named, *shown})
    ax.xaxis.set_major_locator(FixedLocator(ticks))
    ax.xaxis.set_major_formatter(FixedFormatter([size_label(tick) if tick in shown else "" for tick in ticks]))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xlabel("non-embedding parameters")


def _uncrowded(positions: Sequence[float], gap: float) -> set[int]:
    """Indices of ascending positions that keep `gap` between neighbours; the first and the last are among them."""
    shown, last = {0}, len(positions) - 1
    previous = positions[0]
    for i in range(1, last):
        if positions[i] - previous >= gap and positions[last] - positions[i] >= gap:
            shown.add(i)
            previous = positions[i]
    return shown | {last}


def width_of(ax: Axes) -> float:
    """Of a panel, in points."""
    figure = ax.figure
    return float(ax.get_position().width * figure.get_figwidth() * POINTS)  # type: ignore[union-attr]


def height_of(ax: Axes) -> float:
    """Of a panel, in points."""
    figure = ax.figure
    return float(ax.get_position().height * figure.get_figheight() * POINTS)  # type: ignore[union-attr]


def nothing(ax: Axes, reason: str) -> None:
    """Say in an empty panel why it is empty."""
    ax.set_axis_off()
    ax.text(0, 0.5, reason, color=colour("quiet"), fontsize=6.5)


def link(cell: str) -> str:
    """Where a click on a cell's point leads: the page then lists its items."""
    return f"#cell={cell}"


def curve_id(name: str) -> str:
    """The id under which the parts of an intervention's curve stand in an SVG."""
    return CURVE + quote(name, errors="replace")


def curve(
    ax: Axes,
    x: Sequence[float],
    y: Sequence[float],
    low: Sequence[float],
    high: Sequence[float],
    look: Series,
    cells: Sequence[str] = (),
    dodge: float = 0.0,
    hollow: Sequence[bool] | None = None,
) -> None:
    """Points with their intervals, joined in order of size; one point alone gets no line.

    dodge: shift to the right in points, so that intervals of different curves do not hide each other.
    cells: hashes that the points link to. hollow: points that are drawn empty.
    """
    from matplotlib.transforms import ScaledTranslation

    hollow = [False] * len(x) if hollow is None else hollow
    figure = ax.figure
    shift = ax.transData + ScaledTranslation(dodge / POINTS, 0, figure.dpi_scale_trans)
    if len(x) > 1:
        ax.plot(x, y, color=look.colour, transform=shift, zorder=2, gid=curve_id(look.name))
    ax.vlines(
        x, low, high, color=look.colour, linewidth=0.8, alpha=0.75, transform=shift, zorder=2, gid=curve_id(look.name)
    )
    points = ax.scatter(
        x,
        y,
        s=13,
        marker=look.marker,
        c=[colour("paper") if empty else look.colour for empty in hollow],
        edgecolors=[look.colour if empty else colour("paper") for empty in hollow],
        linewidths=0.6,
        transform=shift,
        zorder=3,
    )
    if cells:
        points.set_urls([link(cell) for cell in cells])
    ax.update_datalim(np.column_stack([np.tile(np.asarray(x, float), 2), np.concatenate([low, high])]))
    ax.autoscale_view(scalex=False)
