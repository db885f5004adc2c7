"""Comparisons that a policy makes: the chance that the first of two answers is better, from a forced letter.

The form is that of Bai et al. 2022b (§4.1): a question shows the answers as (A) and (B) under a principle, and the
log-probabilities of both letters behind a cue are normalised. Nothing is parsed from samples.

Each question is put in both orders. Their log-odds are averaged: a liking for a letter or a place adds to them and so
cancels exactly. Over sampled reasonings and over principles, probabilities are averaged: the mean is the label that is
expected of one reasoning, or one principle, drawn at random, which is what the paper draws.

Normalised, the noise of a model that expects no letter at all looks like a soft label. So what both letters get before
that is kept too, and a model that gives them little is named (`unlettered`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean, median

from cai_eval.contracts import JSON, Metric, Policy, Request, Sampling
from cai_eval.dialogue import continuation
from cai_eval.lettered import label
from cai_eval.scoring import NotScored

LETTERS = (label(0), label(1))
MASS = Metric("letters", "probability of both letters together")
LEAST_MASS = 0.1  #: median below which a model does not know the form


@dataclass(frozen=True)
class Shown:
    """Two answers in one order. Both texts end without a blank.

    asking: what a reasoning continues. concluding: the reasoning, "" where there is none → what the letter continues.
    """

    asking: str
    concluding: Callable[[str], str]


@dataclass(frozen=True)
class Question:
    """A comparison under one principle.

    key: seeds its reasonings. orders: with the first answer as (A), then with it as (B).
    """

    key: str
    orders: tuple[Shown, Shown]


def shown(text: str, cue: str, lead: str = "") -> Shown:
    """A text, what opens a reasoning about it, and the cue that the letter follows, joined as they are."""
    return Shown(f"{text}{lead}", lambda reasoning: f"{text}{lead}{reasoning}{cue}")


@dataclass(frozen=True)
class Verdict:
    """logprobs: of (A) and of (B), nats, in both orders. reasonings: what went before each."""

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


def compare(policy: Policy, questions: Sequence[Question], reasoning: Sampling | None = None) -> list[list[Verdict]]:
    """The verdicts on each question: one at once, or one behind each sampled reasoning. Raises ContextTooLong.

    The same question with its answers exchanged gets the same reasonings, so that both chances add up to 1.
    """
    orders = [order for question in questions for order in question.orders]
    thoughts = _think(policy, questions, reasoning) if reasoning else [[""] for _ in orders]
    contexts = [order.concluding(text) for order, texts in zip(orders, thoughts, strict=True) for text in texts]
    scored = iter(policy.score([Request(context, continuation(letter)) for context in contexts for letter in LETTERS]))
    logprobs = [[(next(scored).total, next(scored).total) for _ in texts] for texts in thoughts]
    return [
        [Verdict((one, other), (said, swapped)) for one, other, said, swapped in zip(*both, strict=True)]
        for both in zip(logprobs[::2], logprobs[1::2], thoughts[::2], thoughts[1::2], strict=True)
    ]


def preference(verdicts: Sequence[Verdict]) -> float:
    """The chance that the first answer is better: the mean over verdicts. Raises NotScored for NaN or infinity."""
    if not all(math.isfinite(number) for verdict in verdicts for order in verdict.logprobs for number in order):
        raise NotScored("a log-probability is not a finite number")
    return math.fsum(chance(verdict.log_odds) for verdict in verdicts) / len(verdicts)


def mass(verdicts: Sequence[Verdict]) -> float:
    """The probability that either letter follows, mean over verdicts and both orders."""
    return fmean(math.exp(a) + math.exp(b) for verdict in verdicts for a, b in verdict.logprobs)


def unlettered(masses: Sequence[float], who: str) -> str:
    """A warning where a model does not know the form, else nothing. masses: of both letters, for each comparison."""
    middle = median(masses)
    if middle >= LEAST_MASS:
        return ""
    return (
        f"{who} gives both letters together a probability of {middle:.2g} (median): it does not know the form, so take "
        "its choices for noise, or ask a larger model."
    )


def chance(log_odds: float) -> float:
    """The logistic function; of −x it is exactly one minus that of x, up to rounding."""
    return (1 + math.tanh(log_odds / 2)) / 2


def clamp(chance: float, low: float) -> float:
    """A chance kept between `low` and 1 − `low`: behind a reasoning a model is too sure (Bai et al. 2022b, §4.1)."""
    return min(max(chance, low), 1 - low)


def _think(policy: Policy, questions: Sequence[Question], sampling: Sampling) -> list[list[str]]:
    """Reasonings in both orders of each question; the key tells the two by their text and not by their place."""
    asked = [[order.asking for order in question.orders] for question in questions]
    keys = [
        f"{question.key} {int(text > min(texts))}"
        for question, texts in zip(questions, asked, strict=True)
        for text in texts
    ]
    drawn = policy.generate([text for texts in asked for text in texts], sampling, keys)
    return [[sample.text.rstrip() for sample in samples] for samples in drawn]
