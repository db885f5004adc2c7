"""Conversations with a helpful, honest assistant, put before every question (Askell et al. 2021, §2).

`hhh.txt` is our own text to the paper's structure: 14 conversations in which nobody asks for harm and nothing
is refused, so that harmlessness, where it shows, has generalised. It was finished before any score was seen.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from cai_eval.contracts import JSON, Artefact, Input, Kind, PolicySpec, Workshop
from cai_eval.dialogue import Prompt, parse_prompt
from cai_eval.errors import UserError
from cai_eval.prefixes import make_prefix


class HHHPrompt:
    """Puts the first k conversations before every context, in dialogue format.

    With "auto" the planner may take fewer where contexts are small: one k for a whole ladder and benchmark.
    The text is the file that the config names, else the source's own ("hhh-prompt"), else `hhh.txt`.
    """

    name: ClassVar[str] = "hhh-prompt"
    version: ClassVar[str] = "1"
    title: ClassVar[str] = "HHH prompt"
    inputs: ClassVar[Mapping[str, Input]] = {"start": Input("policy")}
    output: ClassVar[Kind] = "policy"
    instant: ClassVar[bool] = True

    class Config(BaseModel):
        """Which conversations, and how many."""

        model_config = ConfigDict(extra="forbid", frozen=True)

        prompt: str = Field("", description="a file of your own, a line '-----' after each conversation")
        conversations: PositiveInt | Literal["auto"] = Field(
            "auto", description="at most so many, the first of the file; auto: as many as fit"
        )

    def __init__(self, config: Config) -> None:
        self.config = config

    def alternatives(self) -> Sequence[Mapping[str, JSON]]:
        config = self.config.model_dump()
        if self.config.conversations != "auto":
            return (config,)
        most = len(self._prompt(None).conversations)
        return (config, *({**config, "conversations": k} for k in range(most - 1, 0, -1)))

    def run(self, inputs: Mapping[str, Artefact], workshop: Workshop) -> Artefact:
        """Raises UserError where the prompt cannot be read."""
        start = inputs["start"]
        assert isinstance(start, PolicySpec)
        prompt = self._prompt(workshop.source.text(self.name))
        have = len(prompt.conversations)
        count = have if self.config.conversations == "auto" else min(self.config.conversations, have)
        label = f"{count} of {have} conversations"
        prefix = make_prefix(workshop.tokenizer(start), prompt.render(count), label)
        return replace(start, format="dialogue", prefix=prefix)

    def _prompt(self, sources_own: str | None) -> Prompt:
        if self.config.prompt:
            return parse_prompt(_read(self.config.prompt), self.config.prompt)
        if sources_own is not None:
            return parse_prompt(sources_own, f"the source's {self.name}")
        return parse_prompt(files(__package__).joinpath("hhh.txt").read_text("utf-8"), "hhh.txt")


def _read(path: str) -> str:
    try:
        return Path(path).expanduser().read_text("utf-8")
    except UnicodeDecodeError:
        raise UserError(f"the prompt file {path!r} is not UTF-8 text; save it as UTF-8.") from None
    except OSError as error:
        raise UserError(f"the prompt file {path!r} cannot be read: {error.strerror}; check it.") from None
