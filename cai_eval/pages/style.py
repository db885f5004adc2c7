"""One look for every figure: sizes in inches, colours by role, real model sizes on the axis, labels at the line ends.

Figures are 3.3 or 6.9 inches wide, the column and the page of a paper, with 7-point text. Margins are given in inches,
so nothing has to be measured by drawing it twice. Every colour is a *role*: the page swaps roles for dark mode.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from cai_eval.pages.text import visible

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMN, PAGE = 3.3, 6.9  #: inches
FONT = "DejaVu Sans"  #: ships with matplotlib, so figures look the same everywhere
POINTS = 72.0
LINE = 8.5  #: points from one line of small text to the next
CHARACTER = 0.054  #: inches of a character of small text, rather more than less
WRAP = 18  #: characters of an end label's line

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
    "loss": ("#b3261e", "#f2857d"),
    "gain": ("#0a7d4f", "#4cc995"),
}
MARKERS = "osD^vPX"


def colour(role: str) -> str:
    """The role's colour on white."""
    return ROLES[role][0]


@dataclass(frozen=True)
class Series:
    """How one intervention looks in every figure."""

    colour: str
    marker: str


def series(names: Sequence[str]) -> dict[str, Series]:
    """A look for each name, by position: the first one is ink, the others are coloured."""
    return {name: Series(colour(f"series-{i % 7}"), MARKERS[i % len(MARKERS)]) for i, name in enumerate(names)}


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


def room_for(labels: Sequence[str]) -> float:
    """Inches that end labels take: their longest line, and the hairline."""
    return 0.2 + CHARACTER * max((len(line) for label in labels for line in wrapped(label)), default=0)


def heading(ax: Axes, title: str, quantity: str) -> None:
    """The panel's title, and what its y axis shows: upright above it, where there is room to read it."""
    for words, up, look in (
        (title, 15, {"fontsize": 7.5, "fontweight": "bold"}),
        (quantity, 5.5, {"fontsize": 6.5, "color": colour("quiet")}),
    ):
        ax.annotate(visible(words), (0, 1), (-24, up), "axes fraction", "offset points", annotation_clip=False, **look)  # type: ignore[arg-type]


def size_label(parameters: float) -> str:
    """19M, 302M, 1.2B: non-embedding parameters as people say them."""
    for limit, unit in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if parameters >= limit * 0.9995:
            value = parameters / limit
            return f"{value:.{1 if value < 9.95 else 0}f}".removesuffix(".0") + unit
    return f"{parameters:.0f}"


def size_axis(ax: Axes, sizes: Sequence[float], ticks: Sequence[float] | None = None) -> None:
    """A logarithmic x axis that spans `sizes`, with ticks at the sizes that were measured.

    ticks: those to name, by default all. Crowded labels are thinned; the first and the last are kept.
    """
    from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

    named = sorted({float(size) for size in (sizes if ticks is None else ticks) if size > 0})
    if not named:
        return
    first, last = min(sizes), max(sizes)
    margin = 1.5 if first == last else (last / first) ** 0.05
    ax.set_xscale("log")
    ax.set_xlim(first / margin, last * margin)
    positions = [_width(ax) * float(np.log(tick / first) / np.log(last / first * margin**2)) for tick in named]
    shown = _uncrowded(positions, gap=24)
    ax.xaxis.set_major_locator(FixedLocator(named))
    ax.xaxis.set_major_formatter(FixedFormatter([size_label(t) if i in shown else "" for i, t in enumerate(named)]))
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


def _width(ax: Axes) -> float:
    """Of the panel, in points."""
    figure = ax.figure
    return float(ax.get_position().width * figure.get_figwidth() * POINTS)  # type: ignore[union-attr]


def _height(ax: Axes) -> float:
    figure = ax.figure
    return float(ax.get_position().height * figure.get_figheight() * POINTS)  # type: ignore[union-attr]


@dataclass(frozen=True)
class EndLabel:
    """Text for the curve that ends at (x, y), in data coordinates."""

    x: float
    y: float
    text: str
    colour: str


def label_ends(ax: Axes, labels: Sequence[EndLabel]) -> None:
    """Write labels right of the panel, pushed apart where they would overlap.

    A hairline leads from each curve's end to its label. Call it last: the limits of both axes must stand.
    """
    from matplotlib.collections import LineCollection

    width, height = _width(ax), _height(ax)
    labels = sorted((label for label in labels if np.isfinite(label.y)), key=lambda label: label.y)
    texts = [wrapped(label.text) for label in labels]
    to_panel = ax.transData + ax.transAxes.inverted()
    ends = [to_panel.transform((label.x, label.y)) for label in labels]
    wanted = [float(np.clip(y, 0, 1)) * height for _, y in ends]
    places = spread(wanted, [LINE * len(lines) for lines in texts], height)
    for label, lines, y in zip(labels, texts, places, strict=True):
        ax.text(
            1 + 7 / width,
            y / height,
            "\n".join(lines),
            transform=ax.transAxes,
            color=label.colour,
            fontsize=6.5,
            linespacing=1.05,
            va="center",
        )
    hairlines = [[(x + 5 / width, y), (1 + 6 / width, to / height)] for (x, y), to in zip(ends, places, strict=True)]
    colours = [label.colour for label in labels]
    ax.add_collection(
        LineCollection(
            hairlines, colors=colours, linewidths=0.5, linestyles=(0, (1, 1.5)), transform=ax.transAxes, clip_on=False
        ),
        autolim=False,
    )


