"""Comparisons of two answers to one prompt, and how sure it is that the first is better.

A preference model learns from them, whoever made them: people, a model under a principle, or an oracle.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256

from cai_eval.contracts import JSON
from cai_eval.data import item_id
from cai_eval.dialogue import Role, Turn, awaiting_reply, render
from cai_eval.errors import UserError

_TURN = re.compile(r"\n\n(Human|Assistant):")


@dataclass(frozen=True)
class Comparison:
    """One labelled pair.

    prompt: a conversation that awaits its reply (`dialogue.awaiting_reply`). first, second: the answers, without blanks
    around them. label: the chance that the first is better, in [0, 1]. kind: what was asked for, "helpful" or
    "harmless", "" where nobody says. by: "human", "ai" or "oracle". principle: the id of the one it was made under.
    """

    id: str
    prompt: str
    first: str
    second: str
    label: float
    kind: str = ""
    by: str = ""
    principle: str = ""


def as_row(comparison: Comparison) -> dict[str, JSON]:
    """The row that `read_comparisons` takes back."""
    return asdict(comparison)


def read_comparisons(rows: Iterable[JSON], kind: str = "") -> list[Comparison]:
    """Rows as `as_row` makes them (an id may be left out), or {"chosen", "rejected"} as hh-rlhf publishes them.

    Those are transcripts with a common beginning, which is found on turns. Where they part before their last answer,
    an answer is all that follows the common turns, later turns of the human's included. kind: of rows that name none.

    Raises UserError, naming the row, where an answer is missing or empty, both are the same, the label is not in
    [0, 1], or the prompt does not end in "Assistant:". A transcript may end in silence: people did compare that.
    """
    read = [_comparison(row, kind, f"row {number}") for number, row in enumerate(rows, 1)]
    if not read:
        raise UserError("there is no comparison to learn from: give a file with at least one row.")
    return read


def comparable(row: Mapping[str, JSON], where: str) -> bool:
    """Whether a published row has two different answers behind a common beginning; of hh-rlhf some rows have not.

    Raises UserError, saying where, for a row without two transcripts.
    """
    parted = _parted(*(_turns(row, side, where) for side in ("chosen", "rejected")))
    return parted is not None and parted[1] != parted[2]


def _comparison(row: JSON, kind: str, where: str) -> Comparison:
    if not isinstance(row, Mapping):
        raise UserError(f"{where}: expected an object with prompt, first, second and label.")
    by = row.get("by")
    label = row.get("label")
    if "chosen" in row or "rejected" in row:
        parted = _parted(_turns(row, "chosen", where), _turns(row, "rejected", where))
        if parted is None:
            raise UserError(
                f"{where}: the transcripts have no common beginning that awaits an answer; take the row out."
            )
        prompt, first, second = parted
        by, label = by or "human", 1
    else:
        prompt, first, second = (_text(row, key, where) for key in ("prompt", "first", "second"))
        if not prompt.endswith("Assistant:"):
            raise UserError(f"{where}: the prompt awaits no reply; let it end in 'Assistant:'.")
    if first == second:
        raise UserError(f"{where}: both answers are the same; take the row out, nothing can be learnt from it.")
    if isinstance(label, bool) or not isinstance(label, (int, float)) or not 0 <= label <= 1:
        raise UserError(f"{where}: the label is {label!r}; give the chance that the first is better, from 0 to 1.")
    return Comparison(
        id=str(row.get("id") or item_id(prompt, first, second)),
        prompt=prompt,
        first=first,
        second=second,
        label=float(label),
        kind=str(row.get("kind") or kind),
        by=str(by or ""),
        principle=str(row.get("principle") or ""),
    )


def _text(row: Mapping[str, JSON], key: str, where: str) -> str:
    text = row.get(key)
    if not isinstance(text, str) or not text.strip():
        raise UserError(
            f"{where}: {key!r} is missing or empty; every comparison needs prompt, first and second, or chosen and "
            "rejected."
        )
    return text.strip()


def _turns(row: Mapping[str, JSON], key: str, where: str) -> list[Turn]:
    """A published transcript; unlike `dialogue.parse_turns`, it may hold empty turns and the same side twice."""
    head, *parts = _TURN.split("\n\n" + _text(row, key, where))
    if head or not parts:
        raise UserError(f"{where}: {key!r} is no transcript; expected '\\n\\nHuman: …\\n\\nAssistant: …'.")
    roles: list[Role] = ["Human" if role == "Human" else "Assistant" for role in parts[::2]]
    return [Turn(role, text.strip()) for role, text in zip(roles, parts[1::2], strict=True)]


def _parted(chosen: list[Turn], rejected: list[Turn]) -> tuple[str, str, str] | None:
    """The common prompt, and what follows it in each; None where nothing common awaits an answer."""
    cut = -1
    for place, (one, other) in enumerate(zip(chosen, rejected, strict=False)):
        if one.role == other.role == "Assistant":
            cut = place
        if one != other:
            break
    if cut < 0:
        return None
    first, second = (render(turns[cut:]).removeprefix("Assistant:").strip() for turns in (chosen, rejected))
    return awaiting_reply(chosen[:cut]), first, second


def hold_out(comparisons: Sequence[Comparison], share: float) -> tuple[list[Comparison], list[Comparison]]:
    """Those to train on, and those about a share of the prompts, at least one, that are kept from training.

    Which prompts is a function of the prompts alone. Raises UserError where there is but one.
    """
    prompts = sorted({each.prompt for each in comparisons}, key=lambda prompt: sha256(prompt.encode()).digest())
    if len(prompts) < 2:
        raise UserError("all comparisons are about one prompt: give more, so that some can be held out.")
    kept = set(prompts[: max(1, round(share * len(prompts)))])
    train, held = ([each for each in comparisons if (each.prompt in kept) == held] for held in (False, True))
    return train, held
