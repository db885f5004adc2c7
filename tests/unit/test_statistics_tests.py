"""Tests, corrections and resampling against scipy, and unchanged by what must not matter."""

from __future__ import annotations

from math import inf

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from cai_eval import statistics
from cai_eval.statistics.resampling import Alternative

samples = st.integers(0, 2**32 - 1).map(np.random.default_rng)
quick = settings(max_examples=40, deadline=None)
ALTERNATIVES: tuple[Alternative, ...] = ("two-sided", "less", "greater")


def scipys(values: np.ndarray, alternative: Alternative, resamples: float = inf) -> float:
    """The sign-flip test as scipy does it; it visits all patterns when there are fewer than `resamples`."""
    test = stats.permutation_test(
        (values,),
        lambda x, axis: x.sum(axis),
        permutation_type="samples",
        alternative=alternative,
        n_resamples=resamples,
        vectorized=True,
    )
    return float(test.pvalue)


class TestSignFlip:
    @pytest.mark.parametrize("alternative", ALTERNATIVES)
    def test_few_clusters_are_enumerated_as_by_scipy(self, alternative: Alternative) -> None:
        random = np.random.default_rng(1)
        values, clusters = random.normal(0.4, 1, size=30), np.arange(30) % 10
        sums = np.bincount(clusters, values)
        mine = statistics.sign_flip(values, clusters, alternative)
        assert mine == pytest.approx(scipys(sums, alternative))

    @pytest.mark.parametrize("alternative", ALTERNATIVES)
    def test_whole_sums_are_exact_as_by_scipy(self, alternative: Alternative) -> None:
        values = np.array([2, 1, -1, 3, 1, 0, -2, 1, 1, 1, -1, 4, 1])
        assert statistics.sign_flip(values, None, alternative) == pytest.approx(scipys(values, alternative))

    def test_many_clusters_are_near_the_exact_value(self) -> None:
        values = np.random.default_rng(2).normal(0.3, 1, size=16)
        exact = scipys(values, "greater")
        assert 0.02 < exact < 0.3
        assert statistics.sign_flip(values, None, "greater") == pytest.approx(exact, abs=4 * np.sqrt(exact / 10_000))

    def test_the_smallest_random_p_value_is_not_nil(self) -> None:
        values = np.random.default_rng(3).normal(3, 1, size=50)
        assert statistics.sign_flip(values, None, "greater", resamples=999) == 1 / 1000

    @pytest.mark.parametrize("alternative", ALTERNATIVES)
    @pytest.mark.parametrize(("b", "c"), [(7, 2), (3, 3), (0, 5), (40, 61), (1, 0)])
    def test_independent_right_or_wrong_items_give_mcnemar(self, b: int, c: int, alternative: Alternative) -> None:
        differences = np.repeat([1, -1, 0], [b, c, 9])
        assert statistics.sign_flip(differences, None, alternative) == pytest.approx(
            statistics.mcnemar(b, c, alternative)
        )

    def test_nothing_discordant_is_no_evidence(self) -> None:
        assert statistics.sign_flip(np.zeros(20)) == 1

    def test_a_seed_repeats_itself(self) -> None:
        values = np.random.default_rng(4).normal(0.2, 1, size=60)
        assert statistics.sign_flip(values, seed=7) == statistics.sign_flip(values, seed=7)

    @given(samples, st.booleans())
    @quick
    def test_signs_order_and_names(self, random: np.random.Generator, whole: bool) -> None:
        clusters = random.integers(0, 9, size=30)
        values = random.integers(-1, 2, size=30).astype(float) if whole else random.normal(size=30)
        first = statistics.sign_flip(values, clusters, "greater")
        order = random.permutation(30)
        assert statistics.sign_flip(values[order], -clusters[order], "greater") == pytest.approx(first)
        assert statistics.sign_flip(-values, clusters, "less") == pytest.approx(first)
        assert statistics.sign_flip(values, clusters) == pytest.approx(statistics.sign_flip(-values, clusters))
        assert 0 < first <= 1


@pytest.mark.parametrize("alternative", ALTERNATIVES)
@pytest.mark.parametrize(("b", "c"), [(0, 0), (1, 0), (7, 2), (2, 7), (5, 5), (300, 240)])
def test_mcnemar_is_scipys_binomial_test(b: int, c: int, alternative: Alternative) -> None:
    theirs = stats.binomtest(b, b + c, 0.5, alternative).pvalue if b + c else 1.0
    assert statistics.mcnemar(b, c, alternative) == pytest.approx(theirs)


class TestBenjaminiHochberg:
    @given(arrays(float, st.integers(1, 30), elements=st.floats(0, 1)))
    @quick
    def test_is_scipys_and_monotone(self, p: np.ndarray) -> None:
        adjusted = statistics.benjamini_hochberg(p)
        assert adjusted == pytest.approx(stats.false_discovery_control(p))
        assert (np.diff(adjusted[np.argsort(p, kind="stable")]) >= -1e-15).all()
        assert (adjusted >= p - 1e-15).all()

    def test_no_tests_make_no_values_and_nonsense_is_refused(self) -> None:
        assert statistics.benjamini_hochberg([]).size == 0
        for p in ([0.1, np.nan], [1.1], [-0.1]):
            with pytest.raises(ValueError, match="within"):
                statistics.benjamini_hochberg(p)


