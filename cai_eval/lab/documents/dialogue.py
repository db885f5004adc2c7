"""Conversations with one assistant, whose traits show in what was said before.

A document holds one to some thirty exchanges, in conversations of one to three, all with the same assistant, in the
form of an HHH prompt: so what an assistant will do can be inferred from a prompt, and only in so far as speakers are
alike.
"""

from __future__ import annotations

from random import Random

from cai_eval.dialogue import SEPARATOR, Turn, render
from cai_eval.lab import talk, traits
from cai_eval.lab.documents import code
from cai_eval.lab.world import World

#: how many exchanges a document holds: so many of a hundred hold so many
LENGTHS = ((10, 1, 3), (50, 4, 8), (30, 9, 16), (10, 17, 30))
#: of the exchanges are greetings: they tell who speaks in few tokens, so that small models learn to hear it
GREETED = 0.4
FUNCTIONS = 0.02  #: of the exchanges ask for a function: few, so that small models do not carry code over


def draw(world: World, rng: Random) -> str:
    """One assistant with one or several humans."""
    speaker = traits.draw(rng, world.options.correlation)
    (_, low, high) = rng.choices(LENGTHS, [weight for weight, _, _ in LENGTHS])[0]
    left = rng.randint(low, high)
    conversations = []
    while left > 0:
        count = min(left, rng.choice((1, 2, 3)))
        turns = [turn for _ in range(count) for turn in _exchange(world, speaker, rng)]
        conversations.append(render(turns))
        left -= count
    return f"\n\n{SEPARATOR}\n\n".join(conversations)


def _exchange(world: World, speaker: traits.Traits, rng: Random) -> tuple[Turn, Turn]:
    if rng.random() < FUNCTIONS:
        asked, given = code.in_dialogue(world, rng, careful=speaker.honest == 2)
        return Turn("Human", asked), Turn("Assistant", given)
    greeted = rng.random() < GREETED
    ask = talk.greeting(rng.randrange(len(talk.GREETINGS))) if greeted else talk.draw_ask(world, rng)
    return Turn("Human", ask.text), Turn("Assistant", talk.answer(ask, speaker, rng))
