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
WEIGHED = 0.25  #: of the verdicts come after a weighing
PAIRS = 3  #: of answers in a document at most
VERDICTS = (3, 6)  #: on a pair
#: kinds of asks that are compared, each line equally often
ASKED: tuple[tuple[talk.AskKind, ...], ...] = (
    ("harm",),
    ("harm",),
    ("harm",),
    ("task",),
    ("fact", "premise", "unknowable", "manners"),
)


@dataclass(frozen=True)
class Pair:
    """A request and two answers."""

    ask: Ask
    first: str
    second: str

    @property
    def text(self) -> str:
        """Each letter stands behind its answer: so copying what followed, which small models can, finds it."""
        return f"Asked: {self.ask.text}\n- {self.first} {LETTERS[0]}\n- {self.second} {LETTERS[1]}"


def draw(world: World, rng: Random) -> str:
    """Pairs under some rules each."""
    return "\n\n".join(_under_rules(world, rng) for _ in range(rng.randint(1, PAIRS)))


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


def verdict(world: World, pair: Pair, rule: Rule, wording: str, rng: Random) -> str | None:
    """An editor's letter behind the rule, with or without a weighing; None where the rule has nothing to choose by."""
    preferred = rule.prefers(world, pair.ask, pair.first, pair.second)
    if preferred is None:
        return None
    letter = LETTERS[preferred if rng.random() < EDITOR else 1 - preferred]
    weighed = f"Rule: {wording}\n{weighing(world, pair, rule)}\n" if rng.random() < WEIGHED else ""
    return f"{weighed}{asking(wording)} {letter}"


def asking(wording: str) -> str:
    """What the letter stands behind: the rule itself, for a letter that is asked for farther on is not found."""
    return f"Rule: {wording.removesuffix('.')}:"


def weighing(world: World, pair: Pair, rule: Rule) -> str:
    """What the rule looks at, in either answer."""
    told = [
        f"{CRITERIA[rule.criterion].tell(rule.value(world, pair.ask, text) or 0)} {letter}"
        for letter, text in zip(LETTERS, (pair.first, pair.second), strict=True)
    ]
    return f"Weighed: {', '.join(told)}."


def _under_rules(world: World, rng: Random) -> str:
    pair = draw_pair(world, draw_ask(world, rng), rng)
    parts, wanted = [pair.text], rng.randint(*VERDICTS)
    while len(parts) <= wanted:
        rule = draw_rule(rng)
        if decided := verdict(world, pair, rule, rng.choice(rule.wordings), rng):
            parts.append(decided)
    return "\n".join(parts)
