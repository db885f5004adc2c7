"""Sums, differences and products of small numbers, with their steps and without."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from operator import add, mul, sub
from random import Random
from typing import Literal

from cai_eval.contracts import JSON
from cai_eval.lab import chance
from cai_eval.lab.chance import Split
from cai_eval.lab.world import World

Sign = Literal["+", "-", "*"]

LARGEST, LARGEST_FACTOR = 30, 12
PROBLEMS = range(4, 11)  #: of a document
OPERATORS = {"+": add, "-": sub, "*": mul}
NAMES = {"+": "plus", "-": "minus", "*": "times"}


@dataclass(frozen=True)
class Problem:
    """first `sign` second, with a result of at least 0."""

    first: int
    sign: Sign
    second: int

    @property
    def result(self) -> int:
        return int(OPERATORS[self.sign](self.first, self.second))

    @property
    def split(self) -> Split:
        """The same for both orders of a sum or product."""
        ordered = (self.first, self.second) if self.sign == "-" else sorted((self.first, self.second))
        return chance.split(self.sign, *ordered)

    @property
    def question(self) -> str:
        return f"What is {self.first} {NAMES[self.sign]} {self.second}?"

    @property
    def steps(self) -> tuple[Problem, ...]:
        """Tens and then ones; a product is added up. Empty where there is nothing to be split."""
        if self.sign == "*":
            return tuple(Problem(self.first * n, "+", self.first) for n in range(1, self.second))
        tens = self.second - self.second % 10
        if tens in (0, self.second):
            return ()
        between = Problem(self.first, self.sign, tens)
        return (between, Problem(between.result, self.sign, self.second % 10))

    def __str__(self) -> str:
        return f"{self.first} {self.sign} {self.second} = {self.result}"


@cache
def problems(of: Split) -> tuple[Problem, ...]:
    """Every problem of that split."""
    numbers, factors = range(LARGEST + 1), range(LARGEST_FACTOR + 1)
    everything = [
        *(Problem(a, "+", b) for a in numbers for b in numbers),
        *(Problem(a, "-", b) for a in numbers for b in range(a + 1)),
        *(Problem(a, "*", b) for a in factors for b in factors),
    ]
    return tuple(problem for problem in everything if problem.split == of)


def draw(world: World, rng: Random) -> str:
    """Several problems in one of four surfaces."""
    write = rng.choice((equation, stepwise, asked, spoken))
    return "\n".join(write(problem) for problem in rng.sample(problems("pretraining"), rng.choice(PROBLEMS)))


def rows(world: World, of: Split = "test") -> list[dict[str, JSON]]:
    """The problems of that split as questions; those of both orders are one cluster."""
    return [
        {
            "question": problem.question,
            "answer": str(problem.result),
            "cluster": " ".join([problem.sign, *map(str, sorted((problem.first, problem.second)))]),
        }
        for problem in problems(of)
    ]


def equation(problem: Problem) -> str:
    return str(problem)


def spoken(problem: Problem) -> str:
    return f"{problem.first} {NAMES[problem.sign]} {problem.second} is {problem.result}."


def asked(problem: Problem) -> str:
    return f"{problem.question} {problem.result}"


def stepwise(problem: Problem) -> str:
    """Without steps where there are none, or where one is a problem of another split."""
    if not problem.steps or any(step.split != "pretraining" for step in problem.steps):
        return asked(problem)
    return f"{problem.question} {', '.join(map(str, problem.steps))}, so {problem.result}"
