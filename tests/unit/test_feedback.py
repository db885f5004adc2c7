"""Labels by a forced letter: symmetric whatever the model likes, read from log-probabilities, never from samples."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cai_eval.contracts import Request, Sample, Sampling, Scored
from cai_eval.feedback import LETTERS, Question, Verdict, clamp, compare, mass, preference, shown, unlettered
from cai_eval.scoring import NotScored
from cai_eval.testing.toys import RandomPolicy

THINKING = Sampling(max_tokens=8, samples=3, temperature=1.0)
ANSWERS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)


class Biased(RandomPolicy):
    """Likes what the text's hash says, and beyond it one letter, by `nats`."""

    def __init__(self, nats: float = 0.0) -> None:
        super().__init__()
        self.nats = nats
        self.scored: list[Request] = []

    def score(self, requests: Sequence[Request]) -> list[Scored]:
        self.scored += requests
        liking = [self.nats * (request.continuation == f" {LETTERS[0]}") for request in requests]
        return [Scored((s.total + more,), False) for s, more in zip(super().score(requests), liking, strict=True)]


def question(first: str, second: str, lead: str = "") -> Question:
    texts = [f"Asked: x\n(A) {a}\n(B) {b}\nRule: y" for a, b in ((first, second), (second, first))]
    one, other = (shown(text, "\nAnswer:", lead) for text in texts)
    return Question("key", (one, other))


def chance(policy: RandomPolicy, first: str, second: str, thinking: Sampling | None = None) -> float:
    (verdicts,) = compare(policy, [question(first, second, "\nWeighed:" if thinking else "")], thinking)
    return preference(verdicts)


@given(ANSWERS, ANSWERS, st.floats(-20, 20), st.sampled_from([None, THINKING]))
def test_exchanged_answers_get_the_opposite_label(first, second, nats, thinking):
    policy = Biased(nats)
    assert chance(policy, first, second, thinking) == pytest.approx(1 - chance(policy, second, first, thinking))


@given(ANSWERS, st.floats(-20, 20), st.sampled_from([None, THINKING]))
def test_equal_answers_are_equally_good(answer, nats, thinking):
    assert chance(Biased(nats), answer, answer, thinking) == 0.5


@given(ANSWERS, ANSWERS, st.floats(-20, 20))
def test_a_liking_for_a_letter_cancels_exactly(first, second, nats):
    assert chance(Biased(nats), first, second) == pytest.approx(chance(Biased(0.0), first, second), abs=1e-9)


@given(st.floats(-30, 0), st.floats(-30, 0), st.floats(-30, 0), st.floats(-30, 0))
def test_the_label_is_the_softmax_of_both_letters_over_both_orders(a, b, swapped_a, swapped_b):
    label = preference([Verdict(((a, b), (swapped_a, swapped_b)))])
    first, second = math.exp((a + swapped_b) / 2), math.exp((b + swapped_a) / 2)
    assert label == pytest.approx(first / (first + second))


def test_the_mass_of_the_letters_is_what_they_have_together():
    verdict = Verdict(((math.log(0.2), math.log(0.1)), (math.log(0.04), math.log(0.06))))
    assert mass([verdict]) == pytest.approx(0.2)
    assert mass([verdict, Verdict(((math.log(0.5), math.log(0.5)), (math.log(0.5), math.log(0.5))))]) == pytest.approx(
        0.6
    )


def test_who_expects_no_letter_is_named():
    assert unlettered([0.9, 0.01, 0.3], "it") == unlettered([0.1], "it") == ""
    assert unlettered([0.9, 0.01, 0.02], "it").startswith("it gives both letters together a probability of 0.02")


def test_probabilities_are_averaged_over_verdicts_and_not_logits():
    sure, opposed = Verdict(((0.0, -8.0), (-8.0, 0.0))), Verdict(((-1.0, 0.0), (0.0, -1.0)))
    expected = (1 / (1 + math.exp(-8)) + 1 / (1 + math.exp(1))) / 2
    assert preference([sure, opposed]) == pytest.approx(expected)


def test_both_letters_are_forced_behind_the_cue_in_both_orders():
    policy = Biased()
    compare(policy, [question("yes", "no")])
    shown_yes_first = "Asked: x\n(A) yes\n(B) no\nRule: y\nAnswer:"
    shown_no_first = "Asked: x\n(A) no\n(B) yes\nRule: y\nAnswer:"
    assert policy.scored == [Request(c, f" {x}") for c in (shown_yes_first, shown_no_first) for x in LETTERS]


class Parrot(Biased):
    """Writes a letter into its reasoning, and likes the answer that reads "good"."""

    def generate(self, prompts: Sequence[str], sampling: Sampling, keys: Sequence[str]) -> list[list[Sample]]:
        return [[Sample(f" {key}/{i}, so (B)", (0,), (0.0,), "stop") for i in range(sampling.samples)] for key in keys]

    def score(self, requests: Sequence[Request]) -> list[Scored]:
        self.scored += requests
        return [Scored((2.0 * (f"{r.continuation.strip()} good" in r.context),), False) for r in requests]


def test_a_reasoning_stands_before_the_cue_and_its_letter_is_not_read():
    policy = Parrot()
    (verdicts,) = compare(policy, [question("good", "bad", "\nWeighed:")], THINKING)
    assert len(verdicts) == THINKING.samples
    assert preference(verdicts) == pytest.approx(1 / (1 + math.exp(-2)))
    assert all(request.context.endswith(", so (B)\nAnswer:") for request in policy.scored)
    assert "Rule: y\nWeighed: key 1/0, so (B)\nAnswer:" in policy.scored[0].context
    assert [verdict.reasonings for verdict in verdicts] == [
        (f" key 1/{i}, so (B)", f" key 0/{i}, so (B)") for i in range(3)
    ]


def test_questions_do_not_mix():
    policy = Biased()
    questions = [question("a", "b", "\nW:"), question("c", "d", "\nW:"), question("d", "a", "\nW:")]
    assert compare(policy, questions, THINKING) == [compare(policy, [one], THINKING)[0] for one in questions]
    assert compare(policy, []) == []


@given(st.floats(0, 1), st.floats(0, 0.5))
def test_clamping_twice_is_clamping_once(label, low):
    once = clamp(label, low)
    assert low <= once <= 1 - low
    assert clamp(once, low) == once
    assert clamp(1 - label, low) == pytest.approx(1 - once)


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_has_no_label(broken):
    with pytest.raises(NotScored, match="finite"):
        preference([Verdict(((0.0, -1.0), (broken, -1.0)))])
