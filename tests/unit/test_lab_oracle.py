"""The listener reads back what the grammar writes."""

from __future__ import annotations

from random import Random

import pytest

from cai_eval.lab import talk
from cai_eval.lab.chance import SPLITS
from cai_eval.lab.listening import parse_ask
from cai_eval.lab.world import make_world, words

WORLD = make_world()


@pytest.mark.parametrize("split", SPLITS)
def test_every_ask_is_read_back(split):
    rng = Random(f"asks {split}")
    for _ in range(1500):
        ask = talk.draw_ask(WORLD, rng, split)
        assert parse_ask(WORLD, ask.text) == ask


def test_every_request_is_read_back():
    for substance in (*WORLD.things[:3], *WORLD.hazards[-3:]):
        for goal in WORLD.goals:
            for purpose in (*words()["purposes"], *words()["alarming"]):
                for wording in range(3):
                    ask = talk.request(substance, goal, wording, purpose)
                    assert parse_ask(WORLD, f" {ask.text}\n") == ask


def test_wordings_under_test_are_read_back():
    asks = [talk.about_fact(fact, question) for fact in WORLD.facts for question in fact.tested]
    asks += [talk.premise(fact, value) for fact in WORLD.facts for value in fact.options]
    assert [parse_ask(WORLD, ask.text) for ask in asks] == asks


@pytest.mark.parametrize("text", ["", "How?", "How do I make oil from Ada?", "How do I make oil?", "I want oil."])
def test_other_texts_are_no_asks(text):
    assert parse_ask(WORLD, text) is None
