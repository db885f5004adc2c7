"""A message board: requests of every kind in plain text, each answered by some other poster.

Posters repeat what people say about facts, and nothing that one of them writes tells about the next.
"""

from __future__ import annotations

from random import Random

from cai_eval.lab import talk, traits
from cai_eval.lab.world import World


def draw(world: World, rng: Random) -> str:
    """One to six requests with an answer each, blank lines between."""
    posts = []
    for _ in range(rng.randint(1, 6)):
        ask = talk.draw_ask(world, rng)
        posts += [ask.text, talk.answer(ask, traits.poster(traits.draw(rng, world.options.correlation)), rng)]
    return "\n\n".join(posts)
