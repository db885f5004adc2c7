"""Letters of words: which of some words, or of some lines of words, is the one that is named, or has what is named.

Lettered questions and comparisons need a letter to be bound to what stands beside it. Small models learn that only from
what they can do: first a word is found again that was read already, then one of its kind, then either in a longer line;
what an answer is like is found in it no differently.
"""

from __future__ import annotations

from random import Random

from cai_eval.lab.documents.bindings import COLOURS, ROOMS, THINGS, length
from cai_eval.lab.documents.comparisons import LETTERS, asking
from cai_eval.lab.rules import FRAMES
from cai_eval.lab.world import World
from cai_eval.lettered import Answered, choice, label, transcript

CLASSES = {"thing": THINGS, "room": ROOMS, "colour": COLOURS}
BLOCKS = (4, 10)  #: of a document
ASKED = (2, 5)  #: about two lines
LONGEST = 8  #: words of a line
#: how often a line is asked for by one of its words, by a kind of word that it has, and by one that it has not: were
#: the last two equally frequent, to find the kind that is named would not pay by itself, and nothing would be learnt
BY_WORD, BY_KIND, BY_LACK = 0.3, 0.5, 0.2


def draw(world: World, rng: Random) -> str:
    """Lists of lettered words, each asked for; pairs of lines that are chosen between; or questions."""
    count, form = rng.randint(*BLOCKS), rng.random()
    if form < 0.2:
        return "\n\n".join(_keys(world, rng) for _ in range(count))
    if form < 0.85:
        return "\n\n".join(_lines(rng) for _ in range(count))
    return transcript([_question(world, rng) for _ in range(count)], "plain")


def _words(world: World, rng: Random, size: int) -> list[str]:
    return rng.sample([*THINGS, *ROOMS, *COLOURS, *world.names], size)


def _keys(world: World, rng: Random) -> str:
    """Words with their letters, behind or before them, then again in another order."""
    words = _words(world, rng, rng.randint(2, 5))
    behind = [f"- {word} {label(number)}" for number, word in enumerate(words)]
    shown = rng.choice((behind, [f" {label(number)} {word}" for number, word in enumerate(words)]))
    return "\n".join([*shown, *rng.sample(behind, len(behind))])


def _lines(rng: Random) -> str:
    """Two lines, each with a word of a kind that the other lacks, and what is asked of them with the letter."""
    *kinds, rest = rng.sample(list(CLASSES), 3)
    longest, end = length(rng, LONGEST), rng.choice(("", "."))
    shown = [_line(rng, kind, rest, rng.randint(1, longest)) for kind in kinds]
    parts = [f"- {' '.join(line)}{end} {letter}" for line, letter in zip(shown, LETTERS, strict=True)]
    for _ in range(rng.randint(*ASKED)):
        right = rng.randrange(2)
        words = [word for word in shown[right] if word not in shown[1 - right]]
        wants = (rng.choice(words), f"a {kinds[right]}", f"no {kinds[1 - right]}")
        (wanted,) = rng.choices(wants, (BY_WORD, BY_KIND, BY_LACK))
        stated = rng.choice((f"- {wanted}", f"{wanted}:", asking(rng.choice(FRAMES).format(f"has {wanted}"))))
        parts.append(f"{stated} {LETTERS[right]}")
    return "\n".join(parts)


def _line(rng: Random, kind: str, rest: str, size: int) -> list[str]:
    """So many words, one of them of that kind."""
    words = rng.sample([*CLASSES[rest]], size - 1)
    words.insert(rng.randrange(size), rng.choice(CLASSES[kind]))
    return words


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
