"""A text of one's own before every context."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from cai_eval.contracts import JSON, Artefact, Format, Input, Kind, PolicySpec, Workshop
from cai_eval.prefixes import make_prefix


class Prompt:
    """Puts the config's text before every context, as it stands."""

    name: ClassVar[str] = "prompt"
    version: ClassVar[str] = "1"
    title: ClassVar[str] = "Prompt"
    inputs: ClassVar[Mapping[str, Input]] = {"start": Input("policy")}
    output: ClassVar[Kind] = "policy"
    instant: ClassVar[bool] = True

    class Config(BaseModel):
        """Which text, and how contexts follow it."""

        model_config = ConfigDict(extra="forbid", frozen=True)

        text: str = Field(min_length=1, description="the prompt")
        separator: str = Field("\n\n", description="between the prompt and what follows it")
        format: Format = Field("plain", description="in which questions follow it")
        label: str = Field("own text", description="what figures call it")

    def __init__(self, config: Config) -> None:
        self.config = config

    def alternatives(self) -> Sequence[Mapping[str, JSON]]:
        return (self.config.model_dump(),)

    def run(self, inputs: Mapping[str, Artefact], workshop: Workshop) -> Artefact:
        """Raises UserError where the tokenizer joins the text's end with the separator."""
        start, config = inputs["start"], self.config
        assert isinstance(start, PolicySpec)
        prefix = make_prefix(workshop.tokenizer(start), config.text, config.label, config.separator)
        return replace(start, format=config.format, prefix=prefix)
