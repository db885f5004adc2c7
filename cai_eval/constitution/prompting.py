"""What is put to a model under a constitution. Nothing here ends in a blank: that belongs to the continuation.

A conversation is text in turns of "Human:" and "Assistant:", a blank line apart; whether it ends with the human's turn
or, as `dialogue.awaiting_reply` gives it, with a bare "Assistant:" makes no difference.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from cai_eval.constitution.schema import ComparisonExample, Constitution, CritiqueExample, Principle
from cai_eval.constitution.templates import fill, until

LETTERS = ("(A)", "(B)")
BETWEEN = "\n\n"  #: between examples, and between them and what is asked

_TURN = re.compile(r"(?:^|(?<=\n\n))(Human|Assistant):")


@dataclass(frozen=True)
class Step:
    """One round: by which principle, what was found (nothing in a direct one), and what was written instead."""

    principle: Principle
    critique: str = ""
    revision: str = ""


def critique_prompt(
    constitution: Constitution, conversation: str, answer: str, steps: Sequence[Step], principle: Principle
) -> str:
    """Asks for a critique of what the steps made of the answer."""
    return _revising(constitution, conversation, answer, [*steps, Step(principle)], "critique", direct=False)


def revision_prompt(
    constitution: Constitution,
    conversation: str,
    answer: str,
    steps: Sequence[Step],
    principle: Principle,
    critique: str | None,
) -> str:
    """Asks for a revision by a critique, or, where that is None, without one in any of the rounds."""
    last = Step(principle, critique or "")
    return _revising(constitution, conversation, answer, [*steps, last], "revision", direct=critique is None)


def comparison_prompt(constitution: Constitution, conversation: str, principle: str, first: str, second: str) -> str:
    """Asks for the letter of the better answer, which one of `LETTERS` continues after a blank."""
    template = constitution.templates.comparison
    asked = until(template, "label", _comparing(conversation, principle, first, second))
    return BETWEEN.join([*(_chosen(template, each) for each in constitution.comparisons), asked])


def reasoning_prompt(constitution: Constitution, conversation: str, principle: str, first: str, second: str) -> str:
    """Asks for thoughts on which answer is better."""
    template = constitution.templates.reasoned
    asked = until(template, "reasoning", _comparing(conversation, principle, first, second))
    return BETWEEN.join([*(_chosen(template, each) for each in constitution.reasoned), asked])


def verdict_prompt(
    constitution: Constitution, conversation: str, principle: str, first: str, second: str, reasoning: str
) -> str:
    """Asks for the letter after the thoughts that `reasoning_prompt` has brought."""
    template = constitution.templates.reasoned
    values = {**_comparing(conversation, principle, first, second), "reasoning": reasoning}
    return BETWEEN.join(
        [*(_chosen(template, each) for each in constitution.reasoned), until(template, "label", values)]
    )


def with_examples(constitution: Constitution, count: int) -> Constitution:
    """The same with at most so many examples of each sort."""
    return replace(
        constitution,
        critiques=constitution.critiques[:count],
        comparisons=constitution.comparisons[:count],
        reasoned=constitution.reasoned[:count],
    )


def _revising(
    constitution: Constitution, conversation: str, answer: str, steps: Sequence[Step], slot: str, *, direct: bool
) -> str:
    templates = constitution.templates
    template = templates.direct if direct else templates.step
    examples = [_round(templates.exchange, template, example) for example in constitution.critiques]
    exchange = fill(templates.exchange, {**_said(conversation), "answer": answer})
    done = "".join(fill(template, _values(step)) for step in steps[:-1])
    return BETWEEN.join([*examples, exchange + done + until(template, slot, _values(steps[-1]))])


def _round(exchange: str, step: str, example: CritiqueExample) -> str:
    return fill(exchange, {**_said(example.conversation), "answer": example.answer}) + fill(step, asdict(example))


def _values(step: Step) -> dict[str, str]:
    return {
        "critique_request": step.principle.critique,
        "critique": step.critique,
        "revision_request": step.principle.revision,
        "revision": step.revision,
    }


def _chosen(template: str, example: ComparisonExample) -> str:
    values = _comparing(example.conversation, example.principle, example.first, example.second)
    return fill(template, {**values, "reasoning": example.reasoning, "label": f"({example.label})"})


def _comparing(conversation: str, principle: str, first: str, second: str) -> dict[str, str]:
    return {**_said(conversation), "principle": principle, "first": first, "second": second}


def _said(conversation: str) -> Mapping[str, str]:
    """What was said before the answer, in the three ways that templates can show it."""
    text = conversation.strip().removesuffix("\n\nAssistant:")
    return {
        "conversation": text,
        "talk": _TURN.sub(lambda turn: f"{turn[1][0]}:", text),
        "prompt": _TURN.split(text)[-1],
    }
