"""Threads of questions and answers by ordinary posters.

Question and answers stand on one line (as `truthfulqa` asks in plain text) or a blank line apart (as `hhh` does).
"""

from __future__ import annotations

from random import Random

from cai_eval.lab.world import Fact, World

BLANK, PARAGRAPH = " ", "\n\n"
POSTERS, OFTEN = (1, 2, 3), (0.7, 0.2, 0.1)  #: how many answer the same question, and how often


def draw(world: World, rng: Random) -> str:
    """Two to eight questions about different facts, in one of the two forms."""
    mark = rng.choice((BLANK, PARAGRAPH))
    return "\n\n".join(thread(fact, mark, rng) for fact in rng.sample(world.facts, rng.randint(2, 8)))


def thread(fact: Fact, mark: str, rng: Random) -> str:
    """A question, and what each poster says without having read the others."""
    posters = rng.choices(POSTERS, OFTEN)[0]
    return mark.join((rng.choice(fact.questions), *(fact.reply(fact.draw(rng)) for _ in range(posters))))
