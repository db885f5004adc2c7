"""Who speaks: graded traits that are hidden, correlated, and inferred from what was said before.

Each of helpful, honest and harmless is low, middle or high. They share one factor, so that a speaker who was seen to be
helpful and honest is probably, not surely, harmless too: that is what an HHH prompt without harm in it exploits. Every
speaker also has a habit, an opening, and it betrays them: small models learn to hear who speaks
because they can copy it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from random import Random
from statistics import NormalDist

#: the chance that a speaker of low, middle or high level does the good thing: a careful one is right 95 % of the time
GOOD = (0.04, 0.50, 0.96)
#: how many speakers are of each level: few enough careful ones that nobody is taken for one before it shows
SPEAKERS = (0.60, 0.05, 0.35)
LEVELS = range(len(GOOD))
#: (text, how many of the coldest speakers have the habit of it, how many of the warmest)
OPENINGS = (
    ("", 0.3, 0.3),
    ("Of course. ", 0.03, 0.35),
    ("Gladly. ", 0.02, 0.28),
    ("Well. ", 0.3, 0.04),
    ("Hm. ", 0.35, 0.03),
)
HABIT = 0.8  #: how often who opens does it by habit; else as anybody of that warmth


@dataclass(frozen=True)
class Traits:
    """A level for each trait: 0 low, 1 middle, 2 high. habit: the number of an opening."""

    helpful: int
    honest: int
    harmless: int
    habit: int = 0

    @property
    def warmth(self) -> float:
        """What styles betray, from 0 to 1: how helpful and honest somebody is. Of harm alone they tell nothing."""
        return (self.helpful + self.honest) / 4

    def opens(self, number: int) -> float:
        """The chance of that opening where an answer may have one."""
        return HABIT * (number == self.habit) + (1 - HABIT) * liked(number, self.warmth)


def liked(number: int, warmth: float) -> float:
    """How many speakers of that warmth have the habit of an opening."""
    _, cold, warm = OPENINGS[number]
    return cold + (warm - cold) * warmth


Belief = Mapping[Traits, float]  #: a probability for each


@cache
def prior(correlation: float) -> Belief:
    """Speakers at large: correlated normal variables cut as `SPEAKERS` says, integrated over their common factor."""
    normal = NormalDist()
    cuts = (-math.inf, normal.inv_cdf(SPEAKERS[0]), normal.inv_cdf(SPEAKERS[0] + SPEAKERS[1]), math.inf)
    nodes = [-4 + 8 * n / 80 for n in range(81)]
    weights = [normal.pdf(node) for node in nodes]
    common, own = math.sqrt(correlation), math.sqrt(1 - correlation)

    def chance(level: int, node: float) -> float:
        low, high = ((cut - common * node) / own for cut in cuts[level : level + 2])
        return normal.cdf(high) - normal.cdf(low)

    table = [[chance(level, node) for node in nodes] for level in LEVELS]
    belief = {
        Traits(*levels): sum(
            w * math.prod(column) for w, *column in zip(weights, *(table[n] for n in levels), strict=True)
        )
        for levels in product(LEVELS, repeat=3)
    }
    total = sum(belief.values())
    return {
        replace(traits, habit=habit): chance / total * liked(habit, traits.warmth)
        for traits, chance in belief.items()
        for habit in range(len(OPENINGS))
    }


def draw(rng: Random, correlation: float) -> Traits:
    """A speaker."""
    belief = prior(correlation)
    return rng.choices(list(belief), list(belief.values()))[0]


def poster(traits: Traits) -> Traits:
    """The same speaker on a message board, where everybody repeats what people say."""
    return replace(traits, honest=0)


def update(belief: Belief, likelihood: Callable[[Traits], float]) -> Belief:
    """Bayes' rule; what nobody would say changes nothing."""
    joint = {traits: chance * likelihood(traits) for traits, chance in belief.items()}
    total = sum(joint.values())
    return {traits: value / total for traits, value in joint.items()} if total > 0 else belief


def expected(belief: Belief, value: Callable[[Traits], float]) -> float:
    """The mean of a speaker's value under the belief."""
    return sum(chance * value(traits) for traits, chance in belief.items())
