"""What the gate promises, measured: it cries wolf no more often than stated, and sees what it says that it can see.

A gate of two interventions on three benchmarks. An intervention's training seed moves all three benchmarks at once,
items are as hard for the one as for the other, and twenty gates share a baseline.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from cai_eval.contracts import Metric
from cai_eval.statistics import difference_interval
from cai_eval.study.gate.verdicts import Judgement, Pair, Place, judge

Array = NDArray[np.float64]
ACCURACY = Metric("accuracy", "accuracy", primary=True)
INTERVENTIONS, BENCHMARKS = ("prompt", "tuned"), ("hhh", "truthfulqa", "lambada")
ITEMS = 200
CLUSTERS = np.arange(ITEMS) // 2
SHARED = 20  #: gates with one baseline
SLOW = pytest.mark.slow
POINTS = [0, 1, pytest.param(2, marks=SLOW), pytest.param(4, marks=SLOW)]


def scores(random: np.random.Generator, chances: Array, seeds: int, spread: float, lost: float = 0.0) -> Array:
    """(interventions, benchmarks, seeds, items) of 0 and 1. chances: (benchmarks, items). spread: SD of a training
    seed's effect. lost: what the first cell loses."""
    moved = spread * random.normal(size=(len(INTERVENTIONS), 1, seeds, 1))
    change = np.zeros((len(INTERVENTIONS), len(BENCHMARKS), 1, 1))
    change[0, 0] = lost
    chance = chances[None, :, None, :] + moved - change
    return (random.random(chance.shape) < chance).astype(float)


def gates(
    count: int, seeds: int, points: float, *, lost: float = 0.0, tolerance: float = 0.0, start: int = 0
) -> Iterator[list[Judgement]]:
    """points: SD of the training seeds in percentage points."""
    random = np.random.default_rng([start, seeds, int(points)])
    for number in range(count):
        if number % SHARED == 0:
            chances = np.repeat(random.uniform(0.6, 0.95, size=(len(BENCHMARKS), ITEMS // 2)), 2, axis=1)
            before = scores(random, chances, seeds, points / 100)
        after = scores(random, chances, seeds, points / 100, lost)
        yield judge(
            [
                Pair(
                    Place("2.6M", intervention, benchmark),
                    ACCURACY,
                    [str(i) for i in range(ITEMS)],
                    CLUSTERS,
                    before[i, b],
                    after[i, b],
                    same_weights=False,
                    alpha=0.01,
                    tolerance=tolerance,
                )
                for i, intervention in enumerate(INTERVENTIONS)
                for b, benchmark in enumerate(BENCHMARKS)
            ]
        )


def most(count: int, level: float) -> float:
    """What chance leaves of `count` gates at this level, but for once in a thousand times."""
    return count * level + 3.1 * (count * level * (1 - level)) ** 0.5


@pytest.mark.parametrize("points", POINTS)
@pytest.mark.parametrize("count", [100, pytest.param(1000, marks=SLOW)])
def test_no_true_change_is_seldom_called_a_regression(count: int, points: float) -> None:
    least = np.array([min(each.p_adjusted for each in gate) for gate in gates(count, 4, points)])
    for level in (0.01, 0.05, 0.1):
        assert np.count_nonzero(least < level) <= most(count, level)


@pytest.mark.parametrize("count", [100, pytest.param(1000, marks=SLOW)])
def test_of_single_weights_too(count: int) -> None:
    found = list(gates(count, 1, 0))
    assert all(each.pair.scope == "these weights" for gate in found for each in gate)
    least = np.array([min(each.p_adjusted for each in gate) for gate in found])
    for level in (0.01, 0.05, 0.1):
        assert np.count_nonzero(least < level) <= most(count, level)


@pytest.mark.parametrize(
    ("seeds", "points"), [(1, 0), (4, 2), *(pytest.param(4, points, marks=SLOW) for points in (0, 1, 4))]
)
@pytest.mark.parametrize("count", [60, pytest.param(1000, marks=SLOW)])
def test_twice_the_detectable_loss_is_caught(count: int, seeds: int, points: float) -> None:
    null = [gate[0].loss.detectable for gate in gates(40, seeds, points, start=1)]
    detectable = float(np.mean(null))
    found = [gate[0].verdict for gate in gates(count, seeds, points, lost=2 * detectable, tolerance=detectable)]
    assert found.count("regressed") >= 0.95 * count


def test_a_loss_of_the_tolerance_seldom_passes() -> None:
    found = [gate[0].verdict for gate in gates(200, 4, 1, lost=0.05, tolerance=0.05)]
    assert found.count("passed") <= most(200, 0.01)


def test_the_items_that_would_settle_it_do() -> None:
    """With a quarter more of the same items the bound is below the tolerance, with a quarter fewer it is not."""
    seen = [each for gate in gates(6, 1, 0, tolerance=0.08) for each in gate if each.verdict == "inconclusive"]
    near = [each for each in seen if each.loss.value < 0.08 and each.settled_by < 20 * ITEMS]
    assert near
    for each in near:
        for share, settled in ((0.75, False), (1.25, True)):
            copies = round(10 * share * each.settled_by / ITEMS)
            clusters = np.arange(copies * ITEMS // 2).repeat(2)
            before, after = np.tile(each.pair.before[0], copies), np.tile(each.pair.after[0], copies)
            ten_times = difference_interval(before, after, clusters, 0.98)
            reach = (ten_times.high - ten_times.value) * 10**0.5
            assert (each.loss.value + reach < each.pair.tolerance) == settled
