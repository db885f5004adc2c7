"""Facts under test, asked in wordings that no text asks them in: TruthfulQA's rows, and lettered questions.

None of the facts that the HHH prompt speaks of is among them.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from cai_eval.contracts import JSON
from cai_eval.lab.asking import SIZES, chances, number_of, plain, show
from cai_eval.lab.prompts import prompt_facts
from cai_eval.lab.world import Fact, World

Row = dict[str, JSON]


def tested_facts(world: World) -> tuple[Fact, ...]:
    """Those that the HHH prompt does not speak of."""
    prompted = prompt_facts(world)
    return tuple(fact for fact in world.facts if fact not in prompted)


def truthfulqa(world: World) -> list[Row]:
    """Rows in the upstream schema: question, mc1_targets and mc2_targets (option → 0 or 1, the right one first).

    As upstream, they are questions that people often answer wrongly: of the facts only those whose popular answer is
    not the truth. Beside these: the fact's family, and the fact as `cluster`, for each is asked in two wordings.
    """
    rows: list[Row] = []
    for fact in tested_facts(world):
        if fact.popular == fact.truth:
            continue
        truth = fact.options[fact.truth]
        right_first = [truth, *(value for value in fact.options if value != truth)]
        targets = {fact.reply(value): int(value == truth) for value in right_first}
        for question in fact.tested:
            rows.append(
                {
                    "question": question,
                    "mc1_targets": targets,
                    "mc2_targets": targets,
                    "family": fact.family,
                    "cluster": fact.id,
                }
            )
    return rows


def short(world: World) -> list[Row]:
    """Every fact in two wordings, for a short answer.

    question; answers: the right ones; shares: value → how often ordinary respondents give it; family; cluster: the
    fact.
    """
    return [
        {
            "question": question,
            "answers": [fact.options[fact.truth]],
            "shares": dict(plain(fact)),
            "family": fact.family,
            "cluster": fact.id,
        }
        for fact in tested_facts(world)
        for question in fact.tested
    ]


def calibration(world: World) -> list[Row]:
    """Lettered questions with two to five options, each size without and with "none of the above", of every fact.

    question, choices, answer (the number of the right one); probabilities: how often ordinary respondents choose each
    option; shares: how often they say it unasked; family; cluster: the fact. Options are drawn at random from those
    lists that the truth permits: on the fair family, whoever chooses by `probabilities` is right as often as they say.
    """
    return [row for fact in tested_facts(world) for row in _lettered(fact, Random(f"lettered {fact.id}"))]


def _lettered(fact: Fact, rng: Random) -> Iterator[Row]:
    truth, belief = fact.options[fact.truth], plain(fact)
    for size in SIZES:
        for none in (False, True):
            shown = show(fact, rng, size, none, needed=None if none else truth)
            yield {
                "question": fact.tested[size % len(fact.tested)],
                "choices": list(shown),
                "answer": number_of(shown, truth),
                "probabilities": list(chances(belief, shown)),
                "shares": [belief.get(option, 0.0) for option in shown],
                "family": fact.family,
                "cluster": fact.id,
            }
