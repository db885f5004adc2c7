"""Pairs of lettered words, of which one is named, or its kind: what `choices` asks most simply, and nothing else."""

from __future__ import annotations

from random import Random

from cai_eval.lab.documents.choices import BLOCKS, lines
from cai_eval.lab.world import World


def draw(world: World, rng: Random) -> str:
    """Pairs of words with their letters, each asked for several times."""
    return "\n\n".join(lines(rng, 1) for _ in range(rng.randint(*BLOCKS)))
