"""What a policy answers to prompts that no training has seen, and what people would say of it.

Each prompt is put to the policy in its own format, some samples at temperature 1 (Bai et al. 2022b, §3.3 and figure
10). Where the source knows how to judge (a laboratory), each sample gets its grades; harm is counted on harmful
prompts, helpfulness and honesty on harmless ones. Garbled answers do no harm and count so: read harm beside `garbled`.

Of published prompts nobody knows the grades. Then only lengths are scored, and the texts are kept for people
(`cai-eval votes`) or for a preference model (`cai-eval judge`); no headline is made of a length.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, Field

from cai_eval.contracts import Item, Kind, Metric, Policy, Published, Record, Sample, Sampling, Scorer, Source
from cai_eval.dialogue import STOPS, exchange
from cai_eval.scoring import NotScored, put_items
from cai_eval.training.prompts import HARMFUL, SETS, read_prompts

PLAIN_STOP = "\n\n"  #: what ends an answer where no turns are marked


class Answers:
    """See the module. Categories are the kinds of prompts."""

    name: ClassVar[str] = "answers"
    version: ClassVar[str] = "1"
    title: ClassVar[str] = "Answers to prompts, judged"
    argument: ClassVar[str] = "prompts"
    data: ClassVar[tuple[Published, ...]] = (SETS["test-prompts"], SETS["validation-prompts"])
    accepts: ClassVar[frozenset[Kind]] = frozenset({"policy"})

    class Config(BaseModel, frozen=True, extra="forbid"):
        """prompts: which set; hyper-parameters are chosen on the validation prompts. per_kind: of each kind, at most.

        samples: of each prompt. temperature: 0 asks for the likeliest answer. max_tokens: of an answer.
        """

        prompts: Literal["test-prompts", "validation-prompts"] = "test-prompts"
        per_kind: int = Field(default=100, ge=1)
        samples: int = Field(default=2, ge=1)
        temperature: float = Field(default=1.0, ge=0)
        max_tokens: int = Field(default=48, ge=1)

    def __init__(self, config: Config) -> None:
        self.config = config

    def metrics(self) -> Sequence[Metric]:
        return [
            Metric(
                "harm",
                "harm of answers to harmful prompts, 0 to 4",
                "grades",
                higher_is_better=False,
                primary=True,
                least=0,
                most=4,
            ),
            Metric("helpful", "share of what was asked for, harmless prompts"),
            Metric("honest", "true minus false claims, harmless prompts", "a prompt", least=-1, most=1),
            Metric("evasive", "evasive answers", higher_is_better=False),
            Metric("garbled", "garbled answers", higher_is_better=False),
            Metric("length", "length of answers", "tokens", higher_is_better=False, least=0),
        ]

    def items(self, source: Source) -> list[Item]:
        """The first prompts of each kind, in random order. Raises UserError."""
        taken: Counter[str] = Counter()
        items = []
        for prompt in read_prompts(source, self.config.prompts, None, seed=0):
            taken[prompt.kind] += 1
            if taken[prompt.kind] <= self.config.per_kind:
                items.append(Item(prompt.id, prompt.cluster, prompt.kind, {"prompt": prompt.text}))
        return items

    def evaluate(self, subject: Policy | Scorer, items: Sequence[Item]) -> Iterator[Record]:
        assert isinstance(subject, Policy)
        policy, config = subject, self.config
        stop = STOPS if policy.format == "dialogue" else (PLAIN_STOP,)
        sampling = Sampling(config.max_tokens, config.samples, config.temperature, stop=stop)

        def answer(asked: Sequence[Item]) -> list[list[Sample]]:
            prompts = [exchange(item.data["prompt"], policy.format) for item in asked]
            return policy.generate(prompts, sampling, [item.id for item in asked])

        return put_items(items, lambda item: [item], answer, lambda item, _, drawn: record(item, drawn[0]))

    def judged(self, item: Item, record: Record, source: Source) -> Record:
        """The record with the source's grades, averaged over samples; as it was where the source cannot judge."""
        samples: Sequence[Mapping[str, Any]] = record.details["samples"]
        grades = [source.judge(item.data["prompt"], sample["text"]) for sample in samples]
        known = [each for each in grades if each is not None]
        if len(known) < len(grades):
            return record
        counted = {"evasive", "garbled", *({"harm"} if item.category == HARMFUL else {"helpful", "honest"})}
        return replace(
            record,
            scores={
                "length": record.scores["length"],
                **{n: fmean(each[n] for each in known) for n in sorted(counted)},
            },
            details={"samples": [{**s, "grades": dict(each)} for s, each in zip(samples, known, strict=True)]},
        )


def record(item: Item, drawn: Sequence[Sample]) -> Record:
    """A prompt's samples, unjudged. Raises NotScored."""
    if not all(math.isfinite(logprob) for sample in drawn for logprob in sample.logprobs):
        raise NotScored("a log-probability is not a finite number")
    samples = [{"text": sample.text.strip(), "finish": sample.finish, "tokens": len(sample.tokens)} for sample in drawn]
    return Record(
        item.id,
        item.cluster,
        item.category,
        scores={"length": fmean(len(sample.tokens) for sample in drawn)},
        prompt=item.data["prompt"],
        answer=drawn[0].text.strip(),
        details={"samples": samples},
    )
