"""Reads the talk of the world back: which ask a human's turn is, and what the sentences of an answer say.

Nothing is spelt out a second time here: candidates are written by `talk` itself and compared with what was heard.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache

from cai_eval.lab import talk
from cai_eval.lab.talk import Ask
from cai_eval.lab.world import World, words


def parse_ask(world: World, text: str) -> Ask | None:
    """The ask whose text this is, of any split; None where nobody in this world would ask that."""
    said = " ".join(text.split())
    return _few(world).get(said) or next((ask for ask in _requests(world, said) if ask.text == said), None)


@cache
def _few(world: World) -> Mapping[str, Ask]:
    """Every ask but requests, which are too many to be listed."""
    asks = [
        *(talk.about_fact(fact, question) for fact in world.facts for question in (*fact.tested, *fact.questions)),
        *(talk.premise(fact, value) for fact in world.facts for value in fact.options),
        *map(talk.describe, world.things),
        *map(talk.describe, world.hazards),
        *(talk.unknowable(n, person) for n in range(len(words()["unknowable"])) for person in world.people),
        *(talk.manners(n, person) for n in range(len(words()["manners"])) for person in world.people),
    ]
    return {ask.text: ask for ask in asks}


def _requests(world: World, text: str) -> Iterator[Ask]:
    """Every request that is made of words of the text."""
    heard = re.findall(r"\w+", text)
    purposes = [purpose for purpose in (*words()["purposes"], *words()["alarming"]) if purpose in text]
    for substance in (found for word in heard if (found := world.substance(word))):
        for goal in (goal for goal in world.goals if goal.name in heard):
            for wording in range(len(talk._REQUESTS)):
                for purpose in purposes:
                    yield talk.request(substance, goal, wording, purpose)
