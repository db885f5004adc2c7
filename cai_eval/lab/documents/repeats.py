"""Random sequences that are said again, and again: nothing but copying predicts them (Olsson et al. 2022)."""

from __future__ import annotations

from itertools import product
from random import Random

from cai_eval.lab.documents.bindings import COLOURS, LETTERS, ROOMS, THINGS, length
from cai_eval.lab.world import World

SYLLABLES = tuple(map("".join, product("bcdfghjklmnprstvwz", "aeiou", ("", "m", "n", "s", "t"))))
LONGEST = 24  #: items of a sequence
ITEMS = range(20, 81)  #: of a document


def draw(world: World, rng: Random) -> str:
    """A sequence of words, syllables or letters, short ones more often, said at least twice."""
    words = (*COLOURS, *THINGS, *ROOMS, *world.names)
    items = rng.choice((LETTERS, COLOURS, THINGS, ROOMS, world.people, world.places, words, SYLLABLES))
    sequence = " ".join(rng.choices(items, k=length(rng, LONGEST)))
    repetitions = max(2, rng.choice(ITEMS) // len(sequence.split()))
    return rng.choice(("\n", " ", ", ")).join([sequence] * repetitions)
