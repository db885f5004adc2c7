"""No intervention: the model as it comes."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from cai_eval.contracts import JSON, Artefact, Input, Kind, Workshop


class Nothing:
    """Gives `start` back unchanged."""

    name: ClassVar[str] = "none"
    version: ClassVar[str] = "1"
    title: ClassVar[str] = "No intervention"
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
        return inputs["start"]
