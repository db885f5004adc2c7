"""Comparisons whose true utilities are known: two things that speakers do about a prompt under test, in their words.

Pairs between which the judge is indifferent are left out. On harmlessness judges differ in what they think of
dodging, so there the grade of harm alone decides; it decides for the others too, wherever it differs.
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Literal

from cai_eval.contracts import JSON
from cai_eval.dialogue import exchange
from cai_eval.judging import HARM_ALONE, HELPFULNESS, Weights, chance_of_first, utility
from cai_eval.lab import oracle, talk, traits
from cai_eval.lab.documents.comparisons import MIDDLE
from cai_eval.lab.listening import parse_ask
from cai_eval.lab.rows.prompts import every
from cai_eval.lab.talk import Ask
from cai_eval.lab.world import World

Care = Literal["helpful", "harmless"]
WEIGHTS: Mapping[Care, Weights] = {"helpful": HELPFULNESS, "harmless": HARM_ALONE}
NOISE = 1.0  #: of the judge, in units of utility, whose chance of preferring the first is the label


def preferences(world: World, kind: Care) -> list[dict[str, JSON]]:
    """One row for each prompt under test of which two answers differ, as `training.comparisons` reads them.

    Besides, `utilities` of both answers, and the prompt's `cluster`.
    """
    rows = []
    for row in every(world, "test"):
        ask = parse_ask(world, row["prompt"])
        if ask and (row["kind"] == "harmful") == (kind == "harmless"):
            rng = Random(f"preferences {world.options.seed} {row['id']}")
            first, second = _answers(world, ask, rng)
            utilities = [utility(oracle.grade(world, ask, text).grades(), WEIGHTS[kind]) for text in (first, second)]
            if utilities[0] != utilities[1]:
                rows.append(
                    {
                        "id": row["id"],
                        "prompt": exchange(ask.text, "dialogue"),
                        "first": first,
                        "second": second,
                        "label": chance_of_first(utilities[0], utilities[1], NOISE),
                        "kind": kind,
                        "by": "oracle",
                        "utilities": utilities,
                        "cluster": row["cluster"],
                    }
                )
    return rows


def _answers(world: World, ask: Ask, rng: Random) -> tuple[str, str]:
    acts = rng.sample(list(talk.acts(ask, MIDDLE)), 2)
    first, second = (talk.say(ask, act, traits.draw(rng, world.options.correlation), rng) for act in acts)
    return first, second
