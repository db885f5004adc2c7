"""Intervals against scipy, at their edges, and unchanged by what must not matter."""

from __future__ import annotations

import dataclasses
from math import inf, isnan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, special, stats

from cai_eval import statistics
from cai_eval.statistics.clustered import Clustered
from cai_eval.statistics.freedom import effective_df
from cai_eval.statistics.score import tango

samples = st.integers(0, 2**32 - 1).map(np.random.default_rng)
quick = settings(max_examples=40, deadline=None)


def draw(random: np.random.Generator, binary: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two scores of the same items, and clusters of mixed sizes."""
    clusters = random.integers(0, 9, size=30)
    a, b = random.normal(size=(2, 30))
    return (a > 0.3, b > -0.3, clusters) if binary else (a, b, clusters)


def ends(estimate: statistics.Estimate) -> list[float]:
    return [estimate.value, estimate.low, estimate.high, estimate.se, estimate.df]


def test_independent_items_give_scipys_t_interval() -> None:
    values = np.random.default_rng(1).normal(2, 3, size=40)
    theirs = stats.ttest_1samp(values, 0)
    mine = statistics.mean_interval(values, clusters=np.arange(40), level=0.9)
    assert (mine.low, mine.high) == pytest.approx(tuple(theirs.confidence_interval(0.9)))
    assert mine.df == theirs.df
    assert mine.method == "t"


def test_pairs_give_scipys_paired_interval() -> None:
    a, b = np.random.default_rng(2).normal(size=(2, 25))
    mine, theirs = statistics.difference_interval(a, b), stats.ttest_rel(a, b).confidence_interval()
    assert (mine.low, mine.high) == pytest.approx(tuple(theirs))


@pytest.mark.parametrize("right", [0, 1, 4, 60, 221])
def test_right_or_wrong_scores_give_scipys_wilson_interval(right: int) -> None:
    values = np.arange(221) < right
    theirs = stats.binomtest(right, 221).proportion_ci(method="wilson")
    mine = statistics.mean_interval(values)
    assert (mine.low, mine.high) == pytest.approx(tuple(theirs), abs=1e-12)
    assert mine.method == "Wilson score"


@pytest.mark.parametrize(("gained", "lost"), [(9, 1), (3, 0), (0, 7), (12, 12)])
def test_tangos_ends_are_where_the_score_test_just_rejects(gained: int, lost: int) -> None:
    """The likelihood under the null is maximised by search here, in closed form there."""
    n = 40
    for end in tango(gained / n, lost / n, n, 1.96):

        def deviance(lost_if: float, end: float = end) -> float:
            cells = np.array([lost_if + end, lost_if, 1 - 2 * lost_if - end])
            return float(-special.xlogy([gained, lost, n - gained - lost], cells).sum())

        bounds = max(0.0, -end), (1 - end) / 2
        found = optimize.minimize_scalar(deviance, bounds=bounds, method="bounded", options={"xatol": 1e-12}).x
        error = np.sqrt((2 * found + end - end**2) / n)
        assert abs((gained - lost) / n - end) / error == pytest.approx(1.96, abs=2e-3)


def test_equal_clusters_are_a_t_test_of_their_means() -> None:
    random = np.random.default_rng(3)
    table = random.normal(size=(7, 1)) + random.normal(size=(7, 4))
    mine = statistics.mean_interval(table.ravel(), np.repeat(np.arange(7), 4))
    theirs = stats.ttest_1samp(table.mean(1), 0).confidence_interval()
    assert (mine.low, mine.high) == pytest.approx(tuple(theirs))


def test_nothing_discordant_is_still_uncertain() -> None:
    same = np.random.default_rng(4).integers(0, 2, size=61)
    free = statistics.difference_interval(same, same)
    tied = statistics.difference_interval(same, same, np.arange(61) // 4)
    assert -tied.low == tied.high > free.high > 0.03
    assert free.value == tied.value == 0
    assert statistics.mean_interval(np.zeros(61)).high > 0.03


def test_shared_credit_is_a_right_or_wrong_score() -> None:
    values = np.array([0, 1, 1, 0.5, 0, 1, 1, 1, 0.5, 0])
    mine = statistics.mean_interval(values)
    whole = statistics.mean_interval(np.array([0, 1, 1, 1, 0, 1, 1, 1, 0, 0]))
    assert mine.value == whole.value == 0.6
    assert 0 < mine.high - mine.low < whole.high - whole.low
    constant = statistics.mean_interval(np.full(40, 0.5))
    assert constant.low < 0.5 < constant.high


def test_what_cannot_be_known_is_nan_and_says_why() -> None:
    for values, clusters, why in (
        ([2.0, 3.0, 4.0], ["a", "a", "a"], "one cluster"),
        ([7.0], None, "one cluster"),
        ([2.5, 2.5], None, "all values are equal"),
    ):
        mine = statistics.mean_interval(values, clusters)
        assert isnan(mine.low)
        assert isnan(mine.high)
        assert why in mine.method
    whole = statistics.mean_interval([0, 1, 1], ["a", "a", "a"])
    assert (whole.low, whole.high) == (0, 1)
    assert whole.method == "whole range: one cluster"
    assert statistics.mean_interval([1]).low == pytest.approx(stats.binomtest(1, 1).proportion_ci(method="wilson").low)


def test_bad_input_is_refused() -> None:
    for values in ([], [1.0, np.nan], [np.inf, 0.0], [[1.0]]):
        with pytest.raises(ValueError, match=r"non-empty|finite"):
            statistics.mean_interval(values)
    with pytest.raises(ValueError, match="cluster labels"):
        statistics.mean_interval([1.0, 2.0], ["a"])
    with pytest.raises(ValueError, match="equal lengths"):
        statistics.difference_interval([1.0, 2.0], [1.0])


@given(samples, st.booleans())
@quick
def test_order_and_names_do_not_matter(random: np.random.Generator, binary: bool) -> None:
    a, b, clusters = draw(random, binary)
    order = random.permutation(30)
    names = np.array([f"query {i}" for i in random.permutation(9)])[clusters]
    first = statistics.difference_interval(a, b, clusters)
    assert ends(statistics.difference_interval(a[order], b[order], clusters[order])) == pytest.approx(
        ends(first), rel=1e-5
    )
    assert ends(statistics.difference_interval(a, b, names)) == pytest.approx(ends(first), rel=1e-5)


@given(samples, st.booleans())
@quick
def test_swapping_the_pair_turns_the_interval_round(random: np.random.Generator, binary: bool) -> None:
    a, b, clusters = draw(random, binary)
    one, other = statistics.difference_interval(a, b, clusters), statistics.difference_interval(b, a, clusters)
    assert (-one.high, -one.low) == pytest.approx((other.low, other.high), abs=1e-6)
    assert one.low <= one.value <= one.high


@given(samples, st.floats(-5, 5))
@quick
def test_a_shift_of_both_changes_nothing(random: np.random.Generator, shift: float) -> None:
    a, b, clusters = draw(random, binary=False)
    moved = statistics.difference_interval(a + shift, b + shift, clusters)
    assert ends(moved) == pytest.approx(ends(statistics.difference_interval(a, b, clusters)), rel=1e-4, abs=1e-6)


@given(samples, st.integers(2, 5))
@quick
def test_copies_of_an_item_in_its_cluster_are_no_evidence(random: np.random.Generator, copies: int) -> None:
    values = random.normal(size=12)
    once = statistics.mean_interval(values)
    often = statistics.mean_interval(np.repeat(values, copies), np.repeat(np.arange(12), copies))
    assert ends(often) == pytest.approx(ends(once))


@given(samples)
@quick
def test_degrees_of_freedom_match_simulated_quantiles(random: np.random.Generator) -> None:
    sizes = random.integers(1, 12, size=10)
    sample = Clustered.of(random.normal(size=sizes.sum()), np.repeat(np.arange(10), sizes))
    sums = random.normal(size=(20_000, 10)) * np.sqrt(sizes * (1 + (sizes - 1) * sample.correlation))
    whole = sums.sum(1)
    errors = np.sqrt((sums - np.outer(whole, sizes / sizes.sum())) ** 2 @ sample.weights)
    beyond = np.mean(np.abs(whole) > stats.t.ppf(0.975, sample.df) * errors)
    assert beyond == pytest.approx(0.05, abs=0.008) or (sample.df == 9 and beyond < 0.05)


def test_degrees_of_freedom_of_equal_clusters() -> None:
    assert effective_df(np.full(6, 3.0), np.full(6, 3.0), np.full(6, 1.2)) == 5


class TestRelativeLoss:
    def test_is_fiellers_interval_for_scores_without_a_range(self) -> None:
        random = np.random.default_rng(5)
        base = random.normal(2, 1, size=60)
        changed = base - random.normal(0.5, 0.3, size=60)
        mine = statistics.relative_loss(base, changed, 0.3)
        top, bottom = base - changed, base - 0.3
        spread = np.cov(top, bottom) / 60 * stats.t.ppf(0.975, 59) ** 2
        roots = np.roots(
            [
                bottom.mean() ** 2 - spread[1, 1],
                -2 * (top.mean() * bottom.mean() - spread[0, 1]),
                top.mean() ** 2 - spread[0, 0],
            ]
        )
        assert (mine.low, mine.high) == pytest.approx(tuple(sorted(roots)))
        assert mine.value == pytest.approx(1 - (changed.mean() - 0.3) / (base.mean() - 0.3))

    def test_at_floor_there_is_no_loss(self) -> None:
        random = np.random.default_rng(6)
        base, changed = random.random((2, 200)) < 0.5
        mine = statistics.relative_loss(base, changed, 0.5)
        assert mine.method == "at floor"
        assert isnan(mine.value)
        assert not statistics.above_chance(base, 0.5)
        assert statistics.above_chance(base, 0.3)

    def test_takes_a_chance_for_each_item(self) -> None:
        base, changed = np.arange(100) < 70, np.arange(100) < 60
        chance = np.where(np.arange(100) % 2, 0.25, 0.5)
        mine = statistics.relative_loss(base, changed, chance)
        assert mine.value == pytest.approx(0.1 / (0.7 - 0.375))
        assert mine.low < mine.value < mine.high
        assert statistics.above_chance(base, chance)

    def test_no_loss_seen_is_still_uncertain(self) -> None:
        base = np.arange(200) < 150
        mine = statistics.relative_loss(base, base, 0.5)
        assert mine.value == 0
        assert -0.2 < mine.low < -0.03
        assert 0.03 < mine.high < 0.2

    def test_is_unbounded_where_the_room_may_be_nil(self) -> None:
        base, changed = np.arange(100) < 59, np.arange(100) < 50
        mine = statistics.relative_loss(base, changed, 0.5)
        assert mine.value == pytest.approx(1)
        assert mine.high == inf

    @given(samples, st.floats(0.2, 5), st.floats(-2, 2))
    @quick
    def test_does_not_depend_on_the_unit(self, random: np.random.Generator, scale: float, shift: float) -> None:
        base = random.normal(3, 1, size=30)
        changed, clusters = base + random.normal(size=30), random.integers(0, 9, size=30)
        first = statistics.relative_loss(base, changed, 0.5, clusters)
        other = statistics.relative_loss(base * scale + shift, changed * scale + shift, 0.5 * scale + shift, clusters)
        assert (other.value, other.low, other.high) == pytest.approx((first.value, first.low, first.high), rel=1e-3)


class TestTrend:
    def test_is_the_slope_of_a_line_through_the_means(self) -> None:
        random = np.random.default_rng(7)
        sizes = np.repeat([1e6, 1e7, 2e8], 20)
        values = 0.2 * np.log10(sizes) + random.normal(size=60)
        mine = statistics.trend(sizes, values, np.tile(np.arange(20), 3), np.tile(np.arange(20) // 2, 3))
        assert mine.value == pytest.approx(stats.linregress(np.log10(sizes), values).slope)
        assert (mine.n, mine.clusters) == (20, 10)

    def test_an_offset_of_an_item_is_no_noise(self) -> None:
        random = np.random.default_rng(8)
        sizes, items = np.repeat([1e6, 1e8], 20), np.tile(np.arange(20), 2)
        values = np.log10(sizes) * 0.1 + random.normal(size=40) * 0.01
        mine = statistics.trend(sizes, values, items)
        offset = statistics.trend(sizes, values + 100 * random.normal(size=20)[items], items)
        assert ends(offset) == pytest.approx(ends(mine))

    def test_refuses_missing_rows_and_one_size(self) -> None:
        with pytest.raises(ValueError, match="every size"):
            statistics.trend([1e6, 1e7, 1e6], [1, 2, 3], ["a", "a", "b"])
        with pytest.raises(ValueError, match="two sizes"):
            statistics.trend([1e6, 1e6], [1, 2], ["a", "b"])
        with pytest.raises(ValueError, match="positive"):
            statistics.trend([0, 1e6], [1, 2], ["a", "a"])


class TestSeededDifference:
    def test_without_seed_noise_the_items_remain(self) -> None:
        a, b = np.random.default_rng(9).normal(size=(2, 30))
        mine = statistics.seeded_difference(np.stack([a, a, a]), b)
        assert ends(mine) == pytest.approx(ends(statistics.difference_interval(a, b)))

    def test_without_item_noise_it_is_welchs_interval(self) -> None:
        seeds = np.random.default_rng(10).normal(size=(2, 4))
        tables = seeds[:, :, None] + np.linspace(0, 1, 50)
        mine = statistics.seeded_difference(*tables)
        theirs = stats.ttest_ind(*seeds, equal_var=False)
        assert (mine.low, mine.high) == pytest.approx(tuple(theirs.confidence_interval()))
        assert mine.df == pytest.approx(theirs.df)

    def test_one_seed_is_refused(self) -> None:
        with pytest.raises(ValueError, match="two seeds"):
            statistics.seeded_difference(np.ones((1, 5)), np.ones((2, 5)))
        with pytest.raises(ValueError, match="equal items"):
            statistics.seeded_difference(np.ones((2, 5)), np.ones((2, 6)))


def test_an_estimate_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        statistics.mean_interval([0, 1]).value = 2.0  # type: ignore[misc]
