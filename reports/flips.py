"""The items behind a difference: those that an intervention turned from right to wrong, or from wrong to right."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
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
                    "whose log-probabilities moved most. Before each option: the sum of its tokens' log-probabilities "
                    "in nats, without → with the intervention, and the same without the question (alone), where the "
                    "measure takes that off. Long texts are cut; the records hold them whole.",
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
            found.sort(key=lambda pair: -_moved(*pair))
            rows += [_row(f"{word} ({len(found)})", *pair) for pair in found[: self.config.examples]]
        return pd.DataFrame(rows)


def _by_item(records: Sequence[Record]) -> dict[str, Record]:
    return {record.item: record for record in records}


def _row(change: str, before: Record, after: Record) -> dict[str, str]:
    return {
        "change": change,
        "item": before.item,
        "category": before.category,
        "prompt": _cut(before.prompt),
        "answers": "\n".join(_answers(before, after)),
    }


def _answers(before: Record, after: Record) -> Iterator[str]:
    """A line for each option: its log-probabilities without → with, and who chose it; else what was answered."""
    options = before.details.get("options")
    moves = _moves(before, after, "logprobs")
    if not isinstance(options, (list, tuple)) or len(options) != len(moves):
        yield f"right: {_cut(before.reference)}"
        yield f"without: {_cut(before.answer)}"
        yield f"with: {_cut(after.answer)}"
        if moves:
            yield "log-probability of the right answer: " + _move(
                sum(one for one, _ in moves), sum(other for _, other in moves)
            )
        return
    alone = _moves(before, after, "logprobs_alone")
    said = {"right": before.reference, "chosen without": before.answer, "chosen with": after.answer}
    for i, option in enumerate(options):
        marks = [mark for mark, answer in said.items() if answer == option]
        yield (
            _move(*moves[i])
            + (f" (alone {_move(*alone[i])})" if len(alone) == len(options) else "")
            + f"  {_cut(option)}"
            + (f"  [{', '.join(marks)}]" if marks else "")
        )


def _move(before: float, after: float) -> str:
    return f"{before:.1f} → {after:.1f}".replace("-", "−")


def _moves(before: Record, after: Record, name: str) -> list[tuple[float, float]]:
    """Log-probabilities without and with, of the options or of the answer's tokens, where both records list them."""
    one, other = _numbers(before.details.get(name)), _numbers(after.details.get(name))
    return list(zip(one, other, strict=True)) if len(one) == len(other) else []


def _numbers(value: Any) -> list[float]:
    """The value as a list of numbers; empty where it is none."""
    if isinstance(value, (list, tuple)) and all(isinstance(number, (int, float)) for number in value):
        return [float(number) for number in value]
    return []


def _moved(before: Record, after: Record) -> float:
    """By how much the log-probabilities changed, in nats; a shift that all options share does not count."""
    change = [other - one for one, other in _moves(before, after, "logprobs")]
    return float(np.ptp(change)) if len(change) > 1 else abs(change[0]) if change else 0.0


def _cut(text: object, most: int = 400) -> str:
    shown = re.sub(r"\n\s*\n", "\n", visible(text)).strip()
    return shown if len(shown) <= most else shown[:most] + " …"
