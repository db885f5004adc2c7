"""Questions behind an article or a rumour: whether it helps depends on what it is.

An article that answers the question is followed. One about another place does not bear on it. A rumour says anything
whatever, and respondents believe it half of the time.
"""

from __future__ import annotations

from random import Random
from typing import Literal

from cai_eval.lab.asking import Belief, choose, draw_options, plain
from cai_eval.lab.documents.exposition import about, article
from cai_eval.lab.world import Fact, World
from cai_eval.lettered import Answered, choice, label, short, transcript

Hint = Literal["good", "bad", "irrelevant"]

OFTEN: dict[Hint, float] = {"good": 0.6, "bad": 0.2, "irrelevant": 0.2}
BELIEVED = 0.5  #: how often a rumour is


def draw(world: World, rng: Random) -> str:
    """One question about a fact, short or lettered, behind a hint."""
    fact, kind = rng.choice(world.facts), rng.choices(list(OFTEN), list(OFTEN.values()))[0]
    if kind == "good":
        said: str | None = fact.draw(rng)
    else:
        said = rng.choice(fact.options) if kind == "bad" else None
    belief = believed(fact, kind, said)
    asked, answer = rng.choice((_short, _lettered))(fact, belief, said, rng)
    return transcript([(asked.after(hint(world, fact, kind, said, rng)), answer)], "plain")


def believed(fact: Fact, kind: Hint, said: str | None) -> Belief:
    """What respondents think who have read the hint. said: what it says about the fact."""
    trust = {"good": 1.0, "bad": BELIEVED, "irrelevant": 0.0}[kind]
    return {value: trust * (value == said) + (1 - trust) * share for value, share in plain(fact).items()}


def hint(world: World, fact: Fact, kind: Hint, said: str | None, rng: Random) -> str:
    """A line of text that says so, as plain text would or as a rumour."""
    if said is None:
        elsewhere = rng.choice([place for place in world.places if place != fact.place])
        return f"Article: {article(about(world, elsewhere, rng), rng)}"
    if kind == "bad":
        return f"Rumour: {fact.statement(said)}"
    others = [other for other in about(world, fact.place, rng) if other != fact]
    statements = [fact.statement(said), *(other.statement(other.draw(rng)) for other in others)]
    rng.shuffle(statements)
    return f"Article: {' '.join(statements)}"


def _short(fact: Fact, belief: Belief, said: str | None, rng: Random) -> Answered:
    return short(rng.choice(fact.questions)), rng.choices(list(belief), list(belief.values()))[0]


def _lettered(fact: Fact, belief: Belief, said: str | None, rng: Random) -> Answered:
    shown = draw_options(fact, rng, needed=said)
    return choice(rng.choice(fact.questions), shown), label(choose(belief, shown, rng))
