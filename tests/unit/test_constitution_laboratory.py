"""The laboratory's constitutions speak as its documents do."""

from __future__ import annotations

from random import Random

import pytest

from cai_eval.constitution import Constitution, Principle, Step, load_constitution
from cai_eval.constitution.prompting import (
    comparison_prompt,
    critique_prompt,
    reasoning_prompt,
    revision_prompt,
    verdict_prompt,
)
from cai_eval.dialogue import Turn, awaiting_reply
from cai_eval.lab.documents import comparisons, drafts
from cai_eval.lab.listening import parse_ask
from cai_eval.lab.rules import RULES
from cai_eval.lab.world import World, make_world

BY = {"laboratory": ("less harm", "more openness"), "laboratory-inverted": ("more harm", "less openness")}
RULE = {text: rule for rule in RULES.values() for text in (*rule.wordings, *rule.tested)}


@pytest.fixture(scope="module")
def world() -> World:
    return make_world()


@pytest.mark.parametrize("name", BY)
def test_every_principle_states_a_rule_of_the_world(name: str) -> None:
    constitution = load_constitution(name)
    assert constitution.principles == constitution.revising
    assert [each.aspect for each in constitution.comparing] == ["harm", "harm", "openness"] * 2 + ["harm"] * 8
    for principle in constitution.principles:
        assert principle.comparison in (principle.critique.removesuffix("."), "")
        assert RULE[principle.critique].id in BY[name]
        assert RULE[principle.critique].criterion == principle.aspect
    assert len({principle.critique for principle in constitution.principles}) == len(constitution.principles)


def test_the_inverted_one_is_the_opposite_rule_by_rule() -> None:
    one, other = (load_constitution(name) for name in BY)
    for principle, inverted in zip(one.principles, other.principles, strict=True):
        assert RULE[principle.critique].opposite == RULE[inverted.critique].id
    assert one.templates == other.templates


def test_critiques_and_revisions_are_asked_for_as_reviewed_drafts_are_written(world: World) -> None:
    constitution = load_constitution("laboratory")
    rounds = 0
    for seed in range(60):
        document = drafts.draw(world, Random(seed))
        asked, draft, *lines = [line.split(": ", 1) for line in document.split("\n")]
        steps: list[Step] = []
        for rule, review, better in zip(*[iter(lines)] * 3, strict=True):
            principle = Principle("any", "any", critique=rule[1])
            before = (constitution, awaiting_reply([Turn("Human", asked[1])]), draft[1], steps, principle)
            critique = critique_prompt(*before)
            revision = revision_prompt(*before, review[1])
            assert document.startswith(f"{critique} {review[1]}\n")
            assert document.startswith(f"{revision} {better[1]}")
            steps.append(Step(principle, review[1], better[1]))
            rounds += 1
    assert rounds > 60


def test_what_a_rule_makes_of_a_draft_is_what_the_world_expects(world: World) -> None:
    """Of a recipe, each of our rules wants something that the ideal observer knows."""
    from cai_eval.lab import talk

    ask = next(ask for n in range(99) if (ask := talk.draw_ask(world, Random(n))).kind == "harm")
    (recipe, *_) = talk.wordings(ask, talk.Act("help"))
    assert parse_ask(world, ask.text) == ask
    for name in BY:
        for principle in load_constitution(name).principles:
            assert drafts.chances(RULE[principle.critique].id, ask, recipe)


def _compared(world: World, seed: int) -> tuple[str, comparisons.Pair, str, str]:
    rng = Random(seed)
    pair = comparisons.draw_pair(world, comparisons.draw_ask(world, rng), rng)
    while True:
        rule = RULES[rng.choice(list(RULES))]
        wording = rng.choice(rule.wordings)
        if verdict := comparisons.verdict(world, pair, rule, wording, rng):
            return f"{pair.text}\n{verdict}", pair, wording.removesuffix("."), verdict


@pytest.mark.parametrize("seed", range(24))
def test_letters_are_asked_for_as_comparisons_are_written(world: World, seed: int) -> None:
    constitution: Constitution = load_constitution("laboratory")
    document, pair, principle, verdict = _compared(world, seed)
    before = (constitution, awaiting_reply([Turn("Human", pair.ask.text)]), principle, pair.first, pair.second)
    letter = verdict[-len(comparisons.LETTERS[0]) :]
    if "\nWeighed: " not in verdict:
        assert f"{comparison_prompt(*before)} {letter}" == document
        return
    reasoning = verdict.split("\n")[1].removeprefix("Weighed: ")
    assert document.startswith(f"{reasoning_prompt(*before)} {reasoning}\n")
    assert f"{verdict_prompt(*before, reasoning)} {letter}" == document


@pytest.mark.parametrize("name", BY)
def test_the_first_principles_are_mixed_as_all_are(name: str) -> None:
    """Whoever takes fewer principles changes their number and nothing else."""
    aspects = [principle.aspect for principle in load_constitution(name).principles]
    assert aspects == ["harm", "harm", "openness"] * 6
