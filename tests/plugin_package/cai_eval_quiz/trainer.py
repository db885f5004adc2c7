"""A note before every question."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

from pydantic import BaseModel, Field

from cai_eval.contracts import JSON, Artefact, Input, Kind, PolicySpec, Workshop
from cai_eval.prefixes import make_prefix


class Note:
    """Puts one text before everything that `start` is asked. Trains nothing, so it is instant."""

    name: ClassVar[str] = "note"
    version: ClassVar[str] = "1"
    title: ClassVar[str] = "A note"
    inputs: ClassVar[Mapping[str, Input]] = {"start": Input("policy", default="base")}
    output: ClassVar[Kind] = "policy"
    instant: ClassVar[bool] = True

    class Config(BaseModel, frozen=True, extra="forbid"):
        """text: the note."""

        text: str = Field("Think before you answer.", min_length=1)

    def __init__(self, config: Config) -> None:
        self.config = config

    def alternatives(self) -> Sequence[Mapping[str, JSON]]:
        return (self.config.model_dump(),)

    def run(self, inputs: Mapping[str, Artefact], workshop: Workshop) -> Artefact:
        start = inputs["start"]
        assert isinstance(start, PolicySpec)
        prefix = make_prefix(workshop.tokenizer(start), self.config.text, label="a note")
        return replace(start, prefix=prefix)
