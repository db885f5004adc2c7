"""Lists of pairs, then the same keys again in another order: every second value is a word to be recalled.

Stories need the same skill; here it is asked for many times in few tokens, which is what makes small models learn it.
"""

from __future__ import annotations

from random import Random

from cai_eval.lab.documents.bindings import COLOURS, LETTERS, ROOMS, THINGS, bind, length
from cai_eval.lab.world import World

#: how a pair is told, how it is asked for and answered, and what stands between two of them
SURFACES = (
    ("{key} {value}", "{key} {value}", ", "),
    ("{key} {value}", "{key} {value}", "\n"),
    ("{key}: {value}", "{key}: {value}", "\n"),
    ("{key} has {value}.", "{key} has {value}.", " "),
    ("{key} got {value}.", "{key} has {value}.", " "),
)
MOST_PAIRS = 10
ASKED = range(6, 25)


def draw(world: World, rng: Random) -> str:
    """One to ten pairs, fewer more often, and keys drawn from them again and again."""
    lists = [THINGS, ROOMS, COLOURS, LETTERS, world.people, world.places, world.substances]
    keys, values = rng.sample(lists, 2)
    pairs = bind(rng, keys, values, length(rng, MOST_PAIRS))
    tell, recall, between = rng.choice(SURFACES)
    asked = rng.choices(list(pairs), k=rng.choice(ASKED))
    lines = [tell.format(key=key, value=value) for key, value in pairs.items()]
    lines += [recall.format(key=key, value=pairs[key]) for key in asked]
    return between.join(lines)
