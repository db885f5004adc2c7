"""Score against model size: one figure a benchmark, one curve an intervention (Askell et al. 2021, figures 2, 6, 7)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

import pandas as pd
from pydantic import BaseModel, Field

from cai_eval.contracts import Figure, Metric, PaperFigure, Results, Table
from cai_eval.pages import scores, trends
from cai_eval.pages.text import slug

from . import askell_2021, panels, published

MOST_CATEGORIES = 8  #: small multiples beyond that are too small to read


class Scaling:
    """Scores with clustered intervals against non-embedding parameters."""

    name: ClassVar[str] = "scaling"
    title: ClassVar[str] = "Score against size"
    papers: ClassVar[tuple[PaperFigure, ...]] = askell_2021.SCORES

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
            known = published.categories(name, metric.name) if self._comparable(results) else {}
            categories = panels.categories(metric, frames[metric.name], known)
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

    def _panel(self, results: Results, benchmark: str, metric: Metric, frame: pd.DataFrame, title: str) -> panels.Panel:
        overlay = published.scores(benchmark, metric.name) if self._comparable(results) else {}
        return panels.Panel(title, metric.label, metric, frame[frame["category"] == ""], overlay)

    def _comparable(self, results: Results) -> bool:
        """Whether the paper's curves belong here: a laboratory's items are not the paper's."""
        return self.config.published and not results.laboratory

    def _figure(self, results: Results, name: str, title: str, drawn: Sequence[panels.Panel]) -> Figure:
        caption = panels.caption(drawn, self.config.level)
        if any(panel.overlay for panel in drawn):
            caption.append("Grey: Askell et al. 2021 (A21), read off their figure; other models, the same measure.")
        canvas = panels.against_size(drawn, results.interventions)
        return Figure(name, title, " ".join(caption), canvas, panels.together(drawn))


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
