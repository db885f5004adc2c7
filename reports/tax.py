"""The alignment tax against model size, absolute and relative, and its parts (Askell et al. 2021, figure 7)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import ClassVar

import pandas as pd
from pydantic import BaseModel, Field

from cai_eval.contracts import Figure, Metric, PaperFigure, Results, Table
from cai_eval.pages import charts, lettering, scores, style, taxes

from . import askell_2021, published

RELATIVE = ("relative", "relative_low", "relative_high")
MILLIONS = "M parameters"
CUT = 1.0  #: just above the floor intervals of a share are wide; those that pass ±100 % may be cut at the panel's edge


class Tax:
    """Base plain minus changed policy in its own format, on the same items; positive is a loss."""

    name: ClassVar[str] = "tax"
    title: ClassVar[str] = "Alignment tax"
    papers: ClassVar[tuple[PaperFigure, ...]] = askell_2021.TAXES

    class Config(BaseModel, frozen=True, extra="forbid"):
        """published: draw the paper's own curves where it measured the same thing. level: of the intervals.

        stages: the way from the base to the changed policy along which its tax is taken apart.
        """

        published: bool = True
        level: float = Field(default=0.95, gt=0, lt=1)
        stages: tuple[str, ...] = Field(("none", "neutral-prefix", "dialogue-only", "hhh-prompt"), min_length=2)

    def __init__(self, config: Config) -> None:
        self.config = config

    def draw(self, results: Results) -> Iterator[Figure | Table]:
        """Taxes of every benchmark's primary metric, their decomposition, and the table of both."""
        measures = {name: scores.primary(metrics) for name, metrics in results.metrics.items()}
        frame = taxes.taxes(results, measures, level=self.config.level)
        if frame.empty:
            return
        measures = {name: metric for name, metric in measures.items() if (frame["benchmark"] == name).any()}
        yield self._taxes(results, measures, frame)
        parts = {
            name: taxes.decomposition(results, name, metric, self.config.stages, self.config.level)
            for name, metric in measures.items()
        }
        parts = {name: part for name, part in parts.items() if not part.empty}
        if parts and len(self.config.stages) > 2:
            yield self._decomposition(results, measures, parts)
        yield _table(results, frame)

    @style.house()
    def _taxes(self, results: Results, measures: Mapping[str, Metric], frame: pd.DataFrame) -> Figure:
        titles = results.interventions
        comparable = self.config.published and not results.laboratory  # a laboratory's items are not the paper's
        overlays = {name: published.taxes(name, metric.name) if comparable else {} for name, metric in measures.items()}
        named = charts.curve_labels(frame, titles).values()
        labels = [*named, *(label for curves in overlays.values() for label in curves), "no tax"]
        margins = style.Margins(right=lettering.room_for(labels))
        figure, axes = style.panels(style.PAGE, len(measures), 2, height=1.3, margins=margins)
        for (name, metric), absolute, relative in zip(measures.items(), axes[::2], axes[1::2], strict=True):
            rows = frame[frame["benchmark"] == name]
            lettering.heading(absolute, name, f"{quantity(metric)} lost ({metric.label})")
            charts.difference_axis(absolute, metric.unit)
            charts.against_size(
                absolute, rows, titles, ("tax", "low", "high"), published=overlays[name], level=(0, "no tax")
            )
            if rows["relative"].notna().any():
                lettering.heading(relative, "", "share lost of what there was above chance")
                charts.value_axis(relative, "fraction")
                charts.against_size(relative, rows, titles, RELATIVE, level=(0, "no tax"), limits=_limits(rows))
            else:
                style.nothing(relative, "at floor at every size: no share to draw" if metric.chance is not None else "")
        return Figure(
            name="tax",
            title="Tax against size, absolute and relative",
            caption=self._caption(results, frame, any(overlays.values())),
            figure=figure,
            data=frame,
        )

    def _caption(self, results: Results, frame: pd.DataFrame, overlaid: bool) -> str:
        base = results.interventions[scores.base_intervention(results)]
        sentences = [
            f"Score with {base} minus score with each intervention, item by item on the same weights: above the line "
            f"is a loss, below it a gain. Bars: {self.config.level * 100:g} % intervals by clusters of items; in the "
            "right panels those that pass ±100 % may be cut."
        ]
        if frame["floor"].any():
            sentences.append("Hollow: at floor, where the base is not above chance and nothing can be lost.")
        if overlaid:
            sentences.append("Grey: Askell et al. 2021 (A21), with the sign turned, for they plot aligned minus base.")
        return " ".join([*sentences, scores.reach(frame)])

    @style.house()
    def _decomposition(
        self, results: Results, measures: Mapping[str, Metric], parts: Mapping[str, pd.DataFrame]
    ) -> Figure:
        titles = results.interventions
        looks = style.series(list(titles))
        stages = self.config.stages
        width = style.PAGE if len(parts) > 1 else style.COLUMN
        steps = [(f"{titles[a]} → {titles[b]}", looks[b].colour) for a, b in pairwise(stages)]
        whole = (f"{titles[stages[0]]} → {titles[stages[-1]]}", style.colour("ink"))
        lines = lettering.key_lines(width, [*steps, whole])
        header = lettering.LINE * len(lines) / style.POINTS
        figure, axes = style.grid(len(parts), height=1.3, margins=style.Margins(right=0.15), header=header)
        for ax, (name, part) in zip(axes, parts.items(), strict=True):
            lettering.heading(ax, name, f"{quantity(measures[name])} lost ({measures[name].label})")
            charts.difference_axis(ax, measures[name].unit)
            charts.waterfall(ax, part, [looks[stage].colour for stage in stages[1:]])
        lettering.key(figure, lines)
        return Figure(
            name="tax-decomposition",
            title="What the tax is made of",
            caption="For each size, from left to right: what each step adds to the loss, beginning where the step "
            f"before ended; the dot is the whole. Bars: {self.config.level * 100:g} % intervals of each step, by "
            "clusters of the items that all stages share. A prompt puts text of some length before the question, turns "
            "it into a dialogue, and gives an example to follow: the controls tell these apart.",
            figure=figure,
            data=pd.concat(parts.values(), ignore_index=True),
        )


