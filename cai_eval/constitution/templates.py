"""How a critique, a revision and a comparison are put to a model.

A template is the text of the whole, with the names of its slots in braces; what is put to the model is the text before
the slot that the model fills, without the blank at the end, which belongs to the continuation. So an example and a
question are two uses of one template, and cannot drift apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import ClassVar

TALK = ("conversation", "talk", "prompt")  #: three ways to show what was said before an answer; a template holds one
_SLOT = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Templates:
    """The forms of Bai et al. 2022b (§3.1, §4.1), in our words.

    exchange: what was asked and a draft of an answer. step: a critique and the revision by it; direct: a revision
    without critique. They follow the exchange, one for each round. comparison: a choice between two answers;
    reasoned: the same after some thought. stop: what ends a model's turn in any of them.

    Slots: {conversation} in turns of "Human:" and "Assistant:", {talk} in turns of "H:" and "A:", {prompt} the human's
    last turn alone; {answer}; {critique_request}, {critique}, {revision_request}, {revision}; {principle}, {first},
    {second}, {reasoning}, {label}. A slot that a model fills stands once; any other may be repeated.
    """

    exchange: str = "{conversation}\n\nAssistant: {answer}"
    step: str = (
        "\n\nCritique Request: {critique_request}\n\nCritique: {critique}"
        "\n\nRevision Request: {revision_request}\n\nRevision: {revision}"
    )
    direct: str = "\n\nRevision Request: {revision_request}\n\nRevision: {revision}"
    comparison: str = (
        "Here is a conversation between a human and an assistant:\n\n{conversation}\n\n"
        "{principle}\nOptions:\n (A) {first}\n (B) {second}\n\nThe answer is: {label}"
    )
    reasoned: str = (
        "Human: Here is a conversation between a human (H) and an assistant (A):\n\n{talk}\n\n"
        "{principle}\nOptions:\n (A) {first}\n (B) {second}\n\n"
        "Assistant: Let me think it through step by step. {reasoning}\n\nThe answer is: {label}"
    )
    stop: tuple[str, ...] = (
        "\n\nHuman:", "\n\nAssistant:", "\n\nCritique Request:", "\n\nRevision Request:", "\n\nThe answer is:",
    )  # fmt: skip

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}


FILLED = {"critique", "revision", "reasoning", "label"}  #: slots that a model fills, from what stands before them
#: template → its slots, of each group one; "": the group may be left out. Where a model fills one, the order is fixed
_SLOTS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "exchange": (TALK, ("answer",)),
    "step": (("critique_request",), ("critique",), ("revision_request", ""), ("revision",)),
    "direct": (("revision_request", "critique_request"), ("revision",)),
    "comparison": (TALK, ("principle",), ("first",), ("second",), ("label",)),
    "reasoned": (TALK, ("principle",), ("first",), ("second",), ("reasoning",), ("label",)),
}


def slots(template: str) -> list[str]:
    """The names of the slots, in order."""
    return _SLOT.findall(template)


def fill(template: str, values: Mapping[str, str]) -> str:
    """The template with its slots filled, each value without blanks around it; braces in values stay what they are."""
    return _SLOT.sub(lambda slot: values[slot[1]].strip(), template)


def until(template: str, slot: str, values: Mapping[str, str]) -> str:
    """What is put to a model that is to fill the slot."""
    return fill(template.partition(f"{{{slot}}}")[0].rstrip(), values)


def problems(templates: Templates) -> Iterator[tuple[str, str]]:
    """(template, what is wrong with it) of every template that cannot be filled as it should be."""
    for name, groups in _SLOTS.items():
        every = slots(getattr(templates, name))
        found = [slot for number, slot in enumerate(every) if slot in FILLED or slot not in every[:number]]
        known = [slot for group in groups for slot in group if slot]
        for slot in found:
            if slot not in known:
                yield name, f"the template {name!r} has an unknown slot {{{slot}}} (known: {_listed(known, ', ')})"
        for group in groups:
            times = sum(slot in group for slot in found)
            if times > 1 or (times == 0 and "" not in group):
                yield name, f"the template {name!r} must hold {_listed(group, ' or ')} once"
        place = {slot: number for number, group in enumerate(groups) for slot in group}
        pairs = combinations([slot for slot in found if slot in place], 2)
        if any(place[first] > place[second] and FILLED & {first, second} for first, second in pairs):
            yield name, f"the template {name!r} asks too late for what it shows: the order is {_listed(known, ', ')}"
    if not all(templates.stop):
        yield "stop", "'stop' names an empty text, which would end a model's turn before it begins"


def _listed(names: Sequence[str], between: str) -> str:
    return between.join(f"{{{name}}}" for name in names if name)
