"""Texts that a policy writes behind its prompt, with nothing else before them: to distil it on its own words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, PositiveInt

from cai_eval.contracts import JSON, Artefact, Input, Kind, PolicySpec, Sampling, Workshop

SHARD = 256  #: samples that a kill can lose


class Samples:
    """Rows {"text": …} that `policy` continues its prompt with."""

    name: ClassVar[str] = "samples"
    version: ClassVar[str] = "1"
    title: ClassVar[str] = "A policy's own texts"
    inputs: ClassVar[Mapping[str, Input]] = {"policy": Input("policy", None)}
    output: ClassVar[Kind] = "dataset"
    instant: ClassVar[bool] = False

    class Config(BaseModel):
        """How many, how long, how freely."""

        model_config = ConfigDict(extra="forbid", frozen=True)

        count: PositiveInt = Field(256, description="texts; an empty one is left out")
        tokens: PositiveInt = Field(128, description="of a text, at most")
        temperature: NonNegativeFloat = Field(1.0, description="of sampling")

    def __init__(self, config: Config) -> None:
        self.config = config

    def alternatives(self) -> Sequence[Mapping[str, JSON]]:
        return (self.config.model_dump(),)

    def run(self, inputs: Mapping[str, Artefact], workshop: Workshop) -> Artefact:
        from cai_eval.training.shards import make_dataset

        policy, config = inputs["policy"], self.config
        assert isinstance(policy, PolicySpec)
        sampling = Sampling(config.tokens, temperature=config.temperature)

        def draw(places: range) -> list[dict[str, JSON]]:
            keys = [f"{workshop.seed}/{place}" for place in places]
            drawn = workshop.policy(policy).generate([""] * len(keys), sampling, keys)
            return [{"text": sample.text} for (sample,) in drawn if sample.text.strip()]

        return make_dataset(
            workshop.directory,
            "samples",
            config.count,
            SHARD,
            draw,
            lambda done, total: workshop.progress(done, total, "samples"),
        )
