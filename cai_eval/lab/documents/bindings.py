"""Arbitrary pairs of words, which only what was said before can tell."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from string import ascii_lowercase

from cai_eval.lab.chance import Split, split

# fmt: off
THINGS = (
    "axe", "basket", "boot", "broom", "candle", "cap", "carpet", "clock", "comb", "cup", "drum", "fiddle", "flute",
    "ladder", "lamp", "lantern", "mirror", "needle", "plate", "ring", "rope", "saddle", "spade", "wheel",
)
ROOMS = (
    "attic", "bakery", "barn", "cellar", "chapel", "forge", "garden", "hall", "harbour", "kitchen", "mill",
    "orchard", "school", "stable", "tower", "yard",
)
COLOURS = (
    "black", "blue", "brown", "gold", "green", "grey", "orange", "pink", "purple", "red", "silver", "white",
    "yellow",
)
# fmt: on
LETTERS = tuple(ascii_lowercase)


def length(rng: Random, longest: int) -> int:
    """From 1 to `longest`, each doubling as likely: copying is learnt from near first, and only then from afar."""
    return int((longest + 1) ** rng.random())


def bind(
    rng: Random, keys: Sequence[str], values: Sequence[str], count: int, of: Split = "pretraining"
) -> dict[str, str]:
    """Each of `count` keys with a value of its own, every pair of that split.

    Which values a key may take is a matter of chance, so that knowing the key tells (almost) nothing of the value.
    """
    while True:
        free = rng.sample(values, len(values))
        bound: dict[str, str] = {}
        for key in rng.sample(keys, len(keys)):
            if (value := next((each for each in free if split(key, each) == of), None)) is not None:
                free.remove(value)
                bound[key] = value
            if len(bound) == count:
                return bound
