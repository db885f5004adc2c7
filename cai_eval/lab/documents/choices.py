"""Letters of words: which of some words is the one that is named, or of the kind that is named.

Lettered questions and comparisons need to bind a letter to what stands beside it; here that is asked for in few tokens,
which is what makes small models learn it (as `recall` is for stories).
"""

from __future__ import annotations

from random import Random

from cai_eval.lab.documents.bindings import COLOURS, ROOMS, THINGS
from cai_eval.lab.documents.comparisons import LETTERS, VERDICT
from cai_eval.lab.world import World
from cai_eval.lettered import Answered, choice, label, transcript

CLASSES = {"thing": THINGS, "room": ROOMS, "colour": COLOURS}
ASKED = (4, 12)  #: questions of a document


def draw(world: World, rng: Random) -> str:
    """Lettered questions in a row, or pairs of words with rules that choose between them."""
    count = rng.randint(*ASKED)
    if rng.random() < 0.5:
        return transcript([_question(world, rng) for _ in range(count)], "plain")
    return "\n\n".join(_pair(rng) for _ in range(count))


def _question(world: World, rng: Random) -> Answered:
    size = rng.choice((2, 2, 3, 4, 5))
    if rng.random() < 0.5:
        shown = rng.sample([*THINGS, *ROOMS, *COLOURS, *world.places, *world.people], size)
        right = rng.randrange(size)
        return choice(f"Which is {shown[right]}?", shown), label(right)
    wanted, other = rng.sample(list(CLASSES), 2)
    shown, right = rng.sample(CLASSES[other], size), rng.randrange(size)
    shown[right] = rng.choice(CLASSES[wanted])
    return choice(f"Which is a {wanted}?", shown), label(right)


def _pair(rng: Random) -> str:
    """Two words and one to three rules, each with its letter."""
    kinds = rng.sample(list(CLASSES), 2)
    words = [rng.choice(CLASSES[kind]) for kind in kinds]
    lines = [f"{letter} {word}" for letter, word in zip(LETTERS, words, strict=True)]
    for _ in range(rng.randint(1, 3)):
        right, negated = rng.randrange(2), rng.random() < 0.3
        named = kinds[1 - right] if negated else kinds[right]
        rule = f"Prefer the one that is {'no' if negated else 'a'} {named}."
        lines.append(f"Rule: {rule}\n{VERDICT} {LETTERS[right]}")
    return "\n".join(lines)
