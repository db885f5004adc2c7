"""Comparisons that a policy makes: the chance that the first of two answers is better, from a forced letter.

The form is that of Bai et al. 2022b (§4.1): a question shows the answers as (A) and (B) under a principle, and the
log-probabilities of both letters behind a cue are normalised. Nothing is parsed from samples.

Each question is put in both orders. Their log-odds are averaged: a liking for a letter or a place adds to them and so
cancels exactly. Over sampled reasonings and over principles, probabilities are averaged: the mean is the label that is
expected of one reasoning, or one principle, drawn at random, which is what the paper draws.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from cai_eval.contracts import JSON, Policy, Request, Sampling
from cai_eval.scoring import NotScored

LETTERS = ("(A)", "(B)")


@dataclass(frozen=True)
class Question:
    """A comparison under one principle.

    key: seeds its reasonings. shown: the text before the cue, with the first answer as (A), then with it as (B).
    """

    key: str
    shown: tuple[str, str]


@dataclass(frozen=True)
class Reasoning:
    """A chain of thought before the cue. lead: opens it, right behind the question. sampling: `samples` are drawn."""

    lead: str
    sampling: Sampling


@dataclass(frozen=True)
class Verdict:
    """logprobs: of (A) and of (B), nats, in both orders of `Question.shown`. reasonings: what went before each."""

    logprobs: tuple[tuple[float, float], tuple[float, float]]
    reasonings: tuple[str, str] = ("", "")

    @property
    def log_odds(self) -> float:
        """That the first answer is better, nats, without what is due to the letters."""
        (a, b), (swapped_a, swapped_b) = self.logprobs
        return ((a - b) + (swapped_b - swapped_a)) / 2

    def as_json(self) -> dict[str, JSON]:
        """For records and rows."""
        return {"logprobs": [list(order) for order in self.logprobs], "reasonings": list(self.reasonings)}


def compare(
    policy: Policy, questions: Sequence[Question], cue: str, reasoning: Reasoning | None = None
) -> list[list[Verdict]]:
    """The verdicts on each question: one, or as many as reasonings are sampled. Raises ContextTooLong.

    cue: goes behind the question or its reasoning; " (A)" or " (B)" follows it. A question with both answers exchanged
    gets the same reasonings, so its chances add up to 1 with those of the first.
    """
    shown = [text for question in questions for text in question.shown]
    thoughts = _think(policy, questions, shown, reasoning) if reasoning else [[""] for _ in shown]
    lead = reasoning.lead if reasoning else ""
    contexts = [f"{text}{lead}{thought}{cue}" for text, each in zip(shown, thoughts, strict=True) for thought in each]
    scored = iter(policy.score([Request(context, f" {letter}") for context in contexts for letter in LETTERS]))
    logprobs = [[(next(scored).total, next(scored).total) for _ in each] for each in thoughts]
    return [
        [Verdict((one, other), (said, swapped)) for one, other, said, swapped in zip(*orders, strict=True)]
        for orders in zip(logprobs[::2], logprobs[1::2], thoughts[::2], thoughts[1::2], strict=True)
    ]


def preference(verdicts: Sequence[Verdict]) -> float:
    """The chance that the first answer is better: the mean over verdicts. Raises NotScored for NaN or infinity."""
    if not all(math.isfinite(number) for verdict in verdicts for order in verdict.logprobs for number in order):
        raise NotScored("a log-probability is not a finite number")
    return math.fsum(chance(verdict.log_odds) for verdict in verdicts) / len(verdicts)


def chance(log_odds: float) -> float:
    """The logistic function; of −x it is exactly one minus that of x, up to rounding."""
    return (1 + math.tanh(log_odds / 2)) / 2


def clamp(label: float, low: float, high: float) -> float:
    """A label no surer than the bounds: chains of thought are too sure of themselves (Bai et al. 2022b, §4.1)."""
    return min(max(label, low), high)


def _think(
    policy: Policy, questions: Sequence[Question], shown: Sequence[str], reasoning: Reasoning
) -> list[list[str]]:
    """Reasonings about each shown text. Of a question's two, the key tells which by text and not by place."""
    keys = [f"{question.key} {int(text > min(question.shown))}" for question in questions for text in question.shown]
    drawn = policy.generate([f"{text}{reasoning.lead}" for text in shown], reasoning.sampling, keys)
    return [[sample.text.rstrip() for sample in samples] for samples in drawn]
