"""Figures of forecasts: reliability diagrams, calibration error against size, histograms of P(True)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cai_eval import statistics
from cai_eval.contracts import Figure, Results
from cai_eval.pages import charts, lettering, style
from cai_eval.pages.text import slug
from cai_eval.statistics import calibration as measures

from .forecasts import Forecasts

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

KEPT = {"all": "all answers", "kept": "P(True) > ½"}
HALF = 0.5  #: P(True) above which an answer is kept
COLUMNS = 3
LEAST = 15  #: options in a bin of a diagram
NARROW = 0.05  #: range of probabilities in which a band would hardly be seen
QUARTERS = {x: f"{x:.0%}".replace("%", " %") for x in (0.0, 0.25, 0.5, 0.75, 1.0)}
IDEAL = "ideal observer"


@style.house()
def by_point(results: Results, title: str, found: Sequence[Forecasts], level: float, bins: int) -> Figure:
    """A reliability diagram for each size and intervention, beside that of somebody who says what was planted."""
    names = [name for name in results.interventions if any(each.about["intervention"] == name for each in found)]
    looks = style.series(list(results.interventions))
    order = sorted(found, key=lambda each: (each.about["parameters"], names.index(each.about["intervention"])))
    known = any(each.planted.size for each in found)
    entries = [(results.interventions[name], looks[name].colour) for name in names]
    lines = lettering.key_lines(style.PAGE, [*entries, *([(IDEAL, style.colour("quiet"))] * known)])
    figure, axes = _grid(len(order), len(lines), len(names) if len(names) > 1 else COLUMNS)
    frames = [binned(each, level, bins) for each in order]
    for ax, each, frame in zip(axes, order, frames, strict=True):
        lettering.heading(ax, style.size_label(each.about["parameters"]), "share that is right, by probability")
        _square(ax)
        _ideal(ax, each, bins)
        _band(ax, frame, looks[each.about["intervention"]])
    lettering.key(figure, lines)
    return Figure(
        name=f"reliability-{slug(title)}",
        title=f"{title}: reliability diagrams",
        caption=reliability_caption(level, bins)
        + (" Dotted: somebody who says the planted probabilities." if known else ""),
        figure=figure,
        data=pd.concat(frames, ignore_index=True),
    )


@style.house()
def by_size(found: Sequence[Forecasts], title: str, level: float, bins: int) -> tuple[Canvas, pd.DataFrame]:
    """One reliability diagram with a curve for each size, and its frame. found: of one intervention."""
    sizes = {each.about["parameters"]: style.size_label(each.about["parameters"]) for each in found}
    looks = style.series(list(sizes.values()))
    lines = lettering.key_lines(style.COLUMN, [(label, look.colour) for label, look in looks.items()])
    header = lettering.LINE * len(lines) / style.POINTS
    figure, (ax,) = style.panels(style.COLUMN, 1, 1, 2.2, style.Margins(right=0.2, bottom=0.3), header)
    lettering.heading(ax, title, "share that is right, by probability")
    _square(ax)
    frames = [binned(each, level, bins) for each in found]
    for each, frame in zip(found, frames, strict=True):
        _band(ax, frame, looks[sizes[each.about["parameters"]]])
    lettering.key(figure, lines)
    return figure, pd.concat(frames, ignore_index=True)


def reliability_caption(level: float, bins: int) -> str:
    """How to read a reliability diagram."""
    return (
        f"All options in up to {bins} bins of equal count by their probability: mean probability across, share that is "
        f"right upwards, with {level * 100:g} % intervals by clusters. On the broken line, what is said comes true."
    )


def binned(said: Forecasts, level: float, bins: int) -> pd.DataFrame:
    """The bins of all options, with intervals of their outcomes; fewer bins where they would hold next to nothing."""
    bins = int(np.clip(said.every_p.size // LEAST, 2, bins))
    found = measures.bins(said.every_p, said.every_c, bins)
    order = np.argsort(said.every_p, kind="stable")
    ends = [
        statistics.mean_interval(said.every_c[part], said.every_clusters[part], level)
        for part in np.array_split(order, found.items.size)
    ]
    return pd.DataFrame(
        {
            **{name: said.about[name] for name in ("rung", "parameters", "intervention", "cell")},
            "forecast": found.forecast,
            "outcome": found.outcome,
            "low": [end.low for end in ends],
            "high": [end.high for end in ends],
            "options": found.items,
        }
    )


def _square(ax: Axes) -> None:
    """Probability against share, with the diagonal."""
    ax.plot([0, 1], [0, 1], color=style.colour("quiet"), linewidth=0.7, dashes=(3, 2), zorder=1)
    ax.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    ax.set_xticks(list(QUARTERS), list(QUARTERS.values()))
    ax.set_yticks(list(QUARTERS), list(QUARTERS.values()))


def _band(ax: Axes, frame: pd.DataFrame, look: style.Series) -> None:
    """A curve through the bins with the band of their intervals."""
    x, y, low, high = (frame[name].to_numpy(float) for name in ("forecast", "outcome", "low", "high"))
    ax.fill_between(x, low, high, color=look.colour, alpha=0.14, linewidth=0, zorder=1)
    bars = (low, high) if np.ptp(x) < NARROW else (y, y)
    style.curve(ax, x, y, *bars, look, frame["cell"].tolist())


def _ideal(ax: Axes, said: Forecasts, bins: int) -> None:
    """Where the planted probabilities are known, the diagram of somebody who says them."""
    if said.planted.size:
        bins = int(np.clip(said.planted.size // LEAST, 2, bins))
        ideal = measures.bins(said.planted, said.every_c, bins)
        ax.plot(ideal.forecast, ideal.outcome, color=style.colour("quiet"), linewidth=0.9, linestyle=":", zorder=1)


@style.house()
def errors(results: Results, title: str, frame: pd.DataFrame, level: float) -> Figure:
    """ECE against size, and where something was planted, how it comes back. frame: rows of `forecasts.measured`."""
    recovered = "slope" in frame
    named = [*charts.curve_labels(frame, results.interventions).values(), "perfect"]
    margins = style.Margins(right=lettering.room_for(named))
    width = style.PAGE if recovered else style.COLUMN
    figure, axes = style.panels(width, 1, 1 + recovered, margins=margins)
    lettering.heading(axes[0], title, "ECE of the top prediction; bars: less its upward bias")
    charts.value_axis(axes[0], "fraction")
    against = frame.assign(ideal=frame["ideal ece"])
    charts.against_size(axes[0], against, results.interventions, ("ece", "ece low", "ece high"))
    if recovered:
        lettering.heading(axes[1], "", "slope of stated on planted probabilities")
        columns, perfect = ("slope", "slope low", "slope high"), (1.0, "perfect")
        ends = {end: frame[end].fillna(frame["slope"]) for end in columns[1:]}  # none on a perfect line
        charts.against_size(axes[1], frame.assign(**ends), results.interventions, columns, level=perfect)
    return Figure(
        name=f"ece-{slug(title)}",
        title=f"{title}: calibration against size",
        caption=f"Bars: {level * 100:g} % basic bootstrap intervals by clusters, which allow for the upward bias of "
        "ECE, so that points may lie above them. Read trends on the Brier and log scores."
        + (
            " Dotted: the ECE of somebody who says the planted probabilities." if against["ideal"].notna().any() else ""
        ),
        figure=figure,
        data=frame,
    )


@style.house()
def histograms(title: str, found: Sequence[Forecasts]) -> Figure:
    """A panel for each point: how often P(True) has which value, for right and for wrong answers."""
    from matplotlib.ticker import MaxNLocator

    kinds = (("right answers", 1.0, style.colour("gain")), ("wrong answers", 0.0, style.colour("loss")))
    width = style.PAGE if len(found) > 1 else style.COLUMN
    lines = lettering.key_lines(width, [(name, shade) for name, _, shade in kinds])
    figure, axes = _grid(len(found), len(lines), COLUMNS)
    edges = np.linspace(0, 1, 21)
    rows = []
    for ax, each in zip(axes, found, strict=True):
        lettering.heading(ax, style.size_label(each.about["parameters"]), "answers, by P(True)")
        for name, outcome, shade in kinds:
            counts, _ = np.histogram(each.p[each.c == outcome], edges)
            ax.stairs(counts, edges, color=shade, fill=True, alpha=0.35, linewidth=0)
            ax.stairs(counts, edges, color=shade, linewidth=0.9)
            about = {"rung": each.about["rung"], "cell": each.about["cell"], "answers": name}
            rows += [
                {**about, "from": low, "to": high, "count": count}
                for low, high, count in zip(edges, edges[1:], counts.tolist(), strict=False)
            ]
        ax.set_xlim(0, 1)
        ax.set_xticks(list(QUARTERS), list(QUARTERS.values()))
        ax.yaxis.set_major_locator(MaxNLocator(6, integer=True))
    lettering.key(figure, lines)
    return Figure(
        name=f"verdicts-{slug(title)}",
        title=f"{title}: P(True) of right and wrong answers",
        caption="Answers drawn at temperature 1, by the probability that the same policy gives to their truth.",
        figure=figure,
        data=pd.DataFrame(rows),
    )


@style.house()
def kept(title: str, found: Sequence[Forecasts], level: float) -> Figure:
    """Accuracy of all answers, and of those with P(True) above one half, against size."""
    rows = [row for each in found for row in _kept(each, level)]
    frame = pd.DataFrame(rows)
    room = lettering.room_for(list(KEPT.values()))
    figure, axes = style.panels(style.COLUMN, 1, 1, margins=style.Margins(right=room))
    lettering.heading(axes[0], title, "accuracy of answers drawn at temperature 1")
    charts.value_axis(axes[0], "fraction")
    charts.against_size(axes[0], frame, KEPT)
    nobody = [style.size_label(each.about["parameters"]) for each in found if not (each.p > HALF).any()]
    return Figure(
        name=f"kept-{slug(title)}",
        title=f"{title}: accuracy of the answers that the policy itself holds true",
        caption=f"Bars: {level * 100:g} % intervals by clusters."
        + (f" No answer has P(True) > ½ at {', '.join(nobody)}." if nobody else ""),
        figure=figure,
        data=frame,
    )


def _kept(said: Forecasts, level: float) -> list[dict[str, Any]]:
    rows = []
    for name, chosen in (("all", np.ones(said.p.size, bool)), ("kept", said.p > HALF)):
        if chosen.any():
            mean = statistics.mean_interval(said.c[chosen], said.clusters[chosen], level)
            ends = {"value": mean.value, "low": mean.low, "high": mean.high}
            rows.append({**said.about, "intervention": name, "label": "", **ends, "items": mean.n})
    return rows


def _grid(count: int, lines: int, columns: int) -> tuple[Canvas, list[Axes]]:
    """So many panels below a key of so many lines."""
    return style.grid(
        count,
        columns,
        height=1.5 if count == 1 else 1.25,
        margins=style.Margins(right=0.2, bottom=0.3),
        header=lettering.LINE * lines / style.POINTS,
    )
