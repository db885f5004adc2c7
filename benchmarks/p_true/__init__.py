"""P(True): does a policy know which of its own answers are right? (Kadavath et al. 2022, §3.3 and 4)

A policy answers each question at temperature 1, and is then asked whether that answer is true; P(True) is the
probability of the letter that says so, normalised over both. Before it judges, it may be shown further answers of its
own (§4.2: five). `p-true:facts` asks a laboratory's questions, `p-true:arithmetic` sums, `p-true:triviaqa` trivia.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import ClassVar, Literal

import numpy as np
from pydantic import BaseModel, Field

from cai_eval import lettered
from cai_eval.contracts import (
    Item,
    Kind,
    Metric,
    Policy,
    Published,
    Record,
    Request,
    Sampling,
    Scored,
    Scorer,
    Source,
)
from cai_eval.data import Row, distinct, item_id, read
from cai_eval.dialogue import continuation
from cai_eval.lettered import label
from cai_eval.scoring import NotScored, put_items
from cai_eval.statistics.calibration import log_chances

DATA = {
    "facts": Published(name="short_facts", file="short_facts.jsonl", source="a laboratory (--ladder lab)"),
    "arithmetic": Published(
        name="two_digit_addition",
        file="two_digit_addition.jsonl",
        sha256="75a54b7a3db3b23369df74fe440c23025f3d3c51f664300bd3d56632b2617b3d",
        hub=("EleutherAI/arithmetic", "arithmetic_2da", "validation"),
        source="https://github.com/openai/gpt-3",
    ),
    "triviaqa": Published(
        name="triviaqa",
        file="triviaqa.jsonl",
        hub=("mandarjoshi/trivia_qa", "rc.nocontext", "validation"),
        source="https://nlp.cs.washington.edu/triviaqa",
    ),
}

KEPT = 0.5  #: P(True) above which an answer is kept


class PTrue:
    """See the module."""

    name: ClassVar[str] = "p-true"
    version: ClassVar[str] = "2"
    title: ClassVar[str] = "P(True) of a policy's own answers"
    argument: ClassVar[str] = "questions"
    data: ClassVar[tuple[Published, ...]] = tuple(DATA.values())
    accepts: ClassVar[frozenset[Kind]] = frozenset({"policy"})

    class Config(BaseModel, frozen=True, extra="forbid"):
        """guesses: further answers that are shown before the verdict. shots: examples before an answer is drawn.

        max_tokens: of an answer, which ends with its line.
        """

        questions: Literal["facts", "arithmetic", "triviaqa"] = "facts"
        guesses: int = Field(default=5, ge=0)
        shots: int = Field(default=0, ge=0)
        max_tokens: int = Field(default=16, ge=1)

    def __init__(self, config: Config) -> None:
        self.config = config

    def metrics(self) -> Sequence[Metric]:
        return [
            Metric("brier", "Brier score of P(True)", unit="", higher_is_better=False, chance=0.25, primary=True),
            Metric("p_true", "P(True)"),
            Metric("accuracy", "accuracy of all answers"),
            Metric("accuracy_kept", "accuracy of answers with P(True) above one half"),
            Metric("share_error", "distance of P(True) from the planted share", higher_is_better=False),
        ]

    def items(self, source: Source) -> list[Item]:
        items = read(source, DATA[self.config.questions], question)
        names = distinct(item.id for item in items)
        return [
            Item(name, item.cluster, item.category, {**item.data, "examples": self._examples(item, items)})
            for name, item in zip(names, items, strict=True)
        ]

    def _examples(self, item: Item, items: Sequence[Item]) -> list[list[str]]:
        """(question, answer) of others, drawn by the item's id."""
        others = Random(item.id).sample(items, min(len(items), 2 * self.config.shots))
        kept = [[other.data["question"], other.data["answers"][0]] for other in others if other.cluster != item.cluster]
        return kept[: self.config.shots]

    def evaluate(self, subject: Policy | Scorer, items: Sequence[Item]) -> Iterator[Record]:
        assert isinstance(subject, Policy)
        policy = subject

        def ask(item: Item) -> list[Item]:
            return [item]

        def answer(asked: Sequence[Item]) -> list[Judged]:
            return self.verdicts(policy, asked)

        return put_items(items, ask, answer, lambda item, _, judged: record(item, judged[0]))

    def verdicts(self, policy: Policy, items: Sequence[Item]) -> list[Judged]:
        """An answer to each item, the other answers beside it, and the verdict on it."""
        sampling = Sampling(self.config.max_tokens, 1 + self.config.guesses, temperature=1.0, stop=("\n",))
        contexts = [answering(item, policy) for item in items]
        drawn = policy.generate(contexts, sampling, [item.id for item in items])
        texts = [[sample.text.strip() for sample in samples] for samples in drawn]
        prompts = [
            lettered.prompt(lettered.judgement(item.data["question"], given[0], given[1:]), policy.format)
            for item, given in zip(items, texts, strict=True)
        ]
        scored = policy.score([Request(prompt, continuation(label(n))) for prompt in prompts for n in (0, 1)])
        return [Judged(*each) for each in zip(prompts, texts, zip(scored[::2], scored[1::2], strict=True), strict=True)]


