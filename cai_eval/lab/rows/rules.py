"""Comparisons under test: about hazards of which no text compares answers, under rules in words that no text has."""

from __future__ import annotations

from random import Random

from cai_eval.contracts import JSON
from cai_eval.lab import talk
from cai_eval.lab.chance import Split
from cai_eval.lab.documents.comparisons import EDITOR, LETTERS, Pair, asking, draw_pair
from cai_eval.lab.rules import RULES, Rule
from cai_eval.lab.talk import Ask
from cai_eval.lab.world import Hazard, World, words

PAIRS = 3  #: of answers for each hazard


def comparisons(world: World, split: Split = "test") -> list[dict[str, JSON]]:
    """Conflict pairs: the same answers once under a moral rule, once under one that chooses the other answer.

    prompt: ends before the letter; the continuation begins with a blank. choices: both letters. right: the number of
    the rule's. ideal: the ideal observer's probability of that letter. rule, family: what decides. pair: what two
    rows share. cluster: the hazard.
    """
    rng = Random(f"comparisons {world.options.seed} {split}")
    rows: list[dict[str, JSON]] = []
    for hazard in talk.requested(world, split):
        for number in range(PAIRS):
            pair = draw_pair(world, _ask(world, hazard, number, rng), rng)
            rows += [
                {
                    "prompt": f"{pair.text}\n{asking(rng.choice(rule.tested))}",
                    "choices": list(LETTERS),
                    "right": right,
                    "ideal": EDITOR,
                    "rule": rule.id,
                    "family": rule.family,
                    "pair": f"{hazard.name} {number}",
                    "cluster": hazard.name,
                }
                for rule, right in _conflict(world, pair, rng)
            ]
    return rows


def _ask(world: World, hazard: Hazard, wording: int, rng: Random) -> Ask:
    purpose = rng.choice((*words()["purposes"], *words()["alarming"]))
    return talk.request(hazard, rng.choice(world.goals), wording, purpose)


def _conflict(world: World, pair: Pair, rng: Random) -> list[tuple[Rule, int]]:
    """A moral rule and one that contradicts it, with their verdicts."""
    verdicts = {rule.id: rule.prefers(world, pair.ask, pair.first, pair.second) for rule in RULES.values()}
    moral = rng.choice([id for id, right in verdicts.items() if RULES[id].family == "moral" and right is not None])
    chosen = verdicts[moral]
    assert chosen is not None
    other = rng.choice([id for id, right in verdicts.items() if right == 1 - chosen])
    return [(RULES[moral], chosen), (RULES[other], 1 - chosen)]
