"""Conversations between a human and an assistant, as text.

The form is that of Askell et al. 2021 (§2, App. B): a turn opens with `Human:` or `Assistant:` at the start
of a line, turns stand a blank line apart, and in a prompt file a line `-----` ends each conversation; the
text before the first turn introduces them all.

A context never ends in a blank: the blank belongs to the continuation, where tokenizers expect it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from cai_eval.contracts import Format
from cai_eval.errors import UserError

Role = Literal["Human", "Assistant"]

SEPARATOR = "-----"  #: the line between two conversations
STOPS = ("\n\nHuman:", f"\n\n{SEPARATOR}")  #: what ends an assistant's turn

_OPENS_TURN = re.compile(r"(Human|Assistant):(?=\s|$)")


@dataclass(frozen=True)
class Turn:
    """What one side says at a time; `text` has no blanks or empty lines around it."""

    role: Role
    text: str


Conversation = tuple[Turn, ...]


@dataclass(frozen=True)
class Prompt:
    """An opening paragraph (or "") and the conversations that it introduces."""

    opening: str
    conversations: tuple[Conversation, ...]

    def render(self, conversations: int | None = None) -> str:
        """The opening and the first `conversations` (default: all), each ended by a separator line.

        The text ends in the separator itself, so that a blank line and a new conversation can follow.
        """
        parts = [self.opening] if self.opening else []
        for conversation in self.conversations[:conversations]:
            parts += [render(conversation), SEPARATOR]
        return "\n\n".join(parts)


def render(turns: Iterable[Turn]) -> str:
    """The turns as text, without a blank at the end."""
    return "\n\n".join(f"{turn.role}: {turn.text}".rstrip() for turn in turns)


def awaiting_reply(turns: Iterable[Turn]) -> str:
    """The turns as the context of the assistant's next one: ends in `Assistant:`."""
    return render([*turns, Turn("Assistant", "")])


def exchange(question: str, form: Format) -> str:
    """The context in which a lone question is asked: bare ("plain") or as a human's turn ("dialogue")."""
    question = question.strip()
    return question if form == "plain" else awaiting_reply([Turn("Human", question)])


def continuation(answer: str) -> str:
    """The answer as it continues a context: after one blank."""
    return f" {answer.strip()}"


def parse_turns(text: str, name: str = "the conversation", first_line: int = 1) -> Conversation:
    """Read one conversation; `render` is its inverse. `first_line` is the number of the text's first line.

    Raises UserError, naming the line of `name`, where text stands before the first turn, a turn is empty or
    the same side speaks twice in a row.
    """
    turns: list[tuple[int, Role, list[str]]] = []
    for number, line in enumerate(text.split("\n"), first_line):
        if opens := _OPENS_TURN.match(line):
            role: Role = "Human" if opens[1] == "Human" else "Assistant"
            if turns and turns[-1][1] == role:
                raise UserError(f"{name}, line {number}: the {role} speaks twice in a row; join the turns.")
            turns.append((number, role, [line[opens.end() :]]))
        elif turns:
            turns[-1][2].append(line)
        elif line.strip():
            raise UserError(f"{name}, line {number}: expected a turn; start it with 'Human:' or 'Assistant:'.")
    return tuple(_turn(role, lines, f"{name}, line {number}") for number, role, lines in turns)


def parse_prompt(text: str, name: str = "the prompt") -> Prompt:
    """Read a prompt file: an opening, then conversations, each ended by a line `-----` (or the file's end).

    Raises UserError, naming the line, for what `parse_turns` refuses, for a conversation that is empty or
    does not end with the assistant, and where there is no conversation at all.
    """
    blocks = _blocks(text.split("\n"))
    opening, head = _opening(blocks[0][1]) if blocks else ("", [])
    if head:
        blocks[0] = (blocks[0][0] + len(blocks[0][1]) - len(head), head)
    else:
        del blocks[:1]
    if not blocks:
        raise UserError(f"{name}: there is no conversation; start its first line with 'Human:'.")
    return Prompt(opening, tuple(_conversation(lines, name, number) for number, lines in blocks))


def _turn(role: Role, lines: Sequence[str], where: str) -> Turn:
    text = "\n".join(lines).strip()
    if not text:
        raise UserError(f"{where}: the {role}'s turn is empty; write it or remove it.")
    return Turn(role, text)


def _conversation(lines: Sequence[str], name: str, first_line: int) -> Conversation:
    turns = parse_turns("\n".join(lines), name, first_line)
    where = f"{name}, the conversation at line {first_line}"
    if not turns:
        raise UserError(f"{where}: it is empty; remove one of the separators around it.")
    if turns[-1].role != "Assistant":
        raise UserError(f"{where}: it ends before the assistant has answered; add the answer.")
    return turns


def _blocks(lines: Sequence[str]) -> list[tuple[int, list[str]]]:
    """(number of the first line, lines) of each stretch between separators, without an empty last one."""
    blocks: list[tuple[int, list[str]]] = [(1, [])]
    for number, line in enumerate(lines, 1):
        if line.strip() == SEPARATOR:
            blocks.append((number + 1, []))
        else:
            blocks[-1][1].append(line)
    return blocks if any(line.strip() for line in blocks[-1][1]) else blocks[:-1]


def _opening(lines: list[str]) -> tuple[str, list[str]]:
    """The text before the first turn, and the lines from that turn on (none where a separator ends it)."""
    head = next((i for i, line in enumerate(lines) if _OPENS_TURN.match(line)), len(lines))
    return "\n".join(lines[:head]).strip(), lines[head:]
