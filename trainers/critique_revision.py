"""Revised answers (Bai et al. 2022b, §3.1): the data that SL-CAI is fine-tuned on.

A policy answers red-team prompts; a critic finds fault with the answers by principles of a constitution and revises
them, several times. Answers of the policy to harmless prompts are mixed in as they are, so that a model that learns
from the rows stays helpful. Every revision is a row that holds all that led to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, NonNegativeFloat, NonNegativeInt, PositiveInt

from cai_eval.constitution import Constitution, seal
from cai_eval.contracts import JSON, Artefact, Input, Kind, Policy, PolicySpec, Sampling, Workshop
from cai_eval.dialogue import STOPS, Turn, exchange, render
from cai_eval.errors import UserError
from cai_eval.training.prompts import Prompt, read_prompts
from cai_eval.training.revising import Draft, Revision, revise, say, to_revise_by

SHARD = 128  #: prompts whose rows a kill can lose


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

        model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

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
        """All answers before all revisions, so that one model is in use at a time; both in shards.

        Raises UserError for prompts that cannot be had, too few principles, and where no row came out.
        """
        from cai_eval.training.shards import make_dataset

        sampler, critic = inputs["sampler"], inputs["critic"]
        assert isinstance(sampler, PolicySpec)
        assert isinstance(critic, PolicySpec)
        config, asked = self.config, self._asked(workshop)
        constitution = to_revise_by(config.constitution, config.principles, config.examples)
        answers = make_dataset(
            workshop.directory / "answers",
            "answers",
            len(asked),
            SHARD,
            lambda places: self._answers(workshop.policy(sampler), workshop.seed, [asked[i] for i in places]),
            lambda done, total: workshop.progress(done, 2 * total, "answers"),
        )
        answered = [(one, str(row["answer"])) for one, row in zip(asked, workshop.rows(answers), strict=True)]
        made = make_dataset(
            workshop.directory,
            "revisions",
            len(asked),
            SHARD,
            lambda places: self._rows(
                workshop.policy(critic), constitution, workshop.seed, [answered[i] for i in places]
            ),
            lambda done, total: workshop.progress(total + done, 2 * total, "revisions"),
        )
        wanted = sum(config.rounds if one.revised else 1 for one in asked)
        if not made.rows:
            raise UserError(
                f"all {wanted:,} rows of {self.name} were dropped, as answers or revisions were empty, no turn of a "
                "dialogue or too long for the context: lower 'examples', 'rounds' or 'max_tokens', or other models."
            )
        workshop.progress(2 * len(asked), 2 * len(asked), f"{wanted - made.rows:,} of {wanted:,} rows dropped")
        return made

    def _asked(self, workshop: Workshop) -> list[Asked]:
        config = self.config
        red = read_prompts(workshop.source, config.prompts, config.count, workshop.seed)
        asked = [Asked(prompt.id, prompt, revised=config.rounds > 0) for prompt in red]
        if config.helpful_count:
            for prompt in read_prompts(workshop.source, config.helpful_prompts, config.helpful_count, workshop.seed):
                samples = range(config.helpful_samples)
                asked += [Asked(f"{prompt.id}/sample {number}", prompt, revised=False) for number in samples]
        return asked

    def _answers(self, sampler: Policy, seed: int, asked: Sequence[Asked]) -> list[dict[str, JSON]]:
        """What the sampler says in a dialogue, whatever its format."""
        prompts = [exchange(one.prompt.text, "dialogue") for one in asked]
        said = say(sampler, prompts, self._sampling(STOPS), [f"{seed}/answer/{one.id}" for one in asked])
        return [{"id": one.id, "answer": text} for one, text in zip(asked, said, strict=True)]

    def _rows(
        self, critic: Policy, constitution: Constitution, seed: int, answered: Sequence[tuple[Asked, str]]
    ) -> list[dict[str, JSON]]:
        """The rows of some answers, of which an empty one has none."""
        drafts = [(one, Draft(one.id, one.prompt.text, answer)) for one, answer in answered if answer]
        chains = revise(
            critic,
            constitution,
            [draft for one, draft in drafts if one.revised],
            self.config.rounds,
            self._sampling(constitution.templates.stop),
            seed,
            direct=self.config.direct,
        )
        left = iter(chains)
        return [
            row(draft, one.prompt.kind, revision)
            for one, draft in drafts
            for revision in (next(left) if one.revised else [None])
        ]

    def _sampling(self, stop: Sequence[str]) -> Sampling:
        return Sampling(self.config.max_tokens, temperature=self.config.temperature, stop=tuple(stop))


def row(draft: Draft, kind: str, revision: Revision | None = None) -> dict[str, JSON]:
    """A dialogue to learn from, the draft's own or the revised one, with all that led to it."""
    steps = revision.steps if revision else ()
    text = revision.text if revision else draft.answer
    number = revision.round if revision else 0
    return {
        "id": f"{draft.id}/round {number}",
        "kind": kind,
        "round": number,
        "text": render([Turn("Human", draft.prompt), Turn("Assistant", text)]),
        "principles": [step.principle.id for step in steps],
        "chain": [
            {"principle": step.principle.id, "critique": step.critique, "revision": step.revision} for step in steps
        ],
        "prompt": draft.prompt,
        "answer": draft.answer,
    }
