"""Text of equal token length and no advice: what any long prefix does to a score.

`neutral.txt` describes places, machines and trades; nobody speaks, asks or recommends in it. It is longer than our
HHH prompt under the tokenizers that we know; a longer prefix makes it start again.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.resources import files
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from cai_eval.contracts import JSON, Artefact, Format, Input, Kind, PolicySpec, Prefix, Workshop
from cai_eval.errors import UserError
from cai_eval.prefixes import encode, make_prefix


class NeutralPrefix:
    """Puts as many tokens of neutral text before every context as `match` has: a control of `hhh-prompt`."""

    name: ClassVar[str] = "neutral-prefix"
    version: ClassVar[str] = "1"
    title: ClassVar[str] = "Neutral prefix"
    inputs: ClassVar[Mapping[str, Input]] = {
        "start": Input("policy"),
        "match": Input("policy", default="hhh-prompt"),
    }
    output: ClassVar[Kind] = "policy"
    instant: ClassVar[bool] = True

    class Config(BaseModel):
        """Which text, and in which format questions follow it."""

        model_config = ConfigDict(extra="forbid", frozen=True)

        text: str = Field("neutral-prefix", description="a text of the source by name, where it has one")
        format: Format = Field(
            "plain", description="plain, or dialogue where only the prompt's own words are in question"
        )

    def __init__(self, config: Config) -> None:
        self.config = config

    def alternatives(self) -> Sequence[Mapping[str, JSON]]:
        return (self.config.model_dump(),)

    def run(self, inputs: Mapping[str, Artefact], workshop: Workshop) -> Artefact:
        """Raises UserError where `match` has no prefix, or no stretch of the text has exactly its length."""
        start, match = inputs["start"], inputs["match"]
        assert isinstance(start, PolicySpec)
        assert isinstance(match, PolicySpec)
        tokens = len(match.prefix.ids)
        if not tokens:
            raise UserError(f"{self.name} has no length to match: name a prompted policy as its input 'match'.")
        text = workshop.source.text(self.config.text) or files(__package__).joinpath("neutral.txt").read_text("utf-8")
        return replace(
            start, format=self.config.format, prefix=_of_length(workshop.tokenizer(start), text.strip(), tokens)
        )


def _of_length(tokenizer: Any, text: str, tokens: int) -> Prefix:
    """The first stretch of `text` that is exactly `tokens` long and ends with a word.

    The text is taken round and round. A word may be several tokens, so not every start has such a stretch;
    the first sentence that has one is the start.
    """
    copies = tokens // len(encode(tokenizer, text)) + 2
    for turned in _rotations(text):
        long = "\n\n".join([turned] * copies)
        _, end = tokenizer(long, return_offsets_mapping=True, verbose=False)["offset_mapping"][tokens - 1]
        if re.fullmatch(r"\w\W", long[end - 1 : end + 1]):
            prefix = make_prefix(tokenizer, long[:end], f"neutral text, {tokens:,} tokens")
            if len(prefix.ids) == tokens:
                return prefix
    raise UserError(f"no stretch of the neutral text is exactly {tokens:,} tokens long in this model's tokenizer.")


def _rotations(text: str) -> Iterator[str]:
    """The text from its first sentence on, from its second, ..., each followed by what it left out."""
    yield text
    for gap in re.finditer(r"(?<=\.)\s+", text):
        yield f"{text[gap.end() :]}\n\n{text[: gap.start()]}"
