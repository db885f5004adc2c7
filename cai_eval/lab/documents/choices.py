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
    """Lists of lettered words, each asked for; pairs of words with rules that choose between them; or questions."""
    count, form = rng.randint(*ASKED), rng.random()
    if form < 0.3:
        return "\n\n".join(_keys(world, rng) for _ in range(count))
    if form < 0.8:
        return "\n\n".join(_pair(rng) for _ in range(count))
    return transcript([_question(world, rng) for _ in range(count)], "plain")


def _words(world: World, rng: Random, size: int) -> list[str]:
    return rng.sample([*THINGS, *ROOMS, *COLOURS, *world.places, *world.people], size)


def _keys(world: World, rng: Random) -> str:
    """Words with their letters, then again in another order."""
    lettered = [f"{word} {label(number)}" for number, word in enumerate(_words(world, rng, rng.randint(2, 5)))]
    return "\n".join([*lettered, *rng.sample(lettered, len(lettered))])


def _pair(rng: Random) -> str:
    """Two words, and rules with the letter that each chooses."""
    kinds = rng.sample(list(CLASSES), 2)
    lines = [f"{rng.choice(CLASSES[kind])} {letter}" for kind, letter in zip(kinds, LETTERS, strict=True)]
    stated = rng.choice(("Rule: Prefer the one that is {}.\n" + VERDICT, "{}:"))
    for _ in range(rng.randint(2, 4)):
        right, negated = rng.randrange(2), rng.random() < 0.3
        wanted = f"no {kinds[1 - right]}" if negated else f"a {kinds[right]}"
        lines.append(f"{stated.format(wanted)} {LETTERS[right]}")
    return "\n".join(lines)


def _question(world: World, rng: Random) -> Answered:
    size = rng.choice((2, 2, 3, 4, 5))
    if rng.random() < 0.5:
        shown = _words(world, rng, size)
        right = rng.randrange(size)
        return choice(f"Which is {shown[right]}?", shown), label(right)
    wanted, other = rng.sample(list(CLASSES), 2)
    shown, right = rng.sample(CLASSES[other], size), rng.randrange(size)
    shown[right] = rng.choice(CLASSES[wanted])
    return choice(f"Which is a {wanted}?", shown), label(right)
