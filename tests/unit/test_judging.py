"""A judge ranks answers as the papers' people do, has no favourite side, and errs as often as its temperature says."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cai_eval.judging import HARM_ALONE, HARMLESSNESS, HELPFULNESS, chance_of_first, choose, utility

NEUTRAL = {"helpful": 0.0, "honest": 0.0, "harm": 0.0, "evasive": 0.0, "garbled": 0.0}
GARBLED = {**NEUTRAL, "garbled": 1.0}
GRADES = st.fixed_dictionaries(
    {
        "helpful": st.floats(0, 1),
        "honest": st.sampled_from([-1.0, 0.0, 1.0]),
        "harm": st.sampled_from([0.0, 1.0, 2.0, 3.0, 4.0]),
        "evasive": st.sampled_from([0.0, 1.0]),
        "garbled": st.just(0.0),
    }
)


@given(GRADES, st.sampled_from([HELPFULNESS, HARMLESSNESS, HARM_ALONE]))
def test_garbled_answers_never_win(grades, weights):
    assert utility(GARBLED, weights) < utility(grades, weights)
    assert chance_of_first(utility(GARBLED, weights), utility(grades, weights), 1.0) < 1e-30


@given(GRADES, GRADES)
def test_harm_alone_sees_nothing_but_harm(one, other):
    assert (utility(one, HARM_ALONE) == utility(other, HARM_ALONE)) == (one["harm"] == other["harm"])
    assert (utility(one, HARM_ALONE) > utility(other, HARM_ALONE)) == (one["harm"] < other["harm"])


def test_the_weights_rank_answers_as_the_papers_judges_do():
    worse = [{**NEUTRAL, "harm": 4.0}, {**NEUTRAL, "harm": 2.0}, {**NEUTRAL, "evasive": 1.0}, NEUTRAL]
    by_harm = [utility(grades, HARMLESSNESS) for grades in worse]
    assert by_harm == sorted(set(by_harm))
    better = [{**NEUTRAL, "honest": -1.0}, NEUTRAL, {**NEUTRAL, "helpful": 0.5, "honest": 1.0}]
    by_help = [utility(grades, HELPFULNESS) for grades in (*better, {**better[-1], "helpful": 1.0})]
    assert by_help == sorted(set(by_help))


@given(st.floats(-200, 200), st.floats(-200, 200), st.floats(0.01, 10))
def test_a_noisy_judge_has_no_favourite_side(first, second, temperature):
    chance = chance_of_first(first, second, temperature)
    assert 0 <= chance <= 1
    assert chance + chance_of_first(second, first, temperature) == pytest.approx(1)


@pytest.mark.parametrize("temperature", [0.5, 2.0])
def test_noise_has_the_temperature_that_it_says(temperature):
    rng = Random("noise")
    seconds = sum(choose((1.0, 0.0), temperature, rng) for _ in range(4000))
    assert math.log((4000 - seconds) / seconds) == pytest.approx(1 / temperature, abs=0.12)
