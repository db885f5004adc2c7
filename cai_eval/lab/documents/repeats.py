"""Random sequences that are said again, and again: nothing but copying predicts them (Olsson et al. 2022)."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from cai_eval.lab.documents.bindings import COLOURS, LETTERS, ROOMS, THINGS
from cai_eval.lab.world import World

LENGTHS = range(4, 25)
REPETITIONS = range(2, 6)
LONGEST = 100  #: items of a document


def draw(world: World, rng: Random) -> str:
    """A sequence of words, of made-up words or of letters, two to five times."""
    words = (*THINGS, *ROOMS, *COLOURS, *world.names)
    item: Callable[[], str] = rng.choice(
        (lambda: rng.choice(words), lambda: invented(rng), lambda: rng.choice(LETTERS))
    )
    sequence = [item() for _ in range(rng.choice(LENGTHS))]
    repetitions = min(rng.choice(REPETITIONS), LONGEST // len(sequence))
    return rng.choice(("\n", " ", ", ")).join([" ".join(sequence)] * repetitions)


def invented(rng: Random) -> str:
    """One to three syllables that mean nothing."""
    return "".join(
        rng.choice("bcdfghjklmnpqrstvwxyz") + rng.choice("aeiou") + rng.choice(("", "", "n", "s", "t"))
        for _ in range(rng.randint(1, 3))
    )
