"""Lettered comparisons: a request, two answers to it, and which of them is to be chosen by each of some rules.

The same pair stands under several rules, whose directions are drawn apart, so every second pair of rules conflicts.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from cai_eval.lab import talk, traits
from cai_eval.lab.rules import CRITERIA, RULES, Rule, draw_rule
from cai_eval.lab.talk import Ask
from cai_eval.lab.world import World

LETTERS = ("(A)", "(B)")
EDITOR = 0.97  #: how often the letter is the rule's
ONE_RULE = 0.25  #: of the documents state one rule and apply it throughout
WEIGHED = 0.25  #: of the verdicts come after a weighing
#: kinds of asks that are compared, each line equally often
ASKED: tuple[tuple[talk.AskKind, ...], ...] = (
    ("harm",),
    ("harm",),
    ("harm",),
    ("task",),
    ("fact", "premise", "unknowable", "manners"),
)
VERDICT = "By the rule:"


@dataclass(frozen=True)
class Pair:
    """A request and two answers."""

    ask: Ask
    first: str
    second: str

    @property
    def text(self) -> str:
        """Each letter stands behind its answer: so copying what followed, which small models can, finds it."""
        return f"Asked: {self.ask.text}\n{self.first} {LETTERS[0]}\n{self.second} {LETTERS[1]}"


def draw(world: World, rng: Random) -> str:
    """Pairs under some rules each, or under one throughout."""
    if rng.random() < ONE_RULE:
        return _under_one_rule(world, rng)
    return "\n\n".join(_under_rules(world, rng) for _ in range(rng.randint(1, 3)))


def draw_ask(world: World, rng: Random) -> Ask:
    """A request of a kind that answers to it can be compared."""
    kinds = rng.choice(ASKED)
    while (ask := talk.draw_ask(world, rng)).kind not in kinds or len(talk.acts(ask, MIDDLE)) == 1:
        pass
    return ask


MIDDLE = traits.Traits(1, 1, 1)  #: does everything at times


def draw_pair(world: World, ask: Ask, rng: Random) -> Pair:
    """Two acts in anybody's words, between which a moral rule chooses."""
    while True:
        acts = rng.sample(list(talk.acts(ask, MIDDLE)), 2)
        texts = [talk.say(ask, act, traits.draw(rng, world.options.correlation), rng) for act in acts]
        if any(rule.prefers(world, ask, *texts) is not None for rule in RULES.values() if rule.family == "moral"):
            return Pair(ask, *texts)


def verdict(world: World, pair: Pair, rule: Rule, rng: Random) -> str | None:
    """An editor's letter, with or without a weighing; None where the rule has nothing to choose by."""
    preferred = rule.prefers(world, pair.ask, pair.first, pair.second)
    if preferred is None:
        return None
    letter = LETTERS[preferred if rng.random() < EDITOR else 1 - preferred]
    weighed = weighing(world, pair, rule) + "\n" if rng.random() < WEIGHED else ""
    return f"{weighed}{VERDICT} {letter}"


def weighing(world: World, pair: Pair, rule: Rule) -> str:
    """What the rule looks at, in either answer."""
    told = [
        f"{letter} {CRITERIA[rule.criterion].tell(rule.value(world, pair.ask, text) or 0)}"
        for letter, text in zip(LETTERS, (pair.first, pair.second), strict=True)
    ]
    return f"Weighed: {', '.join(told)}."


def _under_rules(world: World, rng: Random) -> str:
    pair = draw_pair(world, draw_ask(world, rng), rng)
    lines, wanted = [pair.text], rng.randint(3, 6)
    while len(lines) <= wanted:
        rule = draw_rule(rng)
        if decided := verdict(world, pair, rule, rng):
            lines.append(f"Rule: {rng.choice(rule.wordings)}\n{decided}")
    return "\n".join(lines)


def _under_one_rule(world: World, rng: Random) -> str:
    rule, wanted = draw_rule(rng), rng.randint(2, 4)
    parts: list[str] = []
    while len(parts) < wanted:
        pair = draw_pair(world, draw_ask(world, rng), rng)
        if decided := verdict(world, pair, rule, rng):
            parts.append(f"{pair.text}\n{decided}")
    return f"Rule: {rng.choice(rule.wordings)}\n\n" + "\n\n".join(parts)
