"""The counting demonstration of context distillation (Askell et al. 2021, App. B.5, figure 26).

The numbers 64 to 71, a line each, with nothing before the first of them but what the policy's own prompt holds. Behind
a prompt that counts to 63 they are what follows; a model that was fine-tuned on that prompt has learnt to count to 63,
and must read some of the numbers before it goes on; a model distilled from the prompt behaves as if it stood there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from pydantic import BaseModel, NonNegativeInt

from cai_eval.contracts import Item, Kind, Metric, Policy, Published, Record, Request, Scored, Scorer, Source
from cai_eval.scoring import score_items

LINE = "\n"


class Counting:
    """See the module. Every policy is asked in the plain format: numbers are nobody's turn."""

    name: ClassVar[str] = "counting"
    version: ClassVar[str] = "1"
    title: ClassVar[str] = "Counting on from 63"
    data: ClassVar[tuple[Published, ...]] = ()
    accepts: ClassVar[frozenset[Kind]] = frozenset({"policy"})

    class Config(BaseModel, frozen=True, extra="forbid"):
        """first, last: of the numbers that are scored."""

        first: NonNegativeInt = 64
        last: NonNegativeInt = 71

    def __init__(self, config: Config) -> None:
        self.numbers = range(config.first, config.last + 1)

    def metrics(self) -> Sequence[Metric]:
        return [
            Metric("loss", "loss of a number", unit="nats", higher_is_better=False, primary=True),
            Metric("accuracy", "share of numbers most probable", chance=0.0),
        ]

    def items(self, source: Source) -> list[Item]:
        """One for each number, in a category of its own; the same for every source."""
        return [
            Item(str(number), str(number), str(number), {"number": number, "first": self.numbers[0]})
            for number in self.numbers
        ]

    def evaluate(self, subject: Policy | Scorer, items: Sequence[Item]) -> Iterator[Record]:
        assert isinstance(subject, Policy)
        return score_items(subject, items, ask, judge)


def ask(item: Item) -> list[Request]:
    """The number, behind those from the first on."""
    before = LINE.join(str(number) for number in range(item.data["first"], item.data["number"]))
    return [Request(before, f"{LINE if before else ''}{item.data['number']}")]


def judge(item: Item, asked: Sequence[Request], scored: Sequence[Scored]) -> Record:
    """Record of one number from its score."""
    (score,) = scored
    number = str(item.data["number"])
    return Record(
        item.id,
        item.cluster,
        item.category,
        scores={"loss": -score.total, "accuracy": float(score.greedy)},
        prompt=asked[0].context,
        answer=number if score.greedy else "(another number)",
        reference=number,
        details={"logprobs": list(score.logprobs)},
    )
