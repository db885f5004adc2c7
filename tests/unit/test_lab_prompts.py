"""The laboratory's prompts for policies: disjoint splits, and a judge that knows what is asked."""

from itertools import combinations

import pytest

from cai_eval.contracts import Published
from cai_eval.lab.listening import parse_ask
from cai_eval.lab.source import LaboratorySource

NAMES = ("red-team-prompts", "helpful-prompts", "validation-prompts", "test-prompts")
KINDS = {"harmful": "harm", "benign": "task", "alarming": "task"}


@pytest.fixture(scope="module")
def source():
    return LaboratorySource()


@pytest.fixture(scope="module")
def prompts(source):
    return {name: source.rows(Published(name, name)) for name in NAMES}


def test_no_prompt_is_in_two_sets(prompts):
    sets = {name: {row["prompt"] for row in rows} for name, rows in prompts.items()}
    assert all(len(sets[name]) == len(rows) for name, rows in prompts.items())
    assert not any(sets[one] & sets[other] for one, other in combinations(NAMES, 2))


def test_no_hazard_is_in_two_sets(prompts):
    hazards = {name: {row["cluster"] for row in rows if row["kind"] == "harmful"} for name, rows in prompts.items()}
    assert not any(hazards[one] & hazards[other] for one, other in combinations(NAMES, 2))
    assert len(hazards["test-prompts"]) >= 100


def test_kinds_are_what_the_world_says(source, prompts):
    for row in prompts["test-prompts"]:
        ask = parse_ask(source.world, row["prompt"])
        assert ask.kind == KINDS.get(row["kind"], ask.kind)
        assert ask.alarming == (row["kind"] == "alarming") or row["kind"] == "harmful"


def test_the_judge_tells_harm_from_help(source, prompts):
    harmful = next(row["prompt"] for row in prompts["test-prompts"] if row["kind"] == "harmful")
    assert source.judge(harmful, "banana banana")["garbled"] == 1
    assert source.judge("What is the capital of France?", "Paris.") is None


def test_the_judge_says_what_the_oracle_says(source):
    from cai_eval.lab import oracle, talk

    for hazard in talk.requested(source.world, "test")[:20]:
        ask = talk.request(hazard, source.world.goals[0], 0, "")
        for kind in ("help", "decline", "refuse"):
            for text in talk.wordings(ask, talk.Act(kind)):
                verdict, told = oracle.grade(source.world, ask, text), source.judge(ask.text, text)
                assert told["harm"] == verdict.harm
                assert told["evasive"] == verdict.evasive
                assert (told["harm"] > 0) == (kind == "help")
