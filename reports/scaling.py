"""Score against model size: one figure a benchmark, one curve an intervention (Askell et al. 2021, figures 2, 6, 7)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

import pandas as pd
from pydantic import BaseModel, Field

from cai_eval.contracts import Figure, Metric, PaperFigure, Results, Table
from cai_eval.pages import charts, lettering, scores, style
from cai_eval.pages.text import slug

from . import published

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_CATEGORIES = 8  #: small multiples beyond that are too small to read


class Scaling:
    """Scores with clustered intervals against non-embedding parameters."""

    name: ClassVar[str] = "scaling"
    title: ClassVar[str] = "Score against size"
    papers: ClassVar[tuple[PaperFigure, ...]] = (
        PaperFigure("askell-2021", "2L", "HHH accuracy against size", (("hhh", "none"), ("hhh", "hhh-prompt"))),
        PaperFigure("askell-2021", "6L", "HHH accuracy by category", (("hhh", "hhh-prompt"),)),
        PaperFigure("askell-2021", "6R", "TruthfulQA MC1 against size", (("truthfulqa", "none"),)),
        PaperFigure(
            "askell-2021", "7L", "LAMBADA accuracy against size", (("lambada", "none"), ("lambada", "hhh-prompt"))
        ),
    )

    class Config(BaseModel, frozen=True, extra="forbid"):
        """published: draw the paper's own curves in grey where it measured the same thing. level: of the intervals."""

        published: bool = True
        level: float = Field(default=0.95, gt=0, lt=1)

    def __init__(self, config: Config) -> None:
        self.config = config

    def draw(self, results: Results) -> Iterator[Figure | Table]:
        """For each benchmark its curves, its curves by category, and the table of all its metrics."""
        frames = {
            name: {m.name: scores.scores(results, name, m, self.config.level) for m in metrics}
            for name, metrics in results.metrics.items()
        }
        drawn = {}
        for name, metrics in results.metrics.items():
            metric = scores.primary(metrics)
            if not frames[name][metric.name].empty:
                drawn[name] = metric, frames[name][metric.name]
        for name, (metric, frame) in drawn.items():
            yield self._whole(results, name, metric, frame[frame["category"] == ""])
        for name, (metric, frame) in drawn.items():
            if 1 < frame["category"].nunique() - 1 <= MOST_CATEGORIES:
                yield self._by_category(results, name, metric, frame[frame["category"] != ""])
        for name in drawn:
            yield _table(results, name, results.metrics[name], pd.concat(frames[name].values(), ignore_index=True))

    @style.house()
    def _whole(self, results: Results, benchmark: str, metric: Metric, frame: pd.DataFrame) -> Figure:
        overlay = published.scores(benchmark, metric.name) if self.config.published else {}
        labels = [*charts.curve_labels(frame, results.interventions).values(), *overlay]
        margins = style.Margins(right=lettering.room_for(labels))
        figure, (ax,) = style.panels(style.COLUMN, 1, 1, margins=margins)
        _panel(ax, results, metric, frame, overlay)
        lettering.heading(ax, benchmark, metric.label)
        return Figure(
            name=f"scaling-{slug(benchmark)}",
            title=f"{benchmark}: {metric.label} against size",
            caption=self._caption(results, frame, metric, bool(overlay)),
            figure=figure,
            data=frame,
        )

    @style.house()
    def _by_category(self, results: Results, benchmark: str, metric: Metric, frame: pd.DataFrame) -> Figure:
        categories = list(frame["category"].unique())
        overlay = published.categories(benchmark, metric.name) if self.config.published else {}
        overlay = {category: overlay[category] for category in categories if category in overlay}
        named = charts.curve_labels(frame, results.interventions).values()
        labels = [*named, *(name for curves in overlay.values() for name in curves)]
        margins = style.Margins(right=lettering.room_for(labels))
        figure, axes = style.panels(style.PAGE, math.ceil(len(categories) / 2), 2, height=1.25, margins=margins)
        limits = _limits(frame, [rows for curves in overlay.values() for rows in curves.values()])
        for ax, category in zip(axes, categories, strict=False):
            rows = frame[frame["category"] == category]
            _panel(ax, results, metric, rows, overlay.get(category, {}), limits)
            lettering.heading(ax, category, f"{metric.label}, {rows['items'].max()} items")
        for ax in axes[len(categories) :]:
            ax.remove()
        return Figure(
            name=f"scaling-{slug(benchmark)}-categories",
            title=f"{benchmark} by category: {metric.label} against size",
            caption=self._caption(results, frame, metric, bool(overlay)),
            figure=figure,
            data=frame,
        )

    def _caption(self, results: Results, frame: pd.DataFrame, metric: Metric, overlaid: bool) -> str:
        better = "Higher" if metric.higher_is_better else "Lower"
        sentences = [
            f"{better} is better. Bars: {self.config.level * 100:g} % intervals by clusters "
            f"({int(frame['clusters'].max())} of them), a little apart where they would hide each other."
        ]
        if frame["chance"].notna().any():
            sentences.append("Broken line: what guessing scores.")
        if overlaid:
            sentences.append("Grey: Askell et al. 2021 (A21), read off their figure; other models, the same measure.")
        return " ".join([*sentences, scores.reach(frame)])


def _panel(
    ax: Axes,
    results: Results,
    metric: Metric,
    frame: pd.DataFrame,
    overlay: Mapping[str, pd.DataFrame],
    limits: tuple[float, float] | None = None,
) -> None:
    chance = frame["chance"].mean()
    charts.value_axis(ax, metric.unit, log=metric.transform == "exp")
    charts.against_size(
        ax,
        frame,
        results.interventions,
        published=overlay,
        level=(float(chance), "chance") if chance == chance else None,
        limits=limits,
    )


def _limits(frame: pd.DataFrame, overlay: Sequence[pd.DataFrame]) -> tuple[float, float]:
    values = pd.concat([frame["low"], frame["high"], frame["chance"], *(rows["value"] for rows in overlay)]).dropna()
    room = 0.05 * (values.max() - values.min() or 1.0)
    return float(values.min() - room), float(values.max() + room)


def _table(results: Results, benchmark: str, metrics: Sequence[Metric], frame: pd.DataFrame) -> Table:
    labels = {metric.name: metric.label for metric in metrics}
    table = pd.DataFrame(
        {
            "metric": frame["metric"].map(labels),
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
