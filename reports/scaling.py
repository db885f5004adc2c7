"""Score against model size: one figure a benchmark, one curve an intervention (Askell et al. 2021, figures 2, 6, 7)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import pandas as pd
from pydantic import BaseModel, Field

from cai_eval.contracts import Figure, Metric, PaperFigure, Results, Table
from cai_eval.pages import charts, lettering, scores, style, trends
from cai_eval.pages.text import slug

from . import published

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_CATEGORIES = 8  #: small multiples beyond that are too small to read


@dataclass(frozen=True)
class Panel:
    """One set of axes. frame: rows of `scores.scores`. overlay: the paper's curves. limits: of a shared y axis."""

    title: str
    quantity: str
    metric: Metric
    frame: pd.DataFrame
    overlay: Mapping[str, pd.DataFrame]
    limits: tuple[float, float] | None = None


class Scaling:
    """Scores with clustered intervals against non-embedding parameters."""

    name: ClassVar[str] = "scaling"
    title: ClassVar[str] = "Score against size"
    papers: ClassVar[tuple[PaperFigure, ...]] = (
        PaperFigure("askell-2021", "2L", "HHH accuracy against size", (("hhh", "none"), ("hhh", "hhh-prompt"))),
        PaperFigure("askell-2021", "6L", "HHH accuracy by category", (("hhh", "hhh-prompt"),)),
        PaperFigure("askell-2021", "6R", "TruthfulQA MC1 against size", (("truthfulqa", "none"),)),
        PaperFigure("askell-2021", "7L", "LAMBADA accuracy", (("lambada", "none"), ("lambada", "hhh-prompt"))),
    )

    class Config(BaseModel, frozen=True, extra="forbid"):
        """published: draw the paper's own curves in grey where it measured the same thing. level: of the intervals."""

        published: bool = True
        level: float = Field(default=0.95, gt=0, lt=1)

    def __init__(self, config: Config) -> None:
        self.config = config

    def draw(self, results: Results) -> Iterator[Figure | Table]:
        """Each benchmark by its primary metric; then by category and by its other metrics; then the tables."""
        drawn = {}
        for name, metrics in results.metrics.items():
            frames = {m.name: scores.scores(results, name, m, self.config.level) for m in metrics}
            if not frames[scores.primary(metrics).name].empty:
                drawn[name] = frames
        for name, frames in drawn.items():
            metric = scores.primary(results.metrics[name])
            panel = self._panel(results, name, metric, frames[metric.name], title=name)
            yield self._figure(results, f"scaling-{slug(name)}", f"{name}: {metric.label} against size", [panel])
        for name, frames in drawn.items():
            metric = scores.primary(results.metrics[name])
            categories = self._categories(results, name, metric, frames[metric.name])
            if 1 < len(categories) <= MOST_CATEGORIES:
                title = f"{name} by category: {metric.label} against size"
                yield self._figure(results, f"scaling-{slug(name)}-categories", title, categories)
            others = [
                self._panel(results, name, other, frames[other.name], title=name)
                for other in results.metrics[name]
                if other is not metric and not frames[other.name].empty
            ]
            if others:
                title = f"{name} by its other metrics, against size"
                yield self._figure(results, f"scaling-{slug(name)}-metrics", title, others)
        slopes = trends.trends(results, {n: scores.primary(results.metrics[n]) for n in drawn}, self.config.level)
        if not slopes.empty:
            yield _trends(results, slopes)
        for name, frames in drawn.items():
            yield _table(results, name, pd.concat(frames.values(), ignore_index=True))

    def _panel(self, results: Results, benchmark: str, metric: Metric, frame: pd.DataFrame, title: str) -> Panel:
        overlay = published.scores(benchmark, metric.name) if self._comparable(results) else {}
        return Panel(title, metric.label, metric, frame[frame["category"] == ""], overlay)

    def _categories(self, results: Results, benchmark: str, metric: Metric, frame: pd.DataFrame) -> list[Panel]:
        """A panel for each category, all with one y axis."""
        frame = frame[frame["category"] != ""]
        known = published.categories(benchmark, metric.name) if self._comparable(results) else {}
        panels = [
            Panel(str(name), f"{metric.label}, {rows['items'].max()} items", metric, rows, known.get(str(name), {}))
            for name, rows in frame.groupby("category", sort=False)
        ]
        return [replace(panel, limits=_limits(panels)) for panel in panels]

    def _comparable(self, results: Results) -> bool:
        """Whether the paper's curves belong here: a laboratory's items are not the paper's."""
        return self.config.published and not results.laboratory

    @style.house()
    def _figure(self, results: Results, name: str, title: str, panels: Sequence[Panel]) -> Figure:
        """One panel in a column, or several in two columns of a page."""
        frame = pd.concat([panel.frame for panel in panels], ignore_index=True)
        curves = charts.curve_labels(frame, results.interventions).values()
        margins = style.Margins(right=lettering.room_for([*curves, *(c for panel in panels for c in panel.overlay)]))
        alone = len(panels) == 1
        figure, axes = style.panels(
            style.COLUMN if alone else style.PAGE,
            math.ceil(len(panels) / 2),
            1 if alone else 2,
            height=1.6 if alone else 1.25,
            margins=margins,
        )
        for ax, panel in zip(axes, panels, strict=False):
            _draw(ax, results, panel)
        for ax in axes[len(panels) :]:
            ax.remove()
        return Figure(name, title, self._caption(panels, frame), figure, frame)

    def _caption(self, panels: Sequence[Panel], frame: pd.DataFrame) -> str:
        directions = {panel.metric.higher_is_better for panel in panels}
        better = {True: "Higher is better.", False: "Lower is better."}
        sentences = [
            better[directions.pop()] if len(directions) == 1 else "Higher is better, of perplexities lower.",
            f"Bars: {self.config.level * 100:g} % intervals by clusters ({int(frame['clusters'].max())} of them), a "
            "little apart where they would hide each other.",
        ]
        if frame["chance"].notna().any():
            sentences.append("Broken line: what guessing scores.")
        if frame["ideal"].notna().any():
            sentences.append("Dotted: what an ideal observer scores, who knows how the texts of this world were made.")
        if any(panel.overlay for panel in panels):
            sentences.append("Grey: Askell et al. 2021 (A21), read off their figure; other models, the same measure.")
        return " ".join([*sentences, scores.reach(frame)])


