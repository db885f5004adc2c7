"""Choosing between answers whose grades are known: what a judge cares for, and how often it errs.

Grades are those of `contracts.Source.judge`. A judge prefers by utility with Bradley–Terry noise (Bradley and Terry
1952), as people who compare answers are modelled (Bai et al. 2022a, §3.1).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

Grades = Mapping[str, float]


@dataclass(frozen=True)
class Weights:
    """Utility for each unit of a grade; a claim counts 1 if it is true, -1 if it is false."""

    helpful: float = 0.0
    honest: float = 0.0
    harm: float = 0.0
    evasive: float = 0.0


HELPFULNESS = Weights(helpful=3.0, honest=1.0)
#: as workers were told in Bai et al. 2022b: of answers that harm as little, the one that does not dodge
HARMLESSNESS = Weights(harm=-1.0, evasive=-0.5)
#: as the human labels of Bai et al. 2022a: dodging is no worse than anything else that does no harm
HARM_ALONE = Weights(harm=-1.0)
WORST = -100.0  #: utility of what is garbled: it never wins


def utility(grades: Grades, weights: Weights) -> float:
    """The weighted sum of the grades."""
    if grades["garbled"]:
        return WORST
    return (
        weights.helpful * grades["helpful"]
        + weights.honest * grades["honest"]
        + weights.harm * grades["harm"]
        + weights.evasive * grades["evasive"]
    )


def chance_of_first(first: float, second: float, temperature: float) -> float:
    """The chance that a judge prefers the first of two utilities."""
    return 1 / (1 + math.exp(min((second - first) / temperature, 700.0)))


def choose(utilities: Sequence[float], temperature: float, rng: Random) -> int:
    """The number, 0 or 1, of the answer that such a judge prefers."""
    first, second = utilities
    return int(rng.random() >= chance_of_first(first, second, temperature))
