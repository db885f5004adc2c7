"""Reliability diagrams, ECE against size, and what P(True) tells (Kadavath et al. 2022, figures 1 and 4).

Drawn for every benchmark whose records hold a `confidence` (lettered answers) or a `p_true` (verdicts on one's own).
Where a benchmark has a few categories, each is measured apart: a laboratory's fair facts and its myths have other
ideals.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd
from pydantic import BaseModel, Field

from cai_eval import statistics
from cai_eval.contracts import Figure, PaperFigure, Results, Table
from cai_eval.pages import charts, lettering, scores, style
from cai_eval.pages.text import slug
from cai_eval.statistics import calibration as measures

from .forecasts import P_TRUE, Forecasts, forecast_by, forecasts, measured

if TYPE_CHECKING:
    from matplotlib.axes import Axes

KEPT = {"all": "all answers", "kept": "P(True) > ½"}
HALF = 0.5  #: P(True) above which an answer is kept
COLUMNS = 3
QUARTERS = (0.0, 0.25, 0.5, 0.75, 1.0)


def _first(benchmark: str, name: str, results: Results) -> Figure:
    """The first figure of this family that one benchmark alone gives: of its first category."""
    alone = replace(results, metrics={benchmark: results.metrics[benchmark]})
    drawn = Calibration(Calibration.Config()).draw(alone)
    return next(part for part in drawn if isinstance(part, Figure) and part.name.startswith(f"{name}-"))


class Calibration:
    """See the module."""

    name: ClassVar[str] = "calibration"
    title: ClassVar[str] = "Calibration"
    papers: ClassVar[tuple[PaperFigure, ...]] = tuple(
        PaperFigure("kadavath-2022", figure, title, ((benchmark, "none"),), partial(_first, benchmark, name))
        for figure, title, benchmark, name in (
            ("1L", "P(True) of right and wrong answers", "p-true", "verdicts"),
            ("1R", "Accuracy of answers judged true", "p-true", "kept"),
            ("4L", "Calibration chart of lettered answers", "lettered", "reliability"),
            ("4R", "ECE against size", "lettered", "ece"),
        )
    )

    class Config(BaseModel, frozen=True, extra="forbid"):
        """level: of the intervals. resamples: of each interval and each null. bins: of equal count."""

        level: float = Field(default=0.95, gt=0, lt=1)
        resamples: int = Field(default=500, ge=100)
        bins: int = Field(default=measures.BINS, ge=2)

    def __init__(self, config: Config) -> None:
        self.config = config

    def draw(self, results: Results) -> Iterator[Figure | Table]:
        """For each benchmark and category: diagrams by size, ECE against size, P(True); then one table of it all."""
        config, rows = self.config, list[dict[str, Any]]()
        for benchmark, metrics in results.metrics.items():
            said = forecast_by(metrics)
            if not said:
                continue
            for category, found in forecasts(results, benchmark).items():
                title = f"{benchmark}, {category}" if category else benchmark
                new = [measured(each, config.level, config.resamples, config.bins) for each in found]
                yield self._diagrams(results, title, found)
                yield self._errors(results, title, pd.DataFrame(new))
                if said == P_TRUE:
                    plain = [each for each in found if each.about["intervention"] == scores.base_intervention(results)]
                    yield from (self._histograms(title, plain), self._kept(title, plain)) if plain else ()
                rows += [{"benchmark": benchmark, "category": category or "all", **row} for row in new]
        if rows:
            yield _table(results, pd.DataFrame(rows), config.level)

    @style.house()
    def _diagrams(self, results: Results, title: str, found: Sequence[Forecasts]) -> Figure:
        """A panel for each size: how often options of a probability are right, with the diagonal."""
        looks = style.series(list(results.interventions))
        drawn = [name for name in results.interventions if any(each.about["intervention"] == name for each in found)]
        known = any(each.planted.size for each in found)
        entries = [(results.interventions[name], looks[name].colour) for name in drawn]
        lines = lettering.key_lines(style.PAGE, [*entries, *([("ideal observer", style.colour("quiet"))] * known)])
        sizes = sorted({each.about["parameters"] for each in found})
        figure, axes = _grid(len(sizes), len(lines))
        frames = []
        for ax, size in zip(axes, sizes, strict=False):
            lettering.heading(ax, style.size_label(size), "share that is right, by probability")
            charts.value_axis(ax, "fraction")
            ax.plot([0, 1], [0, 1], color=style.colour("quiet"), linewidth=0.7, dashes=(3, 2), zorder=1)
            for each in (each for each in found if each.about["parameters"] == size):
                frames.append(self._bins(each))
                bins = frames[-1]
                x, y, low, high = (bins[name].to_numpy(float) for name in ("forecast", "outcome", "low", "high"))
                style.curve(ax, x, y, low, high, looks[each.about["intervention"]], bins["cell"].tolist())
            if known:
                every = next(each for each in found if each.about["parameters"] == size)
                ideal = measures.bins(every.planted, every.every_c, self.config.bins)
                ax.plot(ideal.forecast, ideal.outcome, color=style.colour("quiet"), linewidth=0.9, linestyle=":")
            ax.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xticks=QUARTERS, xticklabels=[f"{x:.0%}" for x in QUARTERS])
        lettering.key(figure, lines)
        return Figure(
            name=f"reliability-{slug(title)}",
            title=f"{title}: reliability diagrams",
            caption=f"All options in {self.config.bins} bins of equal count by their probability: mean probability "
            f"across, share that is right upwards, with {self.config.level * 100:g} % intervals by clusters. On the "
            "broken line, what is said comes true."
            + (" Dotted: somebody who says the planted probabilities." if known else ""),
            figure=figure,
            data=pd.concat(frames, ignore_index=True),
        )

    def _bins(self, said: Forecasts) -> pd.DataFrame:
        """The bins of all options, with intervals of their outcomes."""
        binned = measures.bins(said.every_p, said.every_c, self.config.bins)
        order = np.argsort(said.every_p, kind="stable")
        ends = [
            statistics.mean_interval(said.every_c[part], said.every_clusters[part], self.config.level)
            for part in np.array_split(order, binned.items.size)
        ]
        return pd.DataFrame(
            {
                **{name: said.about[name] for name in ("rung", "parameters", "intervention", "cell")},
                "forecast": binned.forecast,
                "outcome": binned.outcome,
                "low": [end.low for end in ends],
                "high": [end.high for end in ends],
                "options": binned.items,
            }
        )

    @style.house()
    def _errors(self, results: Results, title: str, frame: pd.DataFrame) -> Figure:
        """ECE against size, and where something was planted, how it comes back."""
        recovered = "slope" in frame
        named = [*charts.curve_labels(frame, results.interventions).values(), "perfect"]
        margins = style.Margins(right=lettering.room_for(named))
        width = style.PAGE if recovered else style.COLUMN
        figure, axes = style.panels(width, 1, 1 + recovered, margins=margins)
        lettering.heading(axes[0], title, "expected calibration error of the top prediction")
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
            caption=f"Bars: {self.config.level * 100:g} % basic bootstrap intervals by clusters. ECE has an upward "
            "bias, which the table takes off. Read trends on the Brier and log scores."
            + (" Dotted: the ECE of somebody who says the planted probabilities." if recovered else ""),
            figure=figure,
            data=frame,
        )

    @style.house()
    def _histograms(self, title: str, found: Sequence[Forecasts]) -> Figure:
        """A panel for each size: how often P(True) has which value, for right and for wrong answers."""
        kinds = (("right answers", 1.0, style.colour("gain")), ("wrong answers", 0.0, style.colour("loss")))
        lines = lettering.key_lines(style.PAGE, [(name, shade) for name, _, shade in kinds])
        figure, axes = _grid(len(found), len(lines))
        edges = np.linspace(0, 1, 21)
        rows = []
        for ax, each in zip(axes, found, strict=False):
            lettering.heading(ax, style.size_label(each.about["parameters"]), "answers, by P(True)")
            for name, outcome, shade in kinds:
                counts, _ = np.histogram(each.p[each.c == outcome], edges)
                ax.stairs(counts, edges, color=shade, fill=True, alpha=0.35, linewidth=0)
                ax.stairs(counts, edges, color=shade, linewidth=0.9)
                rows += [
                    {"rung": each.about["rung"], "answers": name, "from": low, "to": high, "count": count}
                    for low, high, count in zip(edges, edges[1:], counts.tolist(), strict=False)
                ]
            ax.set_xlim(0, 1)
        lettering.key(figure, lines)
        return Figure(
            name=f"verdicts-{slug(title)}",
            title=f"{title}: P(True) of right and wrong answers",
            caption="Answers drawn at temperature 1, by the probability that the same policy gives to their truth.",
            figure=figure,
            data=pd.DataFrame(rows),
        )

    @style.house()
    def _kept(self, title: str, found: Sequence[Forecasts]) -> Figure:
        """Accuracy of all answers, and of those with P(True) above one half, against size."""
        rows = []
        for each in found:
            for name, kept in (("all", np.ones(each.p.size, bool)), ("kept", each.p > HALF)):
                if kept.any():
                    mean = statistics.mean_interval(each.c[kept], each.clusters[kept], self.config.level)
                    ends = {"value": mean.value, "low": mean.low, "high": mean.high}
                    rows.append({**each.about, "intervention": name, "label": "", **ends, "items": mean.n})
        frame = pd.DataFrame(rows)
        figure, axes = style.panels(
            style.COLUMN, 1, 1, margins=style.Margins(right=lettering.room_for(list(KEPT.values())))
        )
        lettering.heading(axes[0], title, "accuracy of answers drawn at temperature 1")
        charts.value_axis(axes[0], "fraction")
        charts.against_size(axes[0], frame, KEPT)
        return Figure(
            name=f"kept-{slug(title)}",
            title=f"{title}: accuracy of the answers that the policy itself holds true",
            caption=f"Bars: {self.config.level * 100:g} % intervals by clusters.",
            figure=figure,
            data=frame,
        )


def _grid(count: int, lines: int) -> tuple[Any, list[Axes]]:
    """Panels for `count` sizes below a key of so many lines; what is left over is taken away."""
    columns = min(COLUMNS, count)
    figure, axes = style.panels(
        style.PAGE,
        -(-count // columns),
        columns,
        height=1.5,
        margins=style.Margins(right=0.2, bottom=0.3),
        header=lettering.LINE * lines / style.POINTS,
    )
    for ax in axes[count:]:
        ax.remove()
    return figure, axes[:count]


def _table(results: Results, frame: pd.DataFrame, level: float) -> Table:
    about = {
        "benchmark": frame["benchmark"],
        "category": frame["category"],
        "model": frame["rung"],
        "M parameters": frame["parameters"] / 1e6,
        "intervention": frame["intervention"].map(results.interventions),
    }
    wanted = (
        *(
            "accuracy",
            "ece",
            "ece low",
            "ece high",
            "ideal ece",
            "excess",
            "p",
            "rms",
            "ece of all options",
            "temperature",
        ),
        "ece tempered",
        *("brier", "brier low", "brier high", "reliability", "resolution", "uncertainty", "log score"),
        *("auroc", "auroc low", "auroc high", "slope", "slope low", "slope high", "intercept", "share error"),
    )
    numbers = [name for name in wanted if name in frame]
    return Table(
        name="calibration",
        title="Calibration in numbers",
        caption="Of the top prediction, or of P(True), unless it says otherwise. ece: mean gap over bins of equal "
        "count; ideal: that of somebody who says the planted probabilities; excess: less what perfect forecasts of "
        "these values would score; p: how often they would score as much; tempered: with the log-probabilities divided "
        "by one temperature, fitted on the other half of the clusters. brier = reliability − resolution + "
        "uncertainty, and what forecasts within a bin tell apart. log score: nats. slope and intercept: of stated on "
        f"planted probabilities; share error: their mean distance. Intervals: {level * 100:g} %, by clusters.",
        frame=pd.DataFrame({**about, **{name: frame[name] for name in numbers}, "items": frame["items"]}),
        formats={**dict.fromkeys(numbers, "{:#.3g}"), "M parameters": "{:,.4g}"},
    )
