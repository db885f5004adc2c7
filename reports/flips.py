"""The items behind a difference: those that an intervention turned from right to wrong, or from wrong to right."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from cai_eval.contracts import Metric, PaperFigure, Record, Results, Table
from cai_eval.pages import scores
from cai_eval.pages.text import slug, visible

LOST, WON = "lost", "won"


class Config(BaseModel):
    """examples: shown at most, of each comparison in each direction; counts are of all. With seeds: the first."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    examples: int = Field(default=8, ge=1)


class Flips:
    """One table a benchmark; points of the figures lead to its parts."""

    name: ClassVar[str] = "flips"
    title: ClassVar[str] = "Items that flipped"
    Config: ClassVar[type[BaseModel]] = Config
    papers: ClassVar[tuple[PaperFigure, ...]] = ()

    def __init__(self, config: Config) -> None:
        self.config = config

    def draw(self, results: Results) -> Iterator[Table]:
        """Flips by each benchmark's primary metric, where that is a share of right answers."""
        base = scores.base_intervention(results)
        for benchmark, metrics in results.metrics.items():
            metric = scores.primary(metrics)
            if metric.unit != "fraction":
                continue
            frames = list(self._comparisons(results, benchmark, metric, base))
            frame = pd.concat([f for f in frames if not f.empty]) if any(not f.empty for f in frames) else None
            if frame is not None:
                yield Table(
                    name=f"flips-{slug(benchmark)}",
                    title=f"{benchmark}: won and lost against {results.interventions[base]}",
                    caption=f"At most {self.config.examples} items of each comparison in each direction, those first "
                    "whose log-probabilities moved most. Log-probabilities are in nats and stand before each option; "
                    "the chosen answer is repeated above them.",
                    frame=frame,
                )

    def _comparisons(self, results: Results, benchmark: str, metric: Metric, base: str) -> Iterator[pd.DataFrame]:
        data = scores.item_scores(results, benchmark, metric.name)
        for (model, intervention), cells in data.cells.items():
            if intervention == base or (model, base) not in data.cells:
                continue
            reference = data.cells[model, base][0]
            change = data.columns[cells[0]] - data.columns[reference]
            flipped = np.flatnonzero(np.abs(change) >= 0.5)
            if len(flipped):
                before, after = _by_item(results.details(reference)), _by_item(results.details(cells[0]))
                rows = [_row(before[data.items[i]], after[data.items[i]], metric) for i in flipped]
                frame = pd.DataFrame(rows).sort_values("moved", ascending=False, kind="stable")
                shown = frame.groupby("change", sort=True).head(self.config.examples)
                counts = frame["change"].value_counts()
                shown = shown.sort_values("change", kind="stable").drop(columns="moved")
                shown["change"] = [f"{c} (of {counts[c]})" for c in shown["change"]]
                yield shown.assign(cell=cells[0])


def _by_item(records: Sequence[Record]) -> dict[str, Record]:
    return {record.item: record for record in records}


def _row(before: Record, after: Record, metric: Metric) -> dict[str, Any]:
    lost = before.scores[metric.name] > after.scores[metric.name]
    return {
        "change": LOST if lost else WON,
        "item": before.item,
        "category": before.category,
        "prompt": visible(before.prompt),
        "right answer": visible(before.reference),
        "without": visible(_said(before)),
        "with": visible(_said(after)),
        "moved": _moved(before.details, after.details),
    }


def _said(record: Record) -> str:
    """The answer, then every option with its log-probability."""
    options, logprobs = _options(record.details)
    lines = [f"{number:+.2f}  {option}" for option, number in zip(options, logprobs, strict=False)]
    return "\n".join([record.answer, *lines])


def _options(details: Mapping[str, Any]) -> tuple[list[str], list[float]]:
    """Options and the sums of their log-probabilities, where the benchmark gives both as lists."""
    options, logprobs = details.get("options"), details.get("logprobs")
    if not isinstance(logprobs, (list, tuple)) or not all(isinstance(p, (int, float)) for p in logprobs):
        return [], []
    if not isinstance(options, (list, tuple)):
        return ["the right answer"], [sum(logprobs)]
    return [str(option) for option in options], list(logprobs)


def _moved(before: Mapping[str, Any], after: Mapping[str, Any]) -> float:
    """By how much the log-probabilities changed, in nats; shifts that all options share do not count."""
    first, second = _options(before)[1], _options(after)[1]
    if not first or len(first) != len(second):
        return 0.0
    change = np.subtract(second, first)
    return float(np.ptp(change)) if len(change) > 1 else float(abs(change[0]))