def _limits(panels: Sequence[Panel]) -> tuple[float, float]:
    """What holds every interval, chance level and published point."""
    columns = [panel.frame[end] for panel in panels for end in ("low", "high", "chance")]
    ends = pd.concat([*columns, *(rows["value"] for panel in panels for rows in panel.overlay.values())])
    room = 0.05 * (ends.max() - ends.min() or 1.0)
    return float(ends.min() - room), float(ends.max() + room)


def _draw(ax: Axes, results: Results, panel: Panel) -> None:
    chance = panel.frame["chance"].mean()
    lettering.heading(ax, panel.title, panel.quantity)
    charts.value_axis(ax, panel.metric.unit, log=panel.metric.transform == "exp")
    charts.against_size(
        ax,
        panel.frame,
        results.interventions,
        published=panel.overlay,
        level=(float(chance), "chance") if chance == chance else None,
        limits=panel.limits,
    )


def _table(results: Results, benchmark: str, frame: pd.DataFrame) -> Table:
    names = {metric.name: metric.label for metric in results.metrics[benchmark]}
    table = pd.DataFrame(
        {
            "metric": frame["metric"].map(names),
            "category": frame["category"].replace("", "all"),
            "model": frame["rung"],
            "M parameters": frame["parameters"] / 1e6,
            "intervention": frame["intervention"].map(results.interventions),
            "score": frame["value"],
            "low": frame["low"],
            "high": frame["high"],
            "chance": frame["chance"],
            "items": frame["items"],
            "clusters": frame["clusters"],
            "errors": frame["errors"],
            "prefix": frame["label"],
        }
    )
    return Table(
        name=f"scores-{slug(benchmark)}",
        title=f"{benchmark}: all scores",
        caption="Mean over items with its interval by clusters: fractions, or the metric's own unit.",
        frame=table,
        formats={**dict.fromkeys(("score", "low", "high", "chance"), "{:#.3g}"), "M parameters": "{:,.4g}"},
    )


def _trends(results: Results, frame: pd.DataFrame) -> Table:
    table = pd.DataFrame(
        {
            "benchmark": frame["benchmark"],
            "intervention": frame["intervention"].map(results.interventions),
            "score, change": frame["score"],
            "low": frame["score_low"],
            "high": frame["score_high"],
            "tax, change": frame["tax"],
            "tax low": frame["tax_low"],
            "tax high": frame["tax_high"],
            "sizes": frame["sizes"],
            "items": frame["items"],
        }
    )
    return Table(
        name="trends",
        title="Change with size",
        caption="Least-squares slope a tenfold of parameters, item by item, with its interval by clusters: fractions, "
        "or the metric's own unit (nats for perplexity). A positive tax slope: larger models lose more. Of these "
        "models; others of the same sizes could give another slope.",
        frame=table,
        formats=dict.fromkeys(("score, change", "low", "high", "tax, change", "tax low", "tax high"), "{:+.3f}"),
    )
