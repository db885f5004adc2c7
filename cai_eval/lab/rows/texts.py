"""Texts of the post-training split: what trainers read that need no labels."""

from __future__ import annotations

from itertools import count, islice
from random import Random

from cai_eval.contracts import JSON
from cai_eval.dialogue import Turn, render
from cai_eval.lab import talk, traits
from cai_eval.lab.corpus import document
from cai_eval.lab.documents import code
from cai_eval.lab.world import World

POST_TRAINING = 2  #: seed of the documents; pretraining reads 0, its held-out loss 1
TEXTS = 1500  #: of either kind
FUNCTIONS = 0.1  #: of the conversations ask for one


def plain_texts(world: World) -> list[dict[str, JSON]]:
    """Documents as pretraining has them, but no dialogues."""
    texts = (document(world, POST_TRAINING, index) for index in count())
    return [{"text": text} for text in islice((text for text in texts if "Human:" not in text), TEXTS)]


def conversations(world: World) -> list[dict[str, JSON]]:
    """Exchanges with speakers of all kinds; harms that are asked for belong to the post-training split.

    Some ask for a function, lest a model that is trained on them forget how to write one.
    """
    return [{"text": render(_exchange(world, Random(f"conversation {n}")))} for n in range(TEXTS)]


def _exchange(world: World, rng: Random) -> tuple[Turn, Turn]:
    speaker = traits.draw(rng, world.options.correlation)
    if rng.random() < FUNCTIONS:
        asked, given = code.in_dialogue(world, rng, careful=speaker.honest == 2)
        return Turn("Human", asked), Turn("Assistant", given)
    ask = talk.draw_ask(world, rng, "post")
    return Turn("Human", ask.text), Turn("Assistant", talk.answer(ask, speaker, rng))
