"""Words in figures: headings, labels at the line ends, keys, stamps. Whatever a name holds, it is only drawn."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from cai_eval.pages.style import POINTS, colour, height_of, width_of
from cai_eval.pages.text import visible

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LINE = 8.5  #: points from one line of small text to the next
CHARACTER = 0.054  #: inches of a character of small text, rather more than less
WRAP = 18  #: characters of an end label's line


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


@dataclass(frozen=True)
class EndLabel:
    """Text for the curve that ends at (x, y), in data coordinates. gid: of the text, in an SVG."""

    x: float
    y: float
    text: str
    colour: str
    gid: str | None = None


def label_ends(ax: Axes, labels: Sequence[EndLabel]) -> None:
    """Write labels right of the panel, pushed apart where they would overlap.

    A hairline leads from each curve's end to its label. Call it last: the limits of both axes must stand.
    """
    from matplotlib.lines import Line2D

    width, height = width_of(ax), height_of(ax)
    labels = sorted((label for label in labels if np.isfinite(label.y)), key=lambda label: label.y)
    texts = [wrapped(label.text) for label in labels]
    to_panel = ax.transData + ax.transAxes.inverted()
    ends = [to_panel.transform((label.x, label.y)) for label in labels]
    wanted = [float(np.clip(y, 0, 1)) * height for _, y in ends]
    heights = [LINE * len(lines) for lines in texts]
    top = height + (LINE - heights[-1]) / 2 if heights else height  # no line of the topmost reaches the heading
    places = spread(wanted, heights, top)
    for label, end, lines, y in zip(labels, ends, texts, places, strict=True):
        ax.text(
            1 + 7 / width,
            y / height,
            "\n".join(lines),
            transform=ax.transAxes,
            color=label.colour,
            fontsize=6.5,
            linespacing=1.05,
            va="center",
            gid=label.gid,
        )
        hairline = Line2D(
            (end[0] + 5 / width, 1 + 6 / width),
            (end[1], y / height),
            transform=ax.transAxes,
            clip_on=False,
            color=label.colour,
            linewidth=0.5,
            linestyle=(0, (1, 1.5)),
            gid=label.gid,
        )
        ax.add_artist(hairline)


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


def stamp(figure: Figure, laboratory: str) -> None:
    """Name at the foot of a finished figure the laboratory of its models, so that it goes wherever the figure goes."""
    words, foot = visible(laboratory.partition(":")[0]), 1.5 / (figure.get_figheight() * POINTS)
    figure.text(0.995, foot, f"models of {words}", ha="right", color=colour("quiet"), fontsize=5)
