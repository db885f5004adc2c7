"""Context distillation (Askell et al. 2021, §2.1, B.5): a student that predicts alone what its teacher predicts
behind a prompt.

KL(teacher behind the prompt ‖ student) is averaged over the tokens of texts: half of them plain, read by the teacher as
a human's turn, half the openings of conversations; or rows {"text": …} that a suite names as `texts`. The teacher's 50
likeliest tokens and one bucket for the rest are computed once for all students and kept in the user's cache.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveFloat, PositiveInt

from cai_eval.contracts import JSON, Artefact, DatasetSpec, Input, Kind, PolicySpec, Published, Workshop
from cai_eval.errors import UserError

from .texts import CONVERSATIONS, PLAIN, as_read, draw_texts, opening


class ContextDistillation:
    """Trains `start` towards `teacher`: the ladder's largest rung, prompted, unless a suite names another."""

    name: ClassVar[str] = "context-distillation"
    version: ClassVar[str] = "1"
    title: ClassVar[str] = "Context distillation"
    inputs: ClassVar[Mapping[str, Input]] = {
        "start": Input("policy"),
        "teacher": Input("policy", "hhh-prompt@largest"),
        "texts": Input("dataset", None, optional=True),
    }
    output: ClassVar[Kind] = "policy"
    instant: ClassVar[bool] = False
    data: ClassVar[tuple[Published, ...]] = (PLAIN, CONVERSATIONS)

    class Config(BaseModel):
        """Which texts, how closely, how long, how fast."""

        model_config = ConfigDict(extra="forbid", frozen=True)

        texts: PositiveInt = Field(2000, description="texts to distil on, where a suite names none")
        tokens: int = Field(256, ge=2, description="of a text, at most")
        k: PositiveInt = Field(50, description="the teacher's likeliest tokens that are told apart")
        exact: bool = Field(False, description="KL over the whole vocabulary; the teacher then runs in every step")
        steps: PositiveInt = Field(150, description="optimiser steps")
        rows: PositiveInt = Field(32, description="texts a step")
        rate: PositiveFloat | None = Field(
            None, description="peak learning rate, falling to 0; by default 1e-3 up to 10M parameters, else 5e-5"
        )
        warmup: NonNegativeInt = Field(5, description="steps of rising rate")
        precision: Literal["fp32", "bf16"] = Field("fp32", description="of the student's forward pass")
        lora_rank: NonNegativeInt = Field(0, description="of low-rank adapters; 0 trains all weights")

    def __init__(self, config: Config) -> None:
        self.config = config

    def alternatives(self) -> Sequence[Mapping[str, JSON]]:
        return (self.config.model_dump(),)

    def run(self, inputs: Mapping[str, Artefact], workshop: Workshop) -> Artefact:
        """Raises UserError for a teacher without prefix or with another tokenizer, and as the training does."""
        from cai_eval.caches import cache_directory
        from cai_eval.training.distillation import Lesson
        from cai_eval.training.lora import of_rank
        from cai_eval.training.optimisation import Optimisation
        from cai_eval.training.policies import train_policy
        from cai_eval.training.rates import usual_rate

        start, teacher, config = inputs["start"], inputs["teacher"], self.config
        assert isinstance(start, PolicySpec)
        assert isinstance(teacher, PolicySpec)
        if not teacher.prefix.ids:
            raise UserError(f"the teacher of {self.name} has no prompt: name a prompted policy as its input 'teacher'.")
        texts = as_read(self._texts(inputs, workshop), teacher.format, opening(workshop.tokenizer(start)))
        rate = config.rate or usual_rate(start.parameters, small=1e-3, other=5e-5)
        lesson = Lesson(workshop, start, teacher, texts, config.tokens)
        if config.exact:
            batches, objective = lesson.exact(config.rows)
        else:
            batches, objective = lesson.cached(config.rows, config.k, cache_directory() / "targets")
        return train_policy(
            start,
            workshop,
            batches,
            objective,
            Optimisation(config.steps, rate, config.warmup, precision=config.precision, seed=workshop.seed),
            format=teacher.format,
            lora=of_rank(config.lora_rank),
        )

    def _texts(self, inputs: Mapping[str, Artefact], workshop: Workshop) -> list[str]:
        match inputs:
            case {"texts": DatasetSpec() as texts}:
                return [_text(row, number) for number, row in enumerate(workshop.rows(texts), 1)]
            case _:
                return draw_texts(workshop.source, self.config.texts, workshop.seed)


def _text(row: Mapping[str, JSON], number: int) -> str:
    match row:
        case {"text": str(text)}:
            return text
        case _:
            raise UserError(f'row {number} of the texts to distil on: expected {{"text": "…"}}.')
