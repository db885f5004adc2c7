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


FOLDERS: Mapping[str, str] = {HARMFUL: "harmless-base", "benign": "helpful-base"}  #: kind → of hh-rlhf


def _published(name: str, split: str, *kinds: str) -> Published:
    folders = [FOLDERS[kind] for kind in kinds]
    return Published(
        name,
        file=",".join(f"{folder}/{split}.jsonl.gz" for folder in folders),
        hub=("Anthropic/hh-rlhf", ",".join(f"{folder}/" for folder in folders), split),
        source="https://huggingface.co/datasets/Anthropic/hh-rlhf",
        licence="MIT",
    )


RED_TEAM = _published("red-team-prompts", "train", HARMFUL)
HELPFUL = _published("helpful-prompts", "train", "benign")
VALIDATION = _published("validation-prompts", "train", HARMFUL, "benign")
TEST = _published("test-prompts", "test", HARMFUL, "benign")
SETS: Mapping[str, Published] = {data.name: data for data in (RED_TEAM, HELPFUL, VALIDATION, TEST)}

#: Of ten parts, those that a set has of the published prompts. A prompt's text alone says which part it is in: many
#: stand in several conversations, and so in both of the published splits.
PARTS: Mapping[str, range] = {
    RED_TEAM.name: range(6),
    HELPFUL.name: range(6),
    VALIDATION.name: range(6, 7),
    TEST.name: range(7, 10),
}


def read_rows(source: Source, name: str, kinds: Collection[str] = ()) -> list[tuple[Prompt, Row]]:
    """The rows of a set with their prompts: a laboratory's, or published comparisons with their first human turn.

    kinds: those wanted; all by default. Raises UserError for an unknown set and for rows that cannot be read.
    """
    if name not in SETS:
        raise unknown("set of prompts", name, SETS)
    rows = read(source, SETS[name], lambda row: (_prompt(row, SETS[name]), row))
    return [
        (prompt, row)
        for prompt, row in rows
        if prompt.kind in (kinds or (prompt.kind,)) and ("prompt" in row or _part(prompt) in PARTS[name])
    ]


def read_prompts(source: Source, name: str, count: int | None, seed: int, kinds: Collection[str] = ()) -> list[Prompt]:
    """`count` prompts of a set in random order, or all where the source has no more, or none is named.

    kinds: those wanted; all by default. A larger count begins with the same prompts. Prompts that come twice count
    once; an empty one, and one that holds another turn, cannot be asked and is left out. Raises UserError for an
    unknown set, for rows that cannot be read and where no prompt is left.
    """
    prompts = {prompt.text: prompt for prompt, _ in read_rows(source, name, kinds) if is_one_turn(prompt.text)}
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


def _part(prompt: Prompt) -> int:
    return int(hashlib.sha256(prompt.text.encode()).hexdigest(), 16) % 10


def _prompt(row: Row, data: Published) -> Prompt:
    if "prompt" in row:
        return Prompt(row["id"], row["prompt"].strip(), row["kind"], row.get("cluster") or row["id"])
    text = _first_turn(row["chosen"])
    folder = row.get("configuration", data.file).partition("/")[0]
    kind = next(kind for kind, name in FOLDERS.items() if name == folder)
    return Prompt(item_id(text), text, kind, item_id(text))


def _first_turn(transcript: str) -> str:
    """What the human says first in "\n\nHuman: …\n\nAssistant: …"."""
    _, _, said = transcript.partition("Human:")
    return said.partition("\n\nAssistant:")[0].strip()
