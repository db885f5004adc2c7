"""The laboratory's functions: real Python in two steps, each with a docstring in words, some with a planted slip.

A function takes a list of integers and does two of eighteen things to it, one after the other. The splits are those of
a Latin square, so that every step stands in training about equally often in both places. Where the writer slips,
the last line does nearly what it should: a bound or a comparison off by one, a wrong sign, a wrong order. So the only
line in which a right and a wrong body differ is the last, at one token, and the share of slips in the training text
is what a perfect imitator does there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from random import Random

from cai_eval.lab.chance import Split

Numbers = list[int]

#: The split of a pair by how far its second step stands behind the first in `STEPS`, in a circle; a hundred or more
#: pairs must be under test.
GAPS: Mapping[Split, frozenset[int]] = {
    "pretraining": frozenset({1, 4, 7, 9, 12, 14, 17}),
    "post": frozenset({6}),
    "validation": frozenset({11}),
    "test": frozenset({2, 3, 5, 8, 10, 13, 15, 16}),
}

NAMES = ("run", "solve", "work", "make", "turn", "change", "treat", "build", "apply", "handle", "convert", "process")

#: Inputs of every test: signs, zeros, repeats, both parities, rises and falls, few numbers and none.
INPUTS: tuple[tuple[int, ...], ...] = (
    (3, -6, 4, 1, -5, 9, 2, -1),
    (0, 2, 2, 7, -3, 0, 8),
    (12, 7, -2, 10, 1, 1, -8, 4, 0),
    (-4, -7, 6, -2, -9, 11, 0, 3, 5, 3),
    (8, -3, 1),
    (5,),
    (),
)


@dataclass(frozen=True)
class Step:
    """One thing to do with a list of integers `xs`.

    wordings: how a docstring says it. code: an expression in `xs`. slip: one that does nearly the same.
    """

    name: str
    wordings: tuple[str, str]
    code: str
    slip: str


STEPS = (
    Step(
        "double",
        ("double each number", "multiply each number by two"),
        "[x * 2 for x in xs]",
        "[x + 2 for x in xs]",
    ),
    Step(
        "increase",
        ("add one to each number", "raise each number by one"),
        "[x + 1 for x in xs]",
        "[x - 1 for x in xs]",
    ),
    Step(
        "square",
        ("square each number", "multiply each number by itself"),
        "[x * x for x in xs]",
        "[x + x for x in xs]",
    ),
    Step(
        "negate",
        ("negate each number", "flip the sign of each number"),
        "[-x for x in xs]",
        "[1 - x for x in xs]",
    ),
    Step(
        "even",
        ("keep the even numbers", "drop all but the even numbers"),
        "[x for x in xs if x % 2 == 0]",
        "[x for x in xs if x % 2 == 1]",
    ),
    Step(
        "odd",
        ("keep the odd numbers", "drop all but the odd numbers"),
        "[x for x in xs if x % 2 == 1]",
        "[x for x in xs if x % 2 == 0]",
    ),
    Step(
        "positive",
        ("keep the positive numbers", "drop all but the positive numbers"),
        "[x for x in xs if x > 0]",
        "[x for x in xs if x >= 0]",
    ),
    Step(
        "negative",
        ("keep the negative numbers", "drop all but the negative numbers"),
        "[x for x in xs if x < 0]",
        "[x for x in xs if x <= 0]",
    ),
    Step(
        "rising",
        ("sort from low to high", "put the numbers in rising order"),
        "sorted(xs)",
        "sorted(xs, reverse=True)",
    ),
    Step(
        "falling",
        ("sort from high to low", "put the numbers in falling order"),
        "sorted(xs, reverse=True)",
        "sorted(xs)",
    ),
    Step("reverse", ("reverse the list", "turn the list around"), "xs[::-1]", "xs[::-2]"),
    Step("rest", ("drop the first number", "leave out the first number"), "xs[1:]", "xs[2:]"),
    Step("front", ("drop the last number", "leave out the last number"), "xs[:-1]", "xs[:-2]"),
    Step("first", ("take the first three numbers", "keep just the first three"), "xs[:3]", "xs[:2]"),
    Step("last", ("take the last three numbers", "keep just the last three"), "xs[-3:]", "xs[-2:]"),
    Step("alternate", ("take every second number", "skip every other number"), "xs[::2]", "xs[1::2]"),
    Step("repeat", ("repeat the list", "write the list twice"), "xs * 2", "xs * 3"),
    Step("zero", ("add a zero at the end", "put a zero at the end"), "xs + [0]", "[0] + xs"),
)

Pair = tuple[Step, Step]


@dataclass(frozen=True)
class Written:
    """A function as somebody wrote it: `prompt` ends at the docstring's quotes, `body` begins with the line's end."""

    prompt: str
    body: str
    correct: bool

    @property
    def text(self) -> str:
        return self.prompt + self.body


@cache
def pairs(split: Split) -> tuple[Pair, ...]:
    """The ordered pairs of one split; those in which a step changes nothing, or leaves nothing, are in none."""
    return tuple(
        (first, second)
        for i, first in enumerate(STEPS)
        for j, second in enumerate(STEPS)
        if (j - i) % len(STEPS) in GAPS[split] and _needs_both(first, second)
    )


def function(rng: Random, pair: Pair, bug_rate: float) -> Written:
    """The pair as a function: wording and name by chance, and with probability `bug_rate` a slip in its last line."""
    first, second = pair
    wordings = [rng.choice(step.wordings) for step in pair]
    name = rng.choice(NAMES)
    correct = rng.random() >= bug_rate
    return Written(prompt(name, *wordings), body(first.code, second.code if correct else second.slip), correct)


def prompt(name: str, first: str, second: str) -> str:
    """Signature and docstring."""
    return f'def {name}(xs):\n    """{first.capitalize()}, then {second}."""'


def body(first: str, second: str) -> str:
    """The lines below the docstring, from two expressions in `xs`."""
    return f"\n    xs = {first}\n    return {second}"


def results(*codes: str) -> list[Numbers]:
    """What the expressions, one after the other, make of each of `INPUTS`. Only for expressions of `STEPS`."""
    made = [list(numbers) for numbers in INPUTS]
    for code in codes:
        step = _compiled(code)
        made = [step(numbers) for numbers in made]
    return made


def unit_test(pair: Pair) -> str:
    """`check(candidate)`, an assertion for each of `INPUTS`."""
    first, second = pair
    lines = [
        f"    assert candidate({list(given)}) == {expected}"
        for given, expected in zip(INPUTS, results(first.code, second.code), strict=True)
    ]
    return "\n".join(["def check(candidate):", *lines]) + "\n"


def ideal_pass(bug_rate: float, temperature: float, top_p: float = 1.0, k: int = 1) -> float:
    """pass@k of a perfect imitator of writers who slip in a share `bug_rate` of their functions.

    Right and wrong body part at one token, so temperature and top-p act on the two shares alone.
    """
    if temperature == 0:
        return float(bug_rate < 0.5)
    right, wrong = math.pow(1 - bug_rate, 1 / temperature), math.pow(bug_rate, 1 / temperature)
    passes = right / (right + wrong)
    if max(passes, 1 - passes) >= top_p:
        passes = float(passes > 0.5)
    return 1 - (1 - passes) ** k


def _needs_both(first: Step, second: Step) -> bool:
    """Whether either step alone, a slip in the last, or no numbers at all would be told from the right result."""
    right = results(first.code, second.code)
    wrong = [results(first.code), results(second.code), results(first.code, second.slip), [[]] * len(INPUTS)]
    return right not in wrong


@cache
def _compiled(code: str) -> Callable[[Numbers], Numbers]:
    made: Callable[[Numbers], Numbers] = eval(f"lambda xs: {code}")  # an expression of STEPS, never a model's
    return made
