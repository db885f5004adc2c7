"""The Human/Assistant format without a prompt: what the wrapper alone does to a score."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from cai_eval.contracts import JSON, Artefact, Input, Kind, PolicySpec, Workshop


class DialogueOnly:
    """Asks in dialogue format; a control of `hhh-prompt`."""

    name: ClassVar[str] = "dialogue-only"
    version: ClassVar[str] = "1"
    title: ClassVar[str] = "Dialogue format only"
    inputs: ClassVar[Mapping[str, Input]] = {"start": Input("policy")}
    output: ClassVar[Kind] = "policy"
    instant: ClassVar[bool] = True

    class Config(BaseModel):
        """Nothing to choose."""

        model_config = ConfigDict(extra="forbid", frozen=True)

    def __init__(self, config: Config) -> None:
        self.config = config

    def alternatives(self) -> Sequence[Mapping[str, JSON]]:
        return ({},)

    def run(self, inputs: Mapping[str, Artefact], workshop: Workshop) -> Artefact:
        start = inputs["start"]
        assert isinstance(start, PolicySpec)
        return replace(start, format="dialogue")
