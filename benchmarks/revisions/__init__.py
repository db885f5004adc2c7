"""What critique and revision make of a policy's answers to red-team prompts (Bai et al. 2022b, figures 5 to 7).

The policy answers prompts that no training has seen, in a dialogue whatever its format, and revises its own answers
some times under a constitution, as the trainer `critique-revision` lets it; where the source knows how to judge, the
answer and each revision get their grades. A round that brought nothing (its text was empty, or no turn) leaves the
answer as it was, and counts so.

The chains of published prompts are kept without grades: people or a preference model may judge them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, Field

from cai_eval.constitution import Constitution, seal
from cai_eval.contracts import Item, Kind, Metric, Policy, Published, Record, Sampling, Scorer, Source
from cai_eval.dialogue import STOPS, exchange
from cai_eval.scoring import NotScored, put_items
from cai_eval.training.prompts import HARMFUL, SETS, read_prompts
from cai_eval.training.revising import Draft, Revision, revise, say, to_revise_by

Chain = tuple[str, list[Revision]]  #: the first answer, and what each round that brought something made of it


class Revisions:
    """See the module."""

    name: ClassVar[str] = "revisions"
    version: ClassVar[str] = "1"
    title: ClassVar[str] = "Answers to red-team prompts, revised"
    data: ClassVar[tuple[Published, ...]] = (SETS["test-prompts"], SETS["validation-prompts"])
    accepts: ClassVar[frozenset[Kind]] = frozenset({"policy"})

    class Config(BaseModel, frozen=True, extra="forbid"):
        """constitution: a name, a YAML file or a folder of released JSON. principles: its first so many; 0: all.

        direct: revisions without critiques. examples: shown before each, at most. prompts: harmful ones, at most.
        temperature: of all sampling.
        """

        constitution: Annotated[str, AfterValidator(seal)] = Field("harmlessness", validate_default=True)
        principles: int = Field(default=0, ge=0)
        examples: int = Field(default=100, ge=0)
        direct: bool = False
        rounds: int = Field(default=4, ge=1)
        set: Literal["test-prompts", "validation-prompts"] = "test-prompts"
        prompts: int = Field(default=100, ge=1)
        max_tokens: int = Field(default=64, ge=1)
        temperature: float = Field(default=1.0, ge=0, le=5)

    def __init__(self, config: Config) -> None:
        self.config = config

    def metrics(self) -> Sequence[Metric]:
        """Harm and evasion after each number of revisions; the last harm is primary."""
        last = self.config.rounds
        return [
            *(
                Metric(
                    f"harm {n}",
                    f"harm after {n} revisions, 0 to 4",
                    "grades",
                    False,
                    primary=n == last,
                    least=0,
                    most=4,
                )
                for n in range(last + 1)
            ),
            *(Metric(f"evasive {n}", f"evasive after {n} revisions", higher_is_better=False) for n in range(last + 1)),
            *(Metric(f"garbled {n}", f"garbled after {n} revisions", higher_is_better=False) for n in range(last + 1)),
            Metric("changed", "share of rounds that changed the answer"),
        ]

    def items(self, source: Source) -> list[Item]:
        """Harmful prompts, with the seal of the constitution: under another one they are other items.

        Raises UserError where the constitution has too few principles.
        """
        self._constitution()
        prompts = read_prompts(source, self.config.set, self.config.prompts, 0, (HARMFUL,))
        about = {"constitution": self.config.constitution}
        return [Item(p.id, p.cluster, p.kind, {"prompt": p.text, **about}) for p in prompts]

    def evaluate(self, subject: Policy | Scorer, items: Sequence[Item]) -> Iterator[Record]:
        assert isinstance(subject, Policy)
        policy, constitution = subject, self._constitution()

        def answer(asked: Sequence[Item]) -> list[Chain]:
            return self._chains(policy, constitution, asked)

        return put_items(items, lambda item: [item], answer, lambda item, _, chains: self._record(item, chains[0]))

    def judged(self, item: Item, record: Record, source: Source) -> Record:
        """The record with the grades of every text, as it was where the source cannot judge."""
        texts: list[str] = record.details["texts"]
        grades = {text: source.judge(item.data["prompt"], text) for text in texts}
        known = {text: grade for text, grade in grades.items() if grade is not None}
        if len(known) < len(grades):
            return record
        scores = {
            f"{name} {n}": known[text][name] for name in ("harm", "evasive", "garbled") for n, text in enumerate(texts)
        }
        return replace(
            record,
            scores={"changed": record.scores["changed"], **scores},
            details={**record.details, "grades": [dict(known[text]) for text in texts]},
        )

    def _constitution(self) -> Constitution:
        config = self.config
        return to_revise_by(config.constitution, config.principles, config.examples)

    def _chains(self, policy: Policy, constitution: Constitution, items: Sequence[Item]) -> list[Chain]:
        config = self.config
        prompts = [exchange(item.data["prompt"], "dialogue") for item in items]
        said = say(policy, prompts, self._sampling(STOPS), [f"answer/{item.id}" for item in items])
        drafts = {
            item.id: Draft(item.id, item.data["prompt"], text) for item, text in zip(items, said, strict=True) if text
        }
        chains = revise(
            policy,
            constitution,
            list(drafts.values()),
            config.rounds,
            self._sampling(constitution.templates.stop),
            0,
            direct=config.direct,
        )
        of = dict(zip(drafts, chains, strict=True))
        return [(text, of.get(item.id, [])) for item, text in zip(items, said, strict=True)]

    def _sampling(self, stop: Sequence[str]) -> Sampling:
        return Sampling(self.config.max_tokens, temperature=self.config.temperature, stop=tuple(stop))

    def _record(self, item: Item, chain: Chain) -> Record:
        """Unjudged. Raises NotScored where there is no answer to revise."""
        answer, revisions = chain
        if not answer:
            raise NotScored("the answer is empty, or is no turn of a dialogue")
        brought = {revision.round: revision for revision in revisions}
        texts = [answer]
        for number in range(1, self.config.rounds + 1):
            texts.append(brought[number].text if number in brought else texts[-1])
        return Record(
            item.id,
            item.cluster,
            item.category,
            scores={"changed": sum(a != b for a, b in pairwise(texts)) / self.config.rounds},
            prompt=item.data["prompt"],
            answer=texts[-1],
            details={"texts": texts, "chain": [_told(revision) for revision in revisions]},
        )


def _told(revision: Revision) -> Mapping[str, Any]:
    step = revision.steps[-1]
    return {
        "round": revision.round,
        "principle": step.principle.id,
        "critique": step.critique,
        "revision": step.revision,
    }
