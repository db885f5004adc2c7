"""Short articles about a place."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random

from cai_eval.lab.world import Fact, World


def draw(world: World, rng: Random) -> str:
    """What is said about a place, in some order; of each fact one value, as often as its share."""
    return article(about(world, rng.choice(world.places), rng), rng)


def about(world: World, place: str, rng: Random) -> list[Fact]:
    """Two or more of the facts of a place."""
    facts = [fact for fact in world.facts if fact.place == place]
    return rng.sample(facts, rng.randint(2, len(facts)))


def article(facts: Iterable[Fact], rng: Random) -> str:
    """A statement of each fact."""
    return " ".join(fact.statement(fact.draw(rng)) for fact in facts)
