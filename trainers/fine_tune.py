"""Fine-tuning: on dialogues, masked to the assistant's answers, or on a prompt's own text.

The second is the control of context distillation (Askell et al. 2021, §2.1, figure 26): a model that has learnt the
prompt's words has not learnt to behave as if it stood before every question.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveFloat, PositiveInt

from cai_eval.contracts import JSON, Artefact, DatasetSpec, Format, Input, Kind, PolicySpec, Workshop
from cai_eval.errors import UserError

if TYPE_CHECKING:
    from cai_eval.training.data import Example


class FineTune:
    """Trains `start` on `dialogues`; where a suite names none, on the text that `prompt` puts before its contexts."""

    name: ClassVar[str] = "fine-tune"
    version: ClassVar[str] = "1"
    title: ClassVar[str] = "Fine-tuned"
    inputs: ClassVar[Mapping[str, Input]] = {
        "start": Input("policy"),
        "prompt": Input("policy", "hhh-prompt", optional=True),
        "dialogues": Input("dataset", None, optional=True),
    }
    output: ClassVar[Kind] = "policy"
    instant: ClassVar[bool] = False

    class Config(BaseModel):
        """How long, how fast, how."""

        model_config = ConfigDict(extra="forbid", frozen=True)

        steps: PositiveInt = Field(100, description="optimiser steps")
        rows: PositiveInt = Field(8, description="dialogues, or windows of the text, a step")
        tokens: int = Field(512, ge=2, description="of a window of the text, at most")
        rate: PositiveFloat | None = Field(
            None, description="peak learning rate, falling to 0; by default 3e-4 up to 10M parameters, else 1e-5"
        )
        warmup: NonNegativeInt = Field(5, description="steps of rising rate")
        precision: Literal["fp32", "bf16"] = Field("fp32", description="of the forward pass")
        lora_rank: NonNegativeInt = Field(0, description="of low-rank adapters; 0 trains all weights")

    def __init__(self, config: Config) -> None:
        self.config = config

    def alternatives(self) -> Sequence[Mapping[str, JSON]]:
        return (self.config.model_dump(),)

    def run(self, inputs: Mapping[str, Artefact], workshop: Workshop) -> Artefact:
        """Raises UserError for rows that cannot be read or do not fit, and as the training does."""
        from cai_eval.training.data import example_batches
        from cai_eval.training.lora import of_rank
        from cai_eval.training.objectives import causal_lm
        from cai_eval.training.optimisation import Optimisation
        from cai_eval.training.policies import train_policy
        from cai_eval.training.rates import usual_rate

        start, config = inputs["start"], self.config
        assert isinstance(start, PolicySpec)
        rate = config.rate or usual_rate(start.parameters, small=3e-4, other=1e-5)
        examples, format = self._examples(start, inputs, workshop)
        return train_policy(
            start,
            workshop,
            example_batches(examples, config.rows, workshop.seed),
            causal_lm,
            Optimisation(config.steps, rate, config.warmup, precision=config.precision, seed=workshop.seed),
            format=format,
            lora=of_rank(config.lora_rank),
        )

    def _examples(
        self, start: PolicySpec, inputs: Mapping[str, Artefact], workshop: Workshop
    ) -> tuple[list[Example], Format]:
        """What is learnt, and in which format the learner is to be asked."""
        from cai_eval.training.data import conversations, dialogue_examples, text_examples

        tokenizer = workshop.tokenizer(start)
        match inputs:
            case {"dialogues": DatasetSpec() as dialogues}:
                return dialogue_examples(tokenizer, conversations(workshop.rows(dialogues)), start.context), "dialogue"
            case {"prompt": PolicySpec(prefix=prefix, format=format)} if prefix.text:
                return text_examples(tokenizer, [prefix.text], min(self.config.tokens, start.context)), format
            case _:
                raise UserError(f"{self.name} has nothing to learn: name its input 'dialogues', or a prompted policy.")
