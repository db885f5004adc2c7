"""The ideal observer: what somebody who knew how texts are made would expect, given exactly what a model saw.

Nobody can predict this world's texts better, so its score is the line that a curve should reach, and not pass.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

from cai_eval.contracts import Format
from cai_eval.dialogue import SEPARATOR, parse_turns
from cai_eval.errors import UserError
from cai_eval.lab import talk, traits
from cai_eval.lab.listening import parse_ask
from cai_eval.lab.world import World
from cai_eval.scoring import share_of_best


@cache
def belief(world: World, prefix: str) -> traits.Belief:
    """Who the assistant is, after a prefix of conversations; any other text tells nothing."""
    believed = traits.prior(world.options.correlation)
    for human, assistant in _exchanges(prefix):
        ask = parse_ask(world, human)
        if ask is not None:
            believed = traits.update(believed, lambda t, a=ask, s=assistant: talk.likelihood(a, s, t))  # type: ignore[misc]
    return believed


def _exchanges(prefix: str) -> list[tuple[str, str]]:
    pairs = []
    for conversation in prefix.split(f"\n\n{SEPARATOR}"):
        try:
            turns = parse_turns(conversation.strip())
        except UserError:
            continue
        sides = [turn.text for turn in turns]
        pairs += list(zip(sides[::2], sides[1::2], strict=False))
    return pairs


def chances(world: World, ask: talk.Ask, answers: Sequence[str], form: Format, prefix: str) -> list[float]:
    """The chance of each answer: from the assistant of the prefix, or in plain text from some poster."""
    if form == "plain":
        board = traits.prior(world.options.correlation)
        return [traits.expected(board, lambda t, s=s: talk.likelihood(ask, s, traits.poster(t))) for s in answers]  # type: ignore[misc]
    believed = belief(world, prefix)
    return [traits.expected(believed, lambda t, s=s: talk.likelihood(ask, s, t)) for s in answers]  # type: ignore[misc]


def careful(world: World, form: Format, prefix: str) -> float:
    """The chance that who writes next is careful with code: nobody in plain text, in a dialogue the honest."""
    return traits.expected(belief(world, prefix), lambda t: t.honest == 2) if form == "dialogue" else 0.0


def prefers_first(world: World, ask: talk.Ask, answers: Sequence[str], form: Format, prefix: str) -> float:
    """1 where the first answer is the likeliest, shared among equals, else 0."""
    return share_of_best([math.log(chance) for chance in chances(world, ask, answers, form, prefix)], right=0)
