"""Which of two answers is preferred: by people, or in a laboratory by its oracle, and by the scorer or policy asked.

A scorer is right where it gives the better answer the higher score, and calibrated where σ of the difference is the
chance that the first is better (Bai et al. 2022a, §3.3). A policy has no scores: its choice is the answer with the
higher log-probability after the prompt, a token or in sum; both are recorded. Ties share the credit.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar, Literal

from pydantic import BaseModel, Field

from cai_eval.contracts import JSON, Item, Kind, Metric, Policy, Published, Record, Request, Scored, Scorer, Source
from cai_eval.data import distinct, item_id
from cai_eval.dialogue import continuation
from cai_eval.scoring import TIE, NotScored, put_items, score_items, share_of_best

Care = Literal["helpful", "harmless"]


def _published(kind: Care, sha256: str = "") -> Published:
    folder = f"{kind}-base"
    return Published(
        f"{kind}-comparisons",
        f"{folder}/test.jsonl.gz",
        sha256,
        hub=("Anthropic/hh-rlhf", f"{folder}/", "test"),
        source="https://huggingface.co/datasets/Anthropic/hh-rlhf",
        licence="MIT",
    )


SETS: Mapping[Care, Published] = {
    "helpful": _published("helpful"),
    "harmless": _published("harmless", "ebfaaed21162a4de120ae85366075b34425e2a6303fac59b99555002f7016f03"),
}


class Preference:
    """See the module. Items of one prompt are one cluster, or what the source says belongs together."""

    name: ClassVar[str] = "preference"
    version: ClassVar[str] = "1"
    title: ClassVar[str] = "Comparisons of two answers"
    data: ClassVar[tuple[Published, ...]] = tuple(SETS.values())
    accepts: ClassVar[frozenset[Kind]] = frozenset({"policy", "scorer"})

    class Config(BaseModel, frozen=True, extra="forbid"):
        """Which comparisons."""

        sets: tuple[Care, ...] = Field(("helpful", "harmless"), min_length=1, description="what was asked for")

    def __init__(self, config: Config) -> None:
        self.config = config

    def metrics(self) -> Sequence[Metric]:
        return (
            Metric("accuracy", "accuracy", chance=0.5, primary=True),
            Metric("accuracy_sum", "accuracy by summed log-probability", chance=0.5),
            Metric("brier", "Brier score", unit="squared chance", higher_is_better=False),
            Metric("log_loss", "log loss", unit="nats", higher_is_better=False, chance=math.log(2)),
        )

    def items(self, source: Source) -> list[Item]:
        """Comparisons that decide for one of the answers."""
        return [item for kind in self.config.sets for item in _items(source, kind)]

    def evaluate(self, subject: Policy | Scorer, items: Sequence[Item]) -> Iterator[Record]:
        if isinstance(subject, Policy):
            return score_items(subject, items, _requests, _by_policy)
        scorer = subject

        def scores(asked: Sequence[Request]) -> Sequence[float]:
            return scorer.score_texts([each.context for each in asked], [each.continuation for each in asked])

        return put_items(items, _requests, scores, _by_scorer)


def _items(source: Source, kind: Care) -> Iterator[Item]:
    from cai_eval.training.comparisons import comparable, read_comparisons

    published = SETS[kind]
    rows = [
        row
        for number, row in enumerate(source.rows(published), 1)
        if "chosen" not in row or comparable(row, f"row {number} of {published.name}")
    ]
    comparisons = read_comparisons(rows, kind)
    ids = distinct(f"{kind} {each.id}" for each in comparisons)
    for name, row, each in zip(ids, rows, comparisons, strict=True):
        if each.label != 0.5:
            data = {"prompt": each.prompt, "first": each.first, "second": each.second, "label": each.label}
            yield Item(name, row.get("cluster", item_id(each.prompt)), kind, data)


def _requests(item: Item) -> tuple[Request, ...]:
    return tuple(Request(item.data["prompt"], continuation(item.data[side])) for side in ("first", "second"))


def _by_policy(item: Item, asked: Sequence[Request], scored: Sequence[Scored]) -> Record:
    if not all(request.continuation.strip() for request in asked):
        raise NotScored("one of the answers is silence, which has no log-probability")
    means, sums = [score.mean for score in scored], [score.total for score in scored]
    right = _better(item)
    scores = {"accuracy": share_of_best(means, right), "accuracy_sum": share_of_best(sums, right)}
    return _record(item, scores, means, {"logprobs": sums, "tokens": [len(score.logprobs) for score in scored]})


def _by_scorer(item: Item, asked: Sequence[Request], scored: Sequence[float]) -> Record:
    if not all(map(math.isfinite, scored)):
        raise NotScored("a score is not a finite number")
    label, difference = item.data["label"], scored[0] - scored[1]
    scores = {
        "accuracy": share_of_best(scored, _better(item)),
        "brier": (_sigmoid(difference) - label) ** 2,
        "log_loss": label * _softplus(-difference) + (1 - label) * _softplus(difference),
    }
    return _record(item, scores, scored, {"scores": list(scored)})


def _better(item: Item) -> int:
    return int(item.data["label"] < 0.5)


def _record(item: Item, scores: Mapping[str, float], by: Sequence[float], details: Mapping[str, JSON]) -> Record:
    answers = (item.data["first"], item.data["second"])
    return Record(
        item.id,
        item.cluster,
        item.category,
        scores=scores,
        prompt=item.data["prompt"],
        answer="(a tie)" if abs(by[0] - by[1]) <= TIE else answers[by[0] < by[1]],
        reference=answers[_better(item)],
        details={"options": list(answers), "label": item.data["label"], **details},
    )


def _softplus(x: float) -> float:
    """log(1 + eˣ), without overflow."""
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def _sigmoid(x: float) -> float:
    return math.exp(-_softplus(-x))
