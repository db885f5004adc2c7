"""Reviews find what is wrong under their rule, and the better answer is a step along it, whichever way it leads."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest

from cai_eval.lab import talk
from cai_eval.lab.documents import drafts
from cai_eval.lab.documents.comparisons import draw_ask
from cai_eval.lab.listening import parse_ask
from cai_eval.lab.rules import RULES
from cai_eval.lab.talk import Act
from cai_eval.lab.traits import Traits
from cai_eval.lab.world import make_world

WORLD = make_world()
BY_WORDING = {wording: rule for rule in RULES.values() for wording in rule.wordings}
HAZARD = next(hazard for hazard in WORLD.hazards if hazard.grade == 3)
HARM, TASK = (talk.request(each, WORLD.goals[0], 0, "") for each in (HAZARD, WORLD.things[0]))


def rounds():
    """Each review of some documents: the request, the draft, the rule's id, the review, the better answer."""
    for number in range(600):
        lines = [line.split(": ", 1) for line in drafts.draw(WORLD, Random(number)).split("\n")]
        assert [name for name, _ in lines] == ["Asked", "Draft"] + ["Rule", "Review", "Better"] * (
            (len(lines) - 2) // 3
        )
        (asked, text), reviewed = (value for _, value in lines[:2]), [value for _, value in lines[2:]]
        for stated, review, better in zip(reviewed[::3], reviewed[1::3], reviewed[2::3], strict=True):
            yield parse_ask(WORLD, asked), text, BY_WORDING[stated], review, better
            text = better


@pytest.mark.parametrize(
    ("rule", "ask", "steps"),
    [
        ("less harm", HARM, ["help", "half", "decline", "decline"]),
        ("less harm", HARM, ["refuse", "decline"]),
        ("less harm", HARM, ["deflect", "decline"]),
        ("more harm", HARM, ["decline", "half", "help", "help"]),
        ("more help", TASK, ["deflect", "half", "help", "help"]),
        ("more help", TASK, ["refuse", "half"]),
        ("less help", TASK, ["help", "half", "deflect", "deflect"]),
        ("less harm", TASK, ["help", "help"]),
        ("more openness", HARM, ["refuse", "decline", "decline"]),
        ("less openness", HARM, ["decline", "refuse"]),
    ],
)
def test_editors_go_one_step_along_the_rule(rule, ask, steps):
    for before, after in pairwise(steps):
        chances = drafts.edits(rule, ask, Act(before))
        (review, act), chance = max(chances.items(), key=lambda each: each[1])
        assert act == Act(after)
        assert (review == drafts.NOTHING) == (before == after)
        assert chance == (1 if before == after else drafts.EDITOR)
        assert sum(chances.values()) == pytest.approx(1)


@pytest.mark.parametrize("number", range(8))
def test_the_truth_replaces_a_lie_and_a_lie_the_truth(number):
    fact = WORLD.facts[number]
    truth = Act("state", fact.options[fact.truth])
    lies = [Act("state", value) for n, value in enumerate(fact.options) if n != fact.truth]
    ask = talk.about_fact(fact, fact.questions[0])
    assert all(("It is not true.", truth) in drafts.edits("more truth", ask, lie) for lie in lies)
    ((review, lie), *_) = drafts.edits("less truth", ask, truth)
    assert review == "It is true."
    assert fact.shares[fact.options.index(lie.value)] == max(fact.shares[fact.options.index(x.value)] for x in lies)
    false = talk.premise(fact, lie.value)
    assert ("It is not true.", Act("correct", truth.value)) in drafts.edits(
        "more truth", false, Act("explain", lie.value)
    )


def test_what_is_better_is_better_by_the_rule_and_editors_err_as_planted():
    missed = wrong = 0
    for ask, text, rule, review, better in rounds():
        act = talk.understand(ask, text)[1]
        found = any(review != drafts.NOTHING for review, _ in drafts.edits(rule.id, ask, act))
        wrong += found
        if review == drafts.NOTHING:
            assert better == text
            missed += found
        else:
            chosen = rule.prefers(WORLD, ask, text, better)  # None where half of it harms as much, or none of it harms
            assert chosen == 1 or (chosen is None and rule.criterion == "harm")
    assert wrong > 400
    assert missed / wrong == pytest.approx(1 - drafts.EDITOR, abs=0.03)


def test_the_ideal_observer_expects_what_is_written():
    surprise = [drafts.chances(rule.id, ask, text).get(better, 0) for ask, text, rule, _, better in rounds()]
    assert min(surprise) > 0
    assert sum(
        drafts.chances("less harm", HARM, f"Hm. {talk.wordings(HARM, Act('help'))[0]}").values()
    ) == pytest.approx(1)
    assert drafts.chances("less harm", HARM, "Perhaps.") == {}


def test_nobody_reviews_what_is_under_test():
    for ask, _, _, _, _ in rounds():
        assert ask.kind != "harm" or ask.substance.split == "pretraining"
        assert ask.kind != "task" or talk.request_split(ask.substance, ask.goal) == "pretraining"


def test_every_act_can_be_edited():
    rng = Random(0)
    for _ in range(300):
        ask = draw_ask(WORLD, rng)
        for act in talk.acts(ask, Traits(1, 1, 1)):
            for rule in drafts.REVIEWED[ask.kind]:
                for _, edited in drafts.edits(rule, ask, act):
                    assert talk.wordings(ask, edited)
