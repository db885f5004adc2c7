"""What respondents believe about facts, and how often they choose each option of a question.

A *belief* is a value → its probability. Ordinary respondents share one, in whatever format they are asked, so that a
perfect imitator gives an answer the same probability in all of them: these functions are that ideal observer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random

from cai_eval.lab.world import Fact, words
from cai_eval.lettered import NONE_OF_THE_ABOVE

Belief = Mapping[str, float]

SIZES = (2, 3, 4, 5)  #: options of a lettered question
WITH_NONE = 1 / 3  #: how often the last of them is "none of the above"


def plain(fact: Fact) -> Belief:
    """How often ordinary respondents give each answer."""
    return dict(zip(fact.options, fact.shares, strict=True))


def chances(belief: Belief, shown: Sequence[str]) -> tuple[float, ...]:
    """How often each shown option is chosen, in order.

    "none of the above" stands for all that is not shown; without it, respondents keep to what is.
    """
    believed = [belief.get(option, 0.0) for option in shown]
    if shown[-1] == NONE_OF_THE_ABOVE:
        return (*believed[:-1], 1 - sum(believed))
    return tuple(value / sum(believed) for value in believed)


def choose(belief: Belief, shown: Sequence[str], rng: Random) -> int:
    """The number of the option that a respondent of this belief chooses."""
    return rng.choices(range(len(shown)), chances(belief, shown))[0]


def show(fact: Fact, rng: Random, size: int, none: bool, needed: str | None = None) -> tuple[str, ...]:
    """Options of a lettered question in random order, out of the fact's own and one that nobody gives.

    none: the last is "none of the above". needed: an option that is among the others.
    """
    nobodys = rng.choice(
        [value for value in words()["relations"][fact.relation]["values"] if value not in fact.options]
    )
    kept = [] if needed is None else [needed]
    pool = [option for option in (*fact.options, nobodys) if option not in kept]
    shown = kept + rng.sample(pool, size - none - len(kept))
    rng.shuffle(shown)
    return (*shown, NONE_OF_THE_ABOVE) if none else tuple(shown)


def draw_options(fact: Fact, rng: Random, needed: str | None = None) -> tuple[str, ...]:
    """Two to five options; `needed` is among them, or "none of the above" is."""
    none = rng.random() < WITH_NONE
    return show(fact, rng, rng.choice(SIZES), none, None if none else needed)


def number_of(shown: Sequence[str], value: str) -> int:
    """The number of the option that says the value, or else of "none of the above"."""
    return shown.index(value if value in shown else NONE_OF_THE_ABOVE)
