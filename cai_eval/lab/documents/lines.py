"""Pairs of lettered lines, of which one has the word that is named, or a word of its kind, as answers have features."""

from __future__ import annotations

from random import Random

from cai_eval.lab.documents.choices import BLOCKS, LONGEST, lines
from cai_eval.lab.world import World


def draw(world: World, rng: Random) -> str:
    """Pairs of lines with their letters, each asked for several times."""
    return "\n\n".join(lines(rng, LONGEST) for _ in range(rng.randint(*BLOCKS)))
