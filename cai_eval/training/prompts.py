"""What is put to policies: red-team prompts, helpful ones, and those that policies are chosen and tested by.

A laboratory has rows {"id", "prompt", "kind", "cluster"}; of the published comparisons of Bai et al. 2022a
(hh-rlhf), the first human turn is taken.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from cai_eval.contracts import Published, Source
from cai_eval.data import Row, item_id, read
from cai_eval.dialogue import Turn, parse_turns
from cai_eval.errors import UserError, unknown

HARMFUL = "harmful"


@dataclass(frozen=True)
class Prompt:
    """text: of the human's turn. kind: "harmful", "benign", "alarming" or "question". cluster: as of an item."""

    id: str
    text: str
    kind: str
    cluster: str


def _published(name: str, file: str) -> Published:
    return Published(name, file, source="https://huggingface.co/datasets/Anthropic/hh-rlhf", licence="MIT")


RED_TEAM = _published("red-team-prompts", "harmless-base_train.jsonl.gz")
HELPFUL = _published("helpful-prompts", "helpful-base_train.jsonl.gz")
VALIDATION = _published("validation-prompts", "helpful-base_test.jsonl.gz")
TEST = _published("test-prompts", "harmless-base_test.jsonl.gz")
SETS: Mapping[str, Published] = {data.name: data for data in (RED_TEAM, HELPFUL, VALIDATION, TEST)}


def read_prompts(source: Source, name: str, count: int | None, seed: int, kinds: Collection[str] = ()) -> list[Prompt]:
    """`count` prompts of a set in random order, or all where the source has no more, or none is named.

    kinds: those wanted; all by default. A larger count begins with the same prompts. Prompts that come twice count
    once; an empty one, and one that holds another turn, cannot be asked and is left out. Raises UserError for an
    unknown set, for rows that cannot be read and where no prompt is left.
    """
    if name not in SETS:
        raise unknown("set of prompts", name, SETS)
    kind = HARMFUL if SETS[name].file.startswith("harmless") else "benign"
    rows = read(source, SETS[name], lambda row: _prompt(row, kind))
    wanted = (prompt for prompt in rows if is_one_turn(prompt.text) and prompt.kind in (kinds or (prompt.kind,)))
    prompts = {prompt.text: prompt for prompt in wanted}
    if not prompts:
        which = f" of the kinds {', '.join(kinds)}: name others" if kinds else ": give a file with at least one row"
        raise UserError(f"{name} holds no prompt{which}.")
    return sorted(prompts.values(), key=lambda prompt: _place(prompt, seed))[:count]


def is_one_turn(text: str) -> bool:
    """Whether a text is a turn of a dialogue, read back as it was written."""
    try:
        return parse_turns(f"Human: {text}") == (Turn("Human", text),)
    except UserError:
        return False


def _place(prompt: Prompt, seed: int) -> bytes:
    return hashlib.sha256(f"{seed} {prompt.id}".encode()).digest()


def _prompt(row: Row, kind: str) -> Prompt:
    if "prompt" in row:
        return Prompt(row["id"], row["prompt"].strip(), row["kind"], row.get("cluster") or row["id"])
    text = _first_turn(row["chosen"])
    return Prompt(item_id(text), text, kind, item_id(text))


def _first_turn(transcript: str) -> str:
    """What the human says first in "\n\nHuman: …\n\nAssistant: …"."""
    _, _, said = transcript.partition("Human:")
    return said.partition("\n\nAssistant:")[0].strip()
