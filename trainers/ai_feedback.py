"""AI feedback (Bai et al. 2022b, §4.1): a policy answers each prompt twice, and a model says which answer is better.

It is asked under a principle of a constitution. The label is the chance of the letter that names the first answer, over
both orders (`cai_eval.feedback`). The paper asks the pretrained model at once, or helpful RLHF after a chain of
thought, whose labels are kept within .4 and .6; it draws one principle for each pair.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt

from cai_eval.constitution import seal
from cai_eval.contracts import JSON, Artefact, Input, Kind, PolicySpec, Workshop
from cai_eval.feedback import MASS, clamp, mass
from cai_eval.training.prompts import read_prompts

if TYPE_CHECKING:
    from cai_eval.training.choosing import Verdicts
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

        model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

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
        from cai_eval.training.choosing import choose, thinking, to_choose_by
        from cai_eval.training.labelling import draw_pairs, label_pairs

        config, sampler, feedback = self.config, inputs["sampler"], inputs["feedback"]
        assert isinstance(sampler, PolicySpec)
        assert isinstance(feedback, PolicySpec)
        constitution = to_choose_by(config.constitution, config.principles, config.examples)
        reasoning = thinking(constitution, config.reasonings, config.reasoning_tokens, config.temperature)
        prompts = read_prompts(workshop.source, config.prompts, config.count, workshop.seed)
        pairs = draw_pairs(workshop, sampler, prompts, config.pairs, config.max_tokens)

        def label(some: Sequence[Pair]) -> list[dict[str, JSON]]:
            policy = workshop.policy(feedback)
            said = choose(policy, constitution, some, config.principles, reasoning, workshop.seed)
            return [self._row(pair, verdicts) for pair, verdicts in zip(some, said, strict=True) if verdicts]

        return label_pairs(workshop, pairs, label)

    def _row(self, pair: Pair, verdicts: Verdicts) -> dict[str, JSON]:
        """Raises UserError for a model that computes NaN."""
        from cai_eval.training.choosing import chance_of_first
        from cai_eval.training.comparisons import Comparison, as_row

        chance = chance_of_first(verdicts)
        low = self.config.clamp if self.config.clamp is not None else REASONED if self.config.reasonings else 0.0
        labelled = Comparison(
            pair.id, pair.context, pair.first, pair.second, clamp(chance, low), "harmless", "ai", ", ".join(verdicts)
        )
        given = [verdict for each in verdicts.values() for verdict in each]
        said = {id: [verdict.as_json() for verdict in each] for id, each in verdicts.items()}
        return {**as_row(labelled), "chance": chance, MASS.name: mass(given), "verdicts": said}
