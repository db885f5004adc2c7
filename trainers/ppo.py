"""Reinforcement learning from a preference model (Bai et al. 2022a, §4.1; 2022b, §4): RLHF or RL-CAI, by whose
preferences the model was trained on.

PPO against reward − β · KL(policy ‖ reference), on prompts of the post-training split.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from cai_eval.contracts import JSON, Artefact, Input, Kind, PolicySpec, ScorerSpec, Workshop


class PPO:
    """Trains `start` towards `reward`, held near `reference`: near itself as it was, unless a suite names another."""

    name: ClassVar[str] = "ppo"
    version: ClassVar[str] = "1"
    title: ClassVar[str] = "PPO"
    inputs: ClassVar[Mapping[str, Input]] = {
        "start": Input("policy"),
        "reference": Input("policy", None, optional=True),
        "reward": Input("scorer", None),
        "held_out": Input("scorer", None, optional=True),
    }
    output: ClassVar[Kind] = "policy"
    instant: ClassVar[bool] = False

    class Config(BaseModel):
        """What is asked, how long, how far from the reference, how fast."""

        model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

        prompts: dict[str, PositiveFloat] = Field(
            {"helpful-prompts": 1.0}, min_length=1, description="sets of prompts and the share of each"
        )
        updates: PositiveInt = Field(60, description="rounds of sampling and learning")
        batch: PositiveInt = Field(64, description="prompts an update, one answer each")
        epochs: PositiveInt = Field(1, description="times that each answer is learnt from")
        minibatches: PositiveInt = Field(4, description="optimiser steps an epoch")
        rate: PositiveFloat | None = Field(
            None, description="learning rate, constant; by default 1e-4 up to 10M parameters, else 3e-6"
        )
        warmup: NonNegativeInt = Field(8, description="optimiser steps of rising rate")
        kl: NonNegativeFloat = Field(0.05, description="coefficient of the KL penalty; 0.001 in the paper")
        kl_target: PositiveFloat | None = Field(None, description="nats an answer that the coefficient adapts to")
        clip: PositiveFloat = Field(0.2, description="of probability ratios")
        value_clip: PositiveFloat = Field(1.0, description="of values, in units of the reward")
        value_weight: NonNegativeFloat = Field(0.1, description="of the value loss beside the policy's")
        gamma: PositiveFloat = Field(1.0, le=1, description="discount a token")
        lam: NonNegativeFloat = Field(0.95, le=1, description="λ of the advantage estimates")
        max_tokens: PositiveInt = Field(48, description="of an answer, what ends it included")
        cut_penalty: NonNegativeFloat = Field(0.0, description="off the reward of an answer that max_tokens cut")
        snapshots: tuple[PositiveInt, ...] = Field((), description="updates after which `ppo-snapshot` finds a policy")
        precision: Literal["fp32", "bf16"] = Field("fp32", description="of forward passes")
        lora_rank: NonNegativeInt = Field(0, description="of low-rank adapters; 0 trains all weights")

        @model_validator(mode="after")
        def _consistent(self) -> PPO.Config:
            if self.minibatches > self.batch:
                raise ValueError("minibatches must not exceed batch: each needs an answer")
            if any(update > self.updates for update in self.snapshots):
                raise ValueError("snapshots must not exceed updates")
            return self

    def __init__(self, config: Config) -> None:
        self.config = config

    def alternatives(self) -> Sequence[Mapping[str, JSON]]:
        return (self.config.model_dump(mode="json"),)

    def run(self, inputs: Mapping[str, Artefact], workshop: Workshop) -> Artefact:
        """Raises UserError for prompts that cannot be had, and as `train_ppo` does."""
        from cai_eval.dialogue import exchange
        from cai_eval.inference.encoding import Encoder
        from cai_eval.training.lora import of_rank
        from cai_eval.training.ppo.loop import train_ppo
        from cai_eval.training.ppo.turns import draw_turns
        from cai_eval.training.ppo.updates import Settings
        from cai_eval.training.rates import usual_rate

        start, reward, config = inputs["start"], inputs["reward"], self.config
        reference, held_out = inputs.get("reference", start), inputs.get("held_out")
        assert isinstance(start, PolicySpec)
        assert isinstance(reference, PolicySpec)
        assert isinstance(reward, ScorerSpec)
        encoder = Encoder(workshop.tokenizer(start), start.prefix)
        scorers = [scorer for scorer in (reward, held_out) if isinstance(scorer, ScorerSpec)]
        contexts = [
            start.context - len(encoder.head),
            *(scorer.context - 1 for scorer in scorers),
        ]  # theirs ends a text
        room = min(contexts) - config.max_tokens
        turns = draw_turns(
            workshop.source,
            config.prompts,
            config.updates,
            config.batch,
            workshop.seed,
            lambda turn: len(encoder.prompts([exchange(turn, "dialogue")])[0]) <= room,
        )
        return train_ppo(
            start,
            reference,
            workshop.scorer(reward),
            workshop.scorer(held_out) if isinstance(held_out, ScorerSpec) else None,
            turns,
            Settings(
                rate=config.rate or usual_rate(start.parameters, small=1e-4, other=3e-6),
                warmup=config.warmup,
                epochs=config.epochs,
                minibatches=config.minibatches,
                max_tokens=config.max_tokens,
                coefficient=config.kl,
                kl_target=config.kl_target,
                clip=config.clip,
                value_clip=config.value_clip,
                value_weight=config.value_weight,
                gamma=config.gamma,
                lam=config.lam,
                cut_penalty=config.cut_penalty,
                precision=config.precision,
            ),
            workshop,
            snapshots=config.snapshots,
            lora=of_rank(config.lora_rank),
        )
