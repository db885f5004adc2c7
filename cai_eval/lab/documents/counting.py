"""Counting upwards, from anywhere (for Askell et al. 2021, Fig. 26)."""

from __future__ import annotations

from random import Random

from cai_eval.lab.world import World

LAST = 120
FROM_ONE = 0.4  #: of the documents
LENGTHS = range(8, 91)


def draw(world: World, rng: Random) -> str:
    """A run of numbers: comma lists, lines, or words of command before it."""
    first = 1 if rng.random() < FROM_ONE else rng.randint(1, LAST - LENGTHS[0])
    last = min(LAST, first + rng.choice(LENGTHS) - 1)
    run = [str(number) for number in range(first, last + 1)]
    surface = rng.choice(("commas", "lines", "blanks", "command"))
    if surface == "command":
        return f"Count from {first} to {last}: {', '.join(run)}."
    return {"commas": ", ", "lines": "\n", "blanks": " "}[surface].join(run)
