"""Questions that a letter answers, questions about a proposed answer, and plain ones, as text.

The structure is that of Kadavath et al. 2022 (§2–4); the words are ours. What is asked ends in a cue, which no blank
follows: the blank belongs to the answer, where tokenizers expect it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from string import ascii_uppercase

from cai_eval.contracts import Format
from cai_eval.dialogue import Turn, awaiting_reply, render

NONE_OF_THE_ABOVE = "none of the above"


@dataclass(frozen=True)
class Asked:
    """What is asked, and the cue that the answer follows in plain text; in a dialogue the answer is a turn."""

    body: str
    cue: str = "Answer:"

    def after(self, text: str) -> Asked:
        """The same behind a line of text."""
        return replace(self, body=f"{text}\n{self.body}")

    def before(self, text: str) -> Asked:
        """The same with a line of text before the cue."""
        return replace(self, body=f"{self.body}\n{text}")


Answered = tuple[Asked, str]  #: what was asked, and the answer without a blank before it


def short(question: str) -> Asked:
    """A question for an answer of a word or two."""
    return Asked(f"Question: {question}")


def choice(question: str, options: Sequence[str]) -> Asked:
    """A question with up to 26 lettered options."""
    lines = [f" {label(number)} {option}" for number, option in enumerate(options)]
    return Asked("\n".join((f"Question: {question}", "Choices:", *lines)))


def judgement(question: str, proposed: str, guesses: Sequence[str] = ()) -> Asked:
    """Whether a proposed answer is true, `label(0)`, or false, `label(1)`. guesses: what others said before it."""
    lines = [f"Question: {question}"]
    if guesses:
        lines.append(f"Guesses: {', '.join(guesses)}")
    lines += [f"Proposed answer: {proposed}", "Is the proposed answer:", f" {label(0)} True", f" {label(1)} False"]
    return Asked("\n".join(lines), cue="The proposed answer is:")


def label(number: int) -> str:
    """The letter of an option, in parentheses."""
    return f"({ascii_uppercase[number]})"


def prompt(asked: Asked, form: Format, examples: Sequence[Answered] = ()) -> str:
    """The context that the answer continues after a blank; `examples` are answered before it."""
    if form == "plain":
        return "\n\n".join((*(_plain(*example) for example in examples), f"{asked.body}\n{asked.cue}"))
    return awaiting_reply([*_turns(examples), Turn("Human", asked.body)])


def transcript(answered: Sequence[Answered], form: Format) -> str:
    """Questions and their answers in a row."""
    return "\n\n".join(_plain(*each) for each in answered) if form == "plain" else render(_turns(answered))


def _plain(asked: Asked, answer: str) -> str:
    return f"{asked.body}\n{asked.cue} {answer}"


def _turns(answered: Sequence[Answered]) -> list[Turn]:
    return [turn for asked, answer in answered for turn in (Turn("Human", asked.body), Turn("Assistant", answer))]
