"""Reliability diagrams, ECE against size, and what P(True) tells (Kadavath et al. 2022, figures 1 and 4).

Drawn for every benchmark whose records hold a `confidence` (lettered answers) or a `p_true` (verdicts on one's own).
Where a benchmark has a few categories, each is measured apart: a laboratory's fair facts and its myths have other
ideals.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import pandas as pd
from pydantic import BaseModel, Field

from cai_eval.contracts import Figure, PaperFigure, Results, Table
from cai_eval.pages.scores import base_intervention
from cai_eval.statistics import calibration as measures

from . import diagrams, kadavath_2022
from .forecasts import P_TRUE, forecast_by, forecasts, measured


class Calibration:
    """See the module."""

    name: ClassVar[str] = "calibration"
    title: ClassVar[str] = "Calibration"
    papers: ClassVar[tuple[PaperFigure, ...]] = kadavath_2022.FIGURES

    class Config(BaseModel, frozen=True, extra="forbid"):
        """level: of the intervals. resamples: of each interval and each null. bins: of equal count."""

        level: float = Field(default=0.95, gt=0, lt=1)
        resamples: int = Field(default=500, ge=100)
        bins: int = Field(default=measures.BINS, ge=2)

    def __init__(self, config: Config) -> None:
        self.config = config

    def draw(self, results: Results) -> Iterator[Figure | Table]:
        """For each benchmark and category: diagrams, ECE against size, P(True); then one table of it all."""
        config, rows = self.config, list[dict[str, Any]]()
        for benchmark, metrics in results.metrics.items():
            said = forecast_by(metrics)
            if not said:
                continue
            for category, found in forecasts(results, benchmark).items():
                title = f"{benchmark}, {category}" if category else benchmark
                new = [measured(each, config.level, config.resamples, config.bins) for each in found]
                yield diagrams.by_point(results, title, found, config.level, config.bins)
                yield diagrams.errors(results, title, pd.DataFrame(new), config.level)
                if said == P_TRUE:
                    plain = [each for each in found if each.about["intervention"] == base_intervention(results)]
                    if plain:
                        yield diagrams.histograms(title, plain)
                        yield diagrams.kept(title, plain, config.level)
                rows += [{"benchmark": benchmark, "category": category or "all", **row} for row in new]
        if rows:
            yield _table(results, pd.DataFrame(rows), config.level)


def _table(results: Results, frame: pd.DataFrame, level: float) -> Table:
    about = {
        "benchmark": frame["benchmark"],
        "category": frame["category"],
        "model": frame["rung"],
        "M parameters": frame["parameters"] / 1e6,
        "intervention": frame["intervention"].map(results.interventions),
    }
    wanted = (
        *("accuracy", *_with_ends("ece"), "ideal ece", "excess", "p", "square gap", *_with_ends("rms")),
        *("ece of all options", "temperature", "ece tempered"),
        *(*_with_ends("brier"), "reliability", "resolution", "uncertainty", *_with_ends("log score")),
        *(*_with_ends("auroc"), *_with_ends("selective accuracy")),
        *(*_with_ends("slope"), *_with_ends("intercept"), *_with_ends("share error")),
    )
    numbers = [name for name in wanted if name in frame]
    return Table(
        name="calibration",
        title="Calibration in numbers",
        caption="Of the top prediction, or of P(True), unless it says otherwise. ece: mean gap over bins of equal "
        "count; ideal: that of somebody who says the planted probabilities; excess: less what perfect forecasts of "
        "these values would score; p: how often they would score as much; square gap: the square of rms, without its "
        "upward bias; tempered: with the log-probabilities divided by one temperature, fitted on the other half of the "
        "clusters. brier = reliability − resolution + uncertainty, and what forecasts within a bin tell apart. log "
        "score: nats. selective accuracy: where the forecast is above one half. slope and intercept: of stated on "
        f"planted probabilities; share error: their mean distance. Intervals: {level * 100:g} %, by clusters.",
        frame=pd.DataFrame({**about, **{name: frame[name] for name in numbers}, "items": frame["items"]}),
        formats={**dict.fromkeys(numbers, "{:#.3g}"), "M parameters": "{:,.4g}"},
    )


def _with_ends(name: str) -> tuple[str, str, str]:
    """A measure and its interval."""
    return name, f"{name} low", f"{name} high"
