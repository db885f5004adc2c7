"""Revised answers (Bai et al. 2022b, §3.1): the data that SL-CAI is fine-tuned on.

A policy answers red-team prompts; a critic finds fault with the answers by principles of a constitution and revises
them, several times. Answers of the policy to harmless prompts are mixed in as they are, so that a model that learns
from the rows stays helpful. Every revision is a row that holds all that led to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, NonNegativeFloat, NonNegativeInt, PositiveInt

from cai_eval.constitution import Constitution, load_constitution, seal
from cai_eval.constitution.prompting import with_examples
from cai_eval.contracts import JSON, Artefact, DatasetSpec, Input, Kind, PolicySpec, Sampling, Workshop
from cai_eval.dialogue import STOPS, Turn, exchange, render
from cai_eval.errors import UserError
from cai_eval.training.prompts import Prompt, read_prompts
from cai_eval.training.revising import Draft, Revision, revise, say

SHARD = 128  #: prompts whose rows a kill can lose
PLAIN_STOP = "\n"  #: what ends an answer to a bare question


@dataclass(frozen=True)
class Asked:
    """One time that the sampler is asked. id: unlike those of its other samples. revised: whether its answer is."""

    id: str
    prompt: Prompt
    revised: bool


class CritiqueRevision:
    """Lets `sampler` answer and `critic` revise."""

    name: ClassVar[str] = "critique-revision"
    version: ClassVar[str] = "1"
    title: ClassVar[str] = "Critiques and revisions"
    inputs: ClassVar[Mapping[str, Input]] = {"sampler": Input("policy"), "critic": Input("policy")}
    output: ClassVar[Kind] = "dataset"
    instant: ClassVar[bool] = False

    class Config(BaseModel):
        """Which prompts, under which constitution, how often."""

        model_config = ConfigDict(extra="forbid", frozen=True)

        constitution: Annotated[str, AfterValidator(seal)] = Field(
            "harmlessness", description="a name, a YAML file or a folder of released JSON", validate_default=True
        )
        principles: NonNegativeInt = Field(0, description="the first so many of the constitution's; 0: all")
        examples: NonNegativeInt = Field(100, description="shown before each critique and revision, at most")
        direct: bool = Field(False, description="revisions without critiques")
        rounds: NonNegativeInt = Field(4, description="of revision; 0 keeps the answers as they are")
        prompts: str = Field("red-team-prompts", description="the set whose answers are revised")
        count: PositiveInt = Field(256, description="prompts of that set")
        helpful_prompts: str = Field("helpful-prompts", description="the set whose answers are not revised")
        helpful_count: NonNegativeInt = Field(128, description="prompts of that set")
        helpful_samples: PositiveInt = Field(2, description="answers to each of them")
        max_tokens: PositiveInt = Field(256, description="of an answer, a critique or a revision")
        temperature: NonNegativeFloat = Field(1.0, description="of all sampling")

    def __init__(self, config: Config) -> None:
        self.config = config

    def alternatives(self) -> Sequence[Mapping[str, JSON]]:
        return (self.config.model_dump(),)

    def run(self, inputs: Mapping[str, Artefact], workshop: Workshop) -> Artefact:
        """Answers first, then revisions, so that one model is in use at a time; both in shards.

        Raises UserError for prompts that cannot be had, too few principles, and where nothing at all came out.
        """
        from cai_eval.training.shards import make_dataset

        config, constitution = self.config, self._constitution()
        sampler, critic = inputs["sampler"], inputs["critic"]
        assert isinstance(sampler, PolicySpec)
        assert isinstance(critic, PolicySpec)
        asked = self._asked(workshop)

        def answer(places: range) -> list[dict[str, JSON]]:
            policy = workshop.policy(sampler)
            some = [asked[place] for place in places]
            prompts = [exchange(each.prompt.text, policy.format) for each in some]
            stop = STOPS if policy.format == "dialogue" else (PLAIN_STOP,)
            keys = [f"{workshop.seed}/answer/{each.id}" for each in some]
            said = say(policy, prompts, self._sampling(stop), keys)
            return [{"id": each.id, "answer": text} for each, text in zip(some, said, strict=True)]

        answers = make_dataset(
            workshop.directory / "answers",
            "answers",
            len(asked),
            SHARD,
            answer,
            lambda done, total: workshop.progress(done, 2 * total, "answers"),
        )
        answered = [str(row["answer"]) for row in workshop.rows(answers)]

        def revisions(places: range) -> list[dict[str, JSON]]:
            drafts = {p: Draft(asked[p].id, asked[p].prompt.text, answered[p]) for p in places if answered[p]}
            revised = [place for place in drafts if asked[place].revised and config.rounds]
            chains = revise(
                workshop.policy(critic),
                constitution,
                [drafts[place] for place in revised],
                config.rounds,
                self._sampling(constitution.templates.stop),
                workshop.seed,
                direct=config.direct,
            )
            of = dict(zip(revised, chains, strict=True))
            return [
                row for place, draft in drafts.items() for row in rows(draft, asked[place].prompt.kind, of.get(place))
            ]

        made = make_dataset(
            workshop.directory,
            "revisions",
            len(asked),
            SHARD,
            revisions,
            lambda done, total: workshop.progress(total + done, 2 * total, "revisions"),
        )
        self._report(made, asked, workshop)
        return made

    def _constitution(self) -> Constitution:
        """With as many principles for revisions, and examples, as are wanted."""
        constitution = with_examples(load_constitution(self.config.constitution), self.config.examples)
        wanted, there = self.config.principles, constitution.revising
        if max(wanted, 1) > len(there):
            raise UserError(
                f"{self.config.constitution} has {len(there)} principles to revise by and {self.name} needs "
                f"{max(wanted, 1)}: lower 'principles' or choose another constitution."
            )
        return replace(constitution, principles=there[: wanted or None])

    def _asked(self, workshop: Workshop) -> list[Asked]:
        config = self.config
        red = read_prompts(workshop.source, config.prompts, config.count, workshop.seed)
        helpful = (
            read_prompts(workshop.source, config.helpful_prompts, config.helpful_count, workshop.seed)
            if config.helpful_count
            else []
        )
        return [
            *(Asked(prompt.id, prompt, True) for prompt in red),
            *(
                Asked(f"{prompt.id}/sample {number}", prompt, False)
                for prompt in helpful
                for number in range(config.helpful_samples)
            ),
        ]

    def _sampling(self, stop: Sequence[str]) -> Sampling:
        return Sampling(self.config.max_tokens, temperature=self.config.temperature, stop=tuple(stop))

    def _report(self, made: DatasetSpec, asked: Sequence[Asked], workshop: Workshop) -> None:
        """Say how many rows were dropped. Raises UserError where all were."""
        if not made.rows:
            raise UserError(
                f"{self.name} made no row: every answer or revision was empty, no turn of a dialogue or too long for "
                "the context; lower 'examples', 'rounds' or 'max_tokens', or choose a larger model."
            )
        wanted = sum(max(1, self.config.rounds) if each.revised else 1 for each in asked)
        workshop.progress(2 * len(asked), 2 * len(asked), f"{wanted - made.rows:,} of {wanted:,} rows dropped")


def rows(draft: Draft, kind: str, revisions: Sequence[Revision] | None) -> list[dict[str, JSON]]:
    """A row for each revision, with all that led to it; where none was asked for, the draft's own."""
    if revisions is None:
        return [_row(draft, kind, 0, draft.answer, ())]
    return [
        _row(
            draft,
            kind,
            revision.round,
            revision.text,
            [
                {"principle": step.principle.id, "critique": step.critique, "revision": step.revision}
                for step in revision.steps
            ],
        )
        for revision in revisions
    ]


def _row(draft: Draft, kind: str, round: int, text: str, chain: Sequence[Mapping[str, str]]) -> dict[str, JSON]:
    return {
        "id": f"{draft.id}/round {round}",
        "kind": kind,
        "round": round,
        "text": render([Turn("Human", draft.prompt), Turn("Assistant", text)]),
        "principles": [step["principle"] for step in chain],
        "chain": list(chain),
        "prompt": draft.prompt,
        "answer": draft.answer,
    }