def quantity(metric: Metric) -> str:
    """What a difference of this metric is counted in."""
    return "percentage points" if metric.unit == "fraction" else metric.unit


def _limits(rows: pd.DataFrame) -> tuple[float, float]:
    """All points, and their intervals as far as a share of almost nothing does not dwarf the others."""
    points, ends = rows["relative"], rows[list(RELATIVE)]
    low = min(0.0, points.min(), max(ends.min(axis=None), -CUT))
    high = max(0.0, points.max(), min(ends.max(axis=None), CUT))
    room = 0.06 * (high - low or 1.0)
    return low - room, high + room


def _table(results: Results, frame: pd.DataFrame) -> Table:
    verdicts = [taxes.verdict(row) for row in frame.itertuples()]
    table = pd.DataFrame(
        {
            "benchmark": frame["benchmark"],
            "model": frame["rung"],
            MILLIONS: frame["parameters"] / 1e6,
            "intervention": frame["intervention"].map(results.interventions),
            "base": frame["base"],
            "changed": frame["changed"],
            "tax": frame["tax"],
            "low": frame["low"],
            "high": frame["high"],
            "found": verdicts,
            "detectable": frame["detectable"],
            "adjusted p": frame["p_adjusted"],
            "p": frame["p"],
            "relative": frame["relative"],
            "relative low": frame["relative_low"],
            "relative high": frame["relative_high"],
            "items": frame["items"],
            "clusters": frame["clusters"],
        }
    )
    signed = dict.fromkeys(("tax", "low", "high"), "{:+.3f}")
    shares = dict.fromkeys(("relative", "relative low", "relative high"), "{:+.1%}")
    plain = dict.fromkeys(("base", "changed", "detectable"), "{:.3f}")
    return Table(
        name="taxes",
        title="Every tax",
        caption="tax: base minus changed on the same items, positive is a loss. p: one-sided, of a loss, by sign flips "
        f"of whole clusters; adjusted p: Benjamini–Hochberg over the {len(frame)} rows of this table. found: a loss "
        "(or a gain, tested likewise) at the 5 % level after the correction. None found is not the same as none: "
        "detectable is the smallest loss that would have been found with 80 % power at the level shared among the "
        "rows. At floor the base is not above chance, and nothing can be lost. Every row is about these weights.",
        frame=table,
        formats={MILLIONS: "{:,.4g}", "p": "{:.2g}", "adjusted p": "{:.2g}", **signed, **shares, **plain},
    )
