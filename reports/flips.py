"""The items behind a difference: those that an intervention turned from right to wrong, or from wrong to right."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from pydantic import BaseModel, Field

from cai_eval.contracts import Metric, PaperFigure, Record, Results, Table
from cai_eval.pages import scores
from cai_eval.pages.text import slug, visible

LOST, WON = "lost", "won"


class Flips:
    """One table a benchmark; points of the figures lead to its parts."""

    name: ClassVar[str] = "flips"
    title: ClassVar[str] = "Items that flipped"
    papers: ClassVar[tuple[PaperFigure, ...]] = ()

    class Config(BaseModel, frozen=True, extra="forbid"):
        """examples: shown at most, of each comparison in each direction; counts are of all. With seeds: the first."""

        examples: int = Field(default=8, ge=1)

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
            if frames:
                yield Table(
                    name=f"flips-{slug(benchmark)}",
                    title=f"{benchmark}: won and lost against {results.interventions[base]}",
                    caption=f"At most {self.config.examples} items of each comparison in each direction, those first "
                    "whose log-probabilities moved most. Log-probabilities are in nats and stand before each option; "
                    "the chosen answer is repeated above them.",
                    frame=pd.concat(frames, ignore_index=True),
                )

    def _comparisons(self, results: Results, benchmark: str, metric: Metric, base: str) -> Iterator[pd.DataFrame]:
        data = scores.item_scores(results, benchmark, metric.name)
        models = dict.fromkeys(model for model, intervention in data.cells if intervention == base)
        for model in models:
            reference = data.cells[model, base][0]
            before = _by_item(results.details(reference))
            for intervention in results.interventions:
                cell = data.cells.get((model, intervention), (reference,))[0]
                flipped = np.flatnonzero(np.abs(data.columns[cell] - data.columns[reference]) >= 0.5)
                if len(flipped):
                    after = _by_item(results.details(cell))
                    pairs = [(before[data.items[i]], after[data.items[i]]) for i in flipped.tolist()]
                    yield self._shown(pairs, metric).assign(cell=cell)

    def _shown(self, pairs: Sequence[tuple[Record, Record]], metric: Metric) -> pd.DataFrame:
        """The examples of one comparison: lost ones, then won ones, each from the greatest move to the least."""
        rows = []
        for word, sign in ((LOST, 1), (WON, -1)):
            found = [pair for pair in pairs if sign * (pair[0].scores[metric.name] - pair[1].scores[metric.name]) > 0]
            found.sort(key=lambda pair: -_moved(pair[0].details, pair[1].details))
            rows += [_row(f"{word} ({len(found)})", *pair) for pair in found[: self.config.examples]]
        return pd.DataFrame(rows)


def _by_item(records: Sequence[Record]) -> dict[str, Record]:
    return {record.item: record for record in records}


def _row(change: str, before: Record, after: Record) -> dict[str, str]:
    return {
        "change": change,
        "item": before.item,
        "category": before.category,
        "prompt": visible(before.prompt),
        "right answer": visible(before.reference),
        "without": visible(_said(before)),
        "with": visible(_said(after)),
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
