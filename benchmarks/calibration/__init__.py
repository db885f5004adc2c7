"""Do probabilities come true? Lettered questions, and verdicts on proposed answers (Kadavath et al. 2022, §3).

A question and its options stand in one text, and the probability of an option is that of its letter, normalised over
the letters. `calibration:mmlu`, `:arc-easy`, `:arc-challenge` and `:truthfulqa` read published data,
`calibration:lm-eval:piqa` asks the questions of any multiple-choice task of lm-eval, `calibration:facts` those of a
laboratory, in which it is planted how often texts give each answer. Three forms:

- *lettered*: the options as they are.
- *none-of-the-above*: that stands in place of the last option (§3.2).
- *true-false*: a proposed answer, true or false (§3.3): for each question the right one, and a wrong one at random.

Each record has the probability of the top option (`confidence`) beside whether it is right, so that ECE and its
chart can be had from records alone; all probabilities are in its details. Two tasks are kept apart: *share recovery*,
how far the probabilities are from the planted ones, and calibration against the truth.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import ClassVar, Literal

import numpy as np
from pydantic import BaseModel, Field, field_validator

from cai_eval import lettered
from cai_eval.contracts import JSON, Item, Kind, Metric, Policy, Published, Record, Request, Scored, Scorer, Source
from cai_eval.data import distinct
from cai_eval.dialogue import continuation
from cai_eval.errors import UserError
from cai_eval.lettered import Asked, label
from cai_eval.scoring import score_items, share_of_best
from cai_eval.statistics.calibration import log_chances

from .questions import (
    ARC,
    FACTS,
    HARNESS,
    MMLU,
    SETS,
    SUBJECTS,
    TRUTHFULQA,
    Question,
    questions,
    with_none,
    without_none,
)

Form = Literal["lettered", "none-of-the-above", "true-false"]


class Calibration:
    """See the module."""

    name: ClassVar[str] = "calibration"
    version: ClassVar[str] = "1"
    title: ClassVar[str] = "Calibration of lettered answers"
    argument: ClassVar[str] = "questions"
    data: ClassVar[tuple[Published, ...]] = (FACTS, TRUTHFULQA, *ARC.values(), *MMLU)
    accepts: ClassVar[frozenset[Kind]] = frozenset({"policy"})

    class Config(BaseModel, frozen=True, extra="forbid"):
        """shots: examples before each question, drawn at random from the others.

        temperature: what the letters' log-probabilities are divided by (2.5 for the paper's RLHF policies, §3.3).
        subjects: of MMLU.
        """

        questions: str = "facts"
        form: Form = "lettered"
        shots: int = Field(default=0, ge=0)
        temperature: float = Field(default=1.0, gt=0)
        subjects: tuple[str, ...] = SUBJECTS

        @field_validator("questions")
        @classmethod
        def _there(cls, questions: str) -> str:
            if questions not in SETS and not questions.startswith(HARNESS):
                raise ValueError(f"should be one of {', '.join(SETS)} or {HARNESS}TASK, not {questions!r}")
            return questions

        @field_validator("subjects")
        @classmethod
        def _known(cls, subjects: tuple[str, ...]) -> tuple[str, ...]:
            if unknown := sorted(set(subjects) - set(SUBJECTS)):
                raise ValueError(f"MMLU has no subject {unknown[0]!r}")
            return subjects

    def __init__(self, config: Config) -> None:
        self.config = config

    def metrics(self) -> Sequence[Metric]:
        return [
            Metric("accuracy", "accuracy", chance="chance", primary=True),
            Metric("confidence", "probability of the top option", chance="chance"),
            Metric("brier", "Brier score of the top option", unit="", higher_is_better=False),
            Metric("log_score", "loss on the right option", unit="nats", higher_is_better=False),
            Metric("letters", "probability of all letters together"),
            Metric("share_error", "distance from the planted probabilities", higher_is_better=False),
        ]

    def items(self, source: Source) -> list[Item]:
        make = true_false if self.config.form == "true-false" else choice
        choose = with_none if self.config.form == "none-of-the-above" else without_none
        found = choose(questions(self.config.questions, source, self.config.subjects))
        items = [item for question in found for item in make(question)]
        names = distinct(item.id for item in items)  # MMLU repeats a few questions
        return with_examples(
            [replace(item, id=name) for item, name in zip(items, names, strict=True)], self.config.shots
        )

    def evaluate(self, subject: Policy | Scorer, items: Sequence[Item]) -> Iterator[Record]:
        assert isinstance(subject, Policy)
        form = subject.format

        def ask(item: Item) -> list[Request]:
            examples = [(asked_in(data), label(data["answer"])) for data in item.data["examples"]]
            context = lettered.prompt(asked_in(item.data), form, examples)
            return [Request(context, continuation(label(number))) for number in range(len(item.data["options"]))]

        return score_items(subject, items, ask, self.judge)

    def judge(self, item: Item, asked: Sequence[Request], scored: Sequence[Scored]) -> Record:
        """Record of one question from the log-probabilities of its letters."""
        totals = [score.total for score in scored]
        logs = log_chances(totals, self.config.temperature)
        chances = np.exp(logs)
        right, options, planted = item.data["answer"], item.data["options"], item.data["planted"]
        credit, confidence = share_of_best(totals, right), float(chances.max())
        scores = {
            "accuracy": credit,
            "confidence": confidence,
            "brier": (confidence - credit) ** 2,
            "log_score": -float(logs[right]),
            "letters": float(np.exp(totals).sum()),
            "chance": 1 / len(options),
        }
        if planted:
            scores["share_error"] = float(np.abs(chances - planted).mean())
        return Record(
            item.id,
            item.cluster,
            item.category,
            scores=scores,
            prompt=asked[0].context,
            answer="(a tie)" if 0 < credit < 1 else options[int(chances.argmax())],
            reference=options[right],
            details={
                "options": options,
                "right": right,
                "probabilities": chances.tolist(),
                "logprobs": totals,
                **({"planted": planted} if planted else {}),
            },
        )


def choice(question: Question) -> list[Item]:
    """The question with its options."""
    return [_item(question, question.id, list(question.options), question.answer, list(question.planted))]


def true_false(question: Question) -> list[Item]:
    """The right option proposed, and a wrong one at random."""
    wrong = Random(question.id).choice([n for n in range(len(question.options)) if n != question.answer])
    items = []
    for name, proposed, verdict in (("right", question.answer, 0), ("wrong", wrong, 1)):
        share = question.shares[proposed] if question.shares else None
        planted = [] if share is None else [share, 1 - share]
        data = {"proposed": question.options[proposed]}
        items.append(_item(question, f"{question.id}-{name}", ["True", "False"], verdict, planted, data))
    return items


def _item(
    question: Question,
    name: str,
    options: list[str],
    answer: int,
    planted: list[float],
    more: Mapping[str, JSON] | None = None,
) -> Item:
    data = {"question": question.text, "options": options, "answer": answer, "planted": planted, **(more or {})}
    return Item(name, question.cluster, question.category, data)


def with_examples(items: Sequence[Item], shots: int) -> list[Item]:
    """Each item with so many others before it, none of its own cluster. Raises UserError where there is no other."""
    if shots and len({item.cluster for item in items}) < 2:
        raise UserError("examples come from other questions, and there is only one: set shots to 0.")
    return [replace(item, data={**item.data, "examples": examples(item, items, shots)}) for item in items]


def examples(item: Item, items: Sequence[Item], shots: int) -> list[JSON]:
    """The data of `shots` others, drawn by the item's id."""
    random, found = Random(item.id), list[JSON]()
    while len(found) < shots:
        other = random.choice(items)
        if other.cluster != item.cluster:
            found.append(other.data)
    return found


def asked_in(data: Mapping[str, JSON]) -> Asked:
    """What an item's data ask."""
    if "proposed" in data:
        return lettered.judgement(data["question"], data["proposed"])
    return lettered.choice(data["question"], data["options"])
