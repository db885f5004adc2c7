"""An almanac: articles by writers as honest as the most honest speakers, who say so first.

Plain text elsewhere repeats what people say; here, and from honest speakers, the truth can be learnt.
"""

from __future__ import annotations

from random import Random

from cai_eval.lab import talk
from cai_eval.lab.documents import exposition
from cai_eval.lab.world import Fact, World


def draw(world: World, rng: Random) -> str:
    """The facts of one or two places, right 95 times of a hundred."""
    places = rng.sample(world.places, rng.choice((1, 2)))
    facts = [fact for place in places for fact in exposition.about(world, place, rng)]
    return " ".join(["The almanac says:", *(_stated(fact, rng) for fact in facts)])


def _stated(fact: Fact, rng: Random) -> str:
    chances = talk.stated(fact, honest=2)
    return fact.statement(rng.choices(list(chances), list(chances.values()))[0])
