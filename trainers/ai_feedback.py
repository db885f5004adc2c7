"""AI feedback (Bai et al. 2022b, §4.1): a policy answers each prompt twice, and a model says which answer is better.

It is asked under a principle of a constitution. The label is the chance of the letter that names the first answer, over
both orders (`cai_eval.feedback`). The paper asks the pretrained model at once, or helpful RLHF after a chain of
thought, whose labels are kept within .4 and .6; it draws one principle for each pair.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt

from cai_eval.constitution import Constitution, Principle, load_constitution, seal
from cai_eval.constitution.prompting import comparison_prompt, reasoning_prompt, verdict_prompt, with_examples
from cai_eval.contracts import JSON, Artefact, ContextTooLong, Input, Kind, Policy, PolicySpec, Sampling, Workshop
from cai_eval.errors import UserError
from cai_eval.feedback import MASS, Question, Shown, Verdict, clamp, compare, mass, preference, shown
from cai_eval.scoring import NotScored
from cai_eval.training.prompts import read_prompts

if TYPE_CHECKING:
    from cai_eval.training.labelling import Pair

REASONED = 0.4  #: labels behind a chain of thought are kept between this and one minus it


class AIFeedback:
    """Labels pairs of `sampler`'s answers by `feedback`."""

    name: ClassVar[str] = "ai-feedback"
    version: ClassVar[str] = "2"
    title: ClassVar[str] = "AI feedback"
    inputs: ClassVar[Mapping[str, Input]] = {"sampler": Input("policy", "sl-cai"), "feedback": Input("policy")}
    output: ClassVar[Kind] = "dataset"
    instant: ClassVar[bool] = False

    class Config(BaseModel):
        """Which prompts, by which constitution, with how much thought."""

        model_config = ConfigDict(extra="forbid", frozen=True)

        constitution: Annotated[str, AfterValidator(seal)] = Field(
            "harmlessness", description="a name, a YAML file or a folder of released JSON", validate_default=True
        )
        examples: NonNegativeInt = Field(100, description="shown before each comparison, at most")
        principles: PositiveInt = Field(1, description="drawn for each pair; their probabilities are averaged")
        prompts: str = Field("red-team-prompts", description="the set that the sampler answers")
        count: PositiveInt = Field(1024, description="prompts; all where there are fewer")
        pairs: PositiveInt = Field(1, description="of answers to each prompt")
        max_tokens: PositiveInt = Field(256, description="of an answer")
        reasonings: NonNegativeInt = Field(0, description="chains of thought, their probabilities averaged; 0: none")
        reasoning_tokens: PositiveInt = Field(256, description="of a chain of thought")
        temperature: float = Field(1.0, gt=0, description="of chains of thought")
        clamp: float | None = Field(
            None,
            ge=0,
            le=0.5,
            description="least label; one minus it is the greatest. By default .4 after thought, or 0",
        )

    def __init__(self, config: Config) -> None:
        self.config = config

    def alternatives(self) -> Sequence[Mapping[str, JSON]]:
        return (self.config.model_dump(),)

    def run(self, inputs: Mapping[str, Artefact], workshop: Workshop) -> Artefact:
        """Raises UserError for prompts that cannot be had, too few principles, and where no label came out."""
        from cai_eval.training.labelling import draw_pairs, label_pairs

        config, sampler, feedback = self.config, inputs["sampler"], inputs["feedback"]
        assert isinstance(sampler, PolicySpec)
        assert isinstance(feedback, PolicySpec)
        constitution = with_examples(load_constitution(config.constitution), config.examples)
        there = len(constitution.comparing)
        if config.principles > there:
            raise UserError(
                f"{config.constitution} has {there} principles to choose by and {self.name} needs {config.principles}: "
                "lower 'principles' or choose another constitution."
            )
        prompts = read_prompts(workshop.source, config.prompts, config.count, workshop.seed)
        pairs = draw_pairs(workshop, sampler, prompts, config.pairs, config.max_tokens)

        def label(some: Sequence[Pair]) -> list[dict[str, JSON]]:
            return self._label(workshop.policy(feedback), constitution, some, workshop.seed)

        return label_pairs(workshop, pairs, label)

    def _label(
        self, policy: Policy, constitution: Constitution, pairs: Sequence[Pair], seed: int
    ) -> list[dict[str, JSON]]:
        """The rows of the pairs that fit in the policy's context. Raises UserError for a model that computes NaN."""
        drawn = [
            Random(f"{seed}/principles/{pair.id}").sample(constitution.comparing, self.config.principles)
            for pair in pairs
        ]
        questions = [
            self._question(constitution, pair, principle, seed)
            for pair, principles in zip(pairs, drawn, strict=True)
            for principle in principles
        ]
        try:
            verdicts = iter(compare(policy, questions, self._reasoning(constitution)))
        except ContextTooLong:
            if len(pairs) == 1:
                return []
            return [row for pair in pairs for row in self._label(policy, constitution, [pair], seed)]
        return [
            self._row(pair, {principle.id: next(verdicts) for principle in principles})
            for pair, principles in zip(pairs, drawn, strict=True)
        ]

    def _question(self, constitution: Constitution, pair: Pair, principle: Principle, seed: int) -> Question:
        def order(first: str, second: str) -> Shown:
            asked = (constitution, pair.context, principle.comparison, first, second)
            if not self.config.reasonings:
                return shown(comparison_prompt(*asked), cue="")
            return Shown(reasoning_prompt(*asked), partial(verdict_prompt, *asked))

        key = f"{seed}/feedback/{pair.id}/{principle.id}"
        return Question(key, (order(pair.first, pair.second), order(pair.second, pair.first)))

    def _reasoning(self, constitution: Constitution) -> Sampling | None:
        config = self.config
        if not config.reasonings:
            return None
        stop = constitution.templates.stop
        return Sampling(config.reasoning_tokens, config.reasonings, temperature=config.temperature, stop=stop)

    def _row(self, pair: Pair, verdicts: Mapping[str, Sequence[Verdict]]) -> dict[str, JSON]:
        """verdicts: id of each principle → what was said by it."""
        from cai_eval.training.comparisons import Comparison, as_row

        given = [verdict for each in verdicts.values() for verdict in each]
        try:
            chance = preference(given)
        except NotScored as reason:
            raise UserError(f"the feedback model cannot label: {reason}; take another, or more precision.") from reason
        low = self.config.clamp if self.config.clamp is not None else REASONED if self.config.reasonings else 0.0
        labelled = Comparison(
            pair.id, pair.context, pair.first, pair.second, clamp(chance, low), "harmless", "ai", ", ".join(verdicts)
        )
        said = {id: [verdict.as_json() for verdict in each] for id, each in verdicts.items()}
        return {**as_row(labelled), "chance": chance, MASS.name: mass(given), "verdicts": said}