@dataclass(frozen=True)
class Judged:
    """prompt: what the verdict answers. texts: the answer that is judged, then the others. verdict: true, false."""

    prompt: str
    texts: list[str]
    verdict: tuple[Scored, Scored]


def record(item: Item, judged: Judged) -> Record:
    """Record of one question from an answer to it (none is a wrong one) and the verdict on that. Raises NotScored."""
    proposed, totals = judged.texts[0], [letter.total for letter in judged.verdict]
    if not np.isfinite(totals).all():
        raise NotScored("a log-probability is not a finite number")
    p_true = float(np.exp(log_chances(totals))[0])
    correct = float(normal(proposed) in {normal(answer) for answer in item.data["answers"]} - {""})
    scores = {"brier": (p_true - correct) ** 2, "p_true": p_true, "accuracy": correct}
    if p_true > KEPT:
        scores["accuracy_kept"] = correct
    shares = item.data["shares"]
    if shares:
        scores["share_error"] = abs(p_true - shares.get(proposed, 0.0))
    return Record(
        item.id,
        item.cluster,
        item.category,
        scores=scores,
        prompt=judged.prompt,
        answer=proposed,
        reference=item.data["answers"][0],
        details={
            "guesses": judged.texts[1:],
            "logprobs": totals,
            **({"planted": shares.get(proposed, 0.0)} if shares else {}),
        },
    )


def answering(item: Item, policy: Policy) -> str:
    """The context that an answer to the item continues."""
    examples = [(lettered.short(asked), given) for asked, given in item.data["examples"]]
    return lettered.prompt(lettered.short(item.data["question"]), policy.format, examples)


def question(row: Row) -> Item:
    """An item from a row of a laboratory, of the sums {context, completion}, or of the hub's trivia."""
    category, cluster, shares = "", None, {}
    if "completion" in row:
        text, answers = (
            row["context"].strip().removeprefix("Q:").removesuffix("A:").strip(),
            [row["completion"].strip()],
        )
    elif "answers" in row:
        text, answers, shares = row["question"], row["answers"], row["shares"]
        category, cluster = row["family"], row["cluster"]
    else:
        text, answers = row["question"], [row["answer"]["value"], *row["answer"]["aliases"]]
    name = item_id(text)
    return Item(name, cluster or name, category, {"question": text, "answers": answers, "shares": shares})


def normal(text: str) -> str:
    """An answer without case, articles, and signs other than those of numbers."""
    bare = re.sub(r"[^\w\s.-]", "", text.casefold())
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", bare).split()).strip(". ")