class TestBootstrap:
    def test_agrees_with_scipy(self) -> None:
        values = np.random.default_rng(5).exponential(size=80)
        mine = statistics.bootstrap(values, seed=1)
        theirs = stats.bootstrap((values,), np.mean, method="BCa", rng=np.random.default_rng(2)).confidence_interval
        assert (mine.low, mine.high) == pytest.approx(tuple(theirs), abs=0.02)
        assert mine.se == pytest.approx(values.std() / np.sqrt(80), rel=0.05)

    def test_draws_whole_clusters(self) -> None:
        values = np.random.default_rng(6).normal(size=60)
        once, often = (
            statistics.bootstrap(values),
            statistics.bootstrap(np.repeat(values, 4), np.repeat(np.arange(60), 4)),
        )
        assert (often.low, often.high) == pytest.approx((once.low, once.high))
        assert often.n == 240

    def test_takes_a_function_of_several_means(self) -> None:
        random = np.random.default_rng(7)
        bottom = random.normal(5, 1, size=200)
        table = np.stack([0.3 * bottom + random.normal(0, 0.1, size=200), bottom], axis=1)
        ratio = statistics.bootstrap(table, statistic=lambda means: means[..., 0] / means[..., 1])
        assert ratio.value == pytest.approx(table[:, 0].mean() / table[:, 1].mean())
        assert ratio.low < 0.3 < ratio.high
        assert ratio.se == pytest.approx(0.1 / 5 / np.sqrt(200), rel=0.2)

    def test_what_does_not_vary_has_no_interval(self) -> None:
        constant = statistics.bootstrap(np.ones(9))
        assert np.isnan(constant.low)
        assert "nothing varies" in constant.method
        with pytest.raises(ValueError, match="finite"):
            statistics.bootstrap([1.0, np.nan])

    def test_a_statistic_that_no_single_cluster_moves_has_percentile_ends(self) -> None:
        """Rounding hides what leaving one out changes: the jackknife says nothing of skewness."""
        values = np.random.default_rng(9).normal(0, 1, size=400)
        rounded = statistics.bootstrap(values, statistic=lambda means: np.round(means[..., 0], 1))
        assert (rounded.low, rounded.value, rounded.high) == pytest.approx((-0.1, 0.0, 0.1))

    def test_a_statistic_that_lies_beyond_all_its_resamples_has_an_interval(self) -> None:
        """The share of distinct clusters is 1, and in every resample less."""
        table = np.eye(40)
        share = statistics.bootstrap(table, statistic=lambda means: (means > 0).mean(-1))
        assert share.value == 1
        assert 0.5 < share.low <= share.high < 1


class TestMinimumDetectableEffect:
    def test_solves_the_power_of_the_t_test(self) -> None:
        values = np.random.default_rng(8).normal(size=25)
        effect = statistics.minimum_detectable_effect(values, alpha=0.01, power=0.9)
        noncentral = effect / (values.std(ddof=1) / 5)
        assert stats.nct.sf(stats.t.ppf(0.99, 24), 24, noncentral) == pytest.approx(0.9, abs=1e-6)

    def test_right_or_wrong_scores_need_events(self) -> None:
        """With nothing discordant in 61 items the exact test needs five losses to none: some 6.7 expected."""
        effect = statistics.minimum_detectable_effect(np.zeros(61))
        assert 5 / 61 < effect < 7 / 61
        assert statistics.minimum_detectable_effect(np.zeros(61), np.arange(61) // 3) > 2 * effect

    def test_partial_credit_needs_events_of_its_own_size(self) -> None:
        """Ten programs an item: where few items differ, by one in ten each, losses as small as that are found."""
        differences = np.zeros(40)
        differences[:6] = 1, 1, 1, -1, -1, 1
        whole = statistics.minimum_detectable_effect(differences, alpha=0.01)
        assert statistics.minimum_detectable_effect(differences / 10, alpha=0.01) == pytest.approx(whole / 10)

    def test_where_no_effect_can_be_found_it_is_infinite(self) -> None:
        random = np.random.default_rng(9)
        assert statistics.minimum_detectable_effect(random.normal(size=9), np.zeros(9)) == inf
        assert statistics.minimum_detectable_effect(random.normal(size=9), np.arange(9) // 3) == inf
        assert statistics.minimum_detectable_effect(np.full(9, 7.0)) == inf

    @given(samples, st.floats(0.1, 10))
    @quick
    def test_scales_with_the_unit_and_falls_with_power(self, random: np.random.Generator, scale: float) -> None:
        values, clusters = 20 + random.normal(size=30), random.integers(0, 9, size=30)
        effect = statistics.minimum_detectable_effect(values, clusters)
        assert statistics.minimum_detectable_effect(scale * values, clusters) == pytest.approx(scale * effect, rel=1e-3)
        assert statistics.minimum_detectable_effect(values, clusters, power=0.5) < effect
        assert statistics.minimum_detectable_effect(values, clusters, alpha=0.01) > effect