def wrapped(label: str) -> list[str]:
    """An end label's lines."""
    return textwrap.wrap(visible(label), WRAP) or [""]


def spread(wanted: Sequence[float], heights: Sequence[float], top: float) -> list[float]:
    """The centres nearest to `wanted` (ascending; least squares) at which things of these heights do not overlap.

    top: the topmost one's centre stays below it; there is always room underneath.
    """
    offsets = np.cumsum([0.0, *((a + b) / 2 for a, b in pairwise(heights))])
    blocks: list[tuple[float, int]] = []  # mean of wanted − offset, number of members
    for value, offset in zip(wanted, offsets, strict=False):
        mean, count = value - offset, 1
        while blocks and blocks[-1][0] > mean:
            before, members = blocks.pop()
            mean, count = (before * members + mean * count) / (members + count), members + count
        blocks.append((mean, count))
    flat = [mean for mean, count in blocks for _ in range(count)]
    return [min(value, top - offsets[-1]) + offset for value, offset in zip(flat, offsets, strict=False)]


def nothing(ax: Axes, reason: str) -> None:
    """Say in an empty panel why it is empty."""
    ax.set_axis_off()
    ax.text(0, 0.5, reason, color=colour("quiet"), fontsize=6.5)


def key_lines(width: float, entries: Sequence[tuple[str, str]]) -> list[list[tuple[float, str, str]]]:
    """Names in their colours, broken into lines for a figure of this width in inches: (x in points, name, colour)."""
    lines: list[list[tuple[float, str, str]]] = [[]]
    x = 6.0
    for words, shade in entries:
        needed = CHARACTER * POINTS * (len(words) + 2)
        if lines[-1] and x + needed > width * POINTS:
            lines.append([])
            x = 6.0
        lines[-1].append((x, words, shade))
        x += needed + 14
    return lines


def key(figure: Figure, lines: Sequence[Sequence[tuple[float, str, str]]]) -> None:
    """Write the lines of a key at the top of the figure; its panels need a header of `LINE` points for each."""
    width, height = figure.get_size_inches() * POINTS
    for i, line in enumerate(lines):
        for x, words, shade in line:
            y = 1 - (6 + LINE * i) / height
            figure.text(x / width, y, "■ " + visible(words), color=shade, fontsize=6.5, va="center")


def stamp(figure: Figure, words: str) -> None:
    """A note at the foot of a finished figure, which goes wherever the figure goes."""
    figure.text(
        0.995, 1.5 / (figure.get_figheight() * POINTS), visible(words), ha="right", color=colour("quiet"), fontsize=5
    )


def link(cell: str) -> str:
    """Where a click on a cell's point leads: the place on the page that lists its items."""
    return f"#items-{cell}"


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
        ax.plot(x, y, color=look.colour, transform=shift, zorder=2)
    ax.vlines(x, low, high, color=look.colour, linewidth=0.8, alpha=0.75, transform=shift, zorder=2)
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


def svg(figure: Figure) -> str:
    """The figure as SVG on no ground, its text kept as text."""
    buffer = BytesIO()
    with house():
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return buffer.getvalue().decode()


def standalone(text: str) -> str:
    """An SVG that carries its font and a white ground, to be opened or printed alone."""
    ground = f'<rect width="100%" height="100%" fill="{colour("paper")}"/>'
    return text.replace("<defs>", f"<defs>\n  <style>{font_face()}</style>", 1).replace(
        "</defs>", f"</defs>\n {ground}", 1
    )


def png(figure: Figure) -> bytes:
    """The figure as PNG on white, 200 dots an inch."""
    buffer = BytesIO()
    with house():
        figure.savefig(buffer, format="png", facecolor=colour("paper"))
    return buffer.getvalue()


@cache
def font_face() -> str:
    """A CSS rule that carries the Latin part of the figures' font, so that a reader needs no font of ours."""
    import base64

    from fontTools import subset
    from fontTools.ttLib import TTFont
    from matplotlib.font_manager import FontProperties, findfont

    rules = []
    for weight in ("normal", "bold"):
        options = subset.Options(hinting=False, layout_features=["kern"], drop_tables=["FFTM"])
        font = TTFont(findfont(FontProperties(family=FONT, weight=weight)), lazy=True)
        cutter = subset.Subsetter(options)
        cutter.populate(unicodes=[*range(0x20, 0x7F), *range(0xA0, 0x180), *range(0x2010, 0x2027), *_SIGNS])
        cutter.subset(font)
        font.flavor = "woff"
        buffer = BytesIO()
        font.save(buffer)
        data = base64.b64encode(buffer.getvalue()).decode()
        rules.append(
            f"@font-face{{font-family:'{FONT}';font-weight:{weight};"
            f"src:url(data:font/woff;base64,{data}) format('woff')}}"
        )
    return "".join(rules)


_SIGNS = (0x2212, 0x2190, 0x2192, 0x2191, 0x2193, 0x2264, 0x2265, 0x2248, 0x2260, 0x221E, 0x394, 0x3C3, 0x221A)
