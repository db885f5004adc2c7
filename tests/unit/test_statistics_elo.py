"""Elo ratings: planted strengths come back, and nothing that should not matter does."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cai_eval.statistics.elo import POINTS, bradley_terry, elo, preferred

NAMES = ("a", "b", "c", "d")
PLANTED = np.array([0.0, 60.0, 150.0, 300.0])


def played(rng, prompts, planted=PLANTED, ties=0.0, per_cluster=1):
    """(prompts, policies, policies) results of single games; a share of them are ties."""
    chances = 1 / (1 + 10 ** ((planted[None, :] - planted[:, None]) / 400))
    shares = np.full((prompts, len(planted), len(planted)), 0.5)
    for i in range(len(planted)):
        for j in range(i):
            won = np.repeat(rng.random(-(-prompts // per_cluster)) < chances[i, j], per_cluster)[:prompts]
            share = np.where(rng.random(prompts) < ties, 0.5, won)
            shares[:, i, j], shares[:, j, i] = share, 1 - share
    return shares


def test_a_hundred_points_are_64_per_cent():
    assert 1 / (1 + np.exp(-100 / POINTS)) == pytest.approx(0.64, abs=0.001)
    assert pytest.approx(174, abs=0.5) == POINTS


def test_two_policies_by_hand():
    shares = np.full((40, 2, 2), 0.5)
    shares[:30, 0, 1], shares[:30, 1, 0] = 1, 0
    shares[30:, 0, 1], shares[30:, 1, 0] = 0, 1
    assert elo(shares, "ab").difference(["a"], ["b"]).value == pytest.approx(400 * np.log10(30.5 / 10.5))


def test_planted_strengths_lie_in_the_intervals_as_often_as_promised():
    rng = np.random.default_rng(0)
    covered = []
    for _ in range(120):
        found = elo(played(rng, 150), NAMES, resamples=300)
        for name, planted in zip(NAMES[1:], PLANTED[1:], strict=True):
            estimate = found.difference([name], ["a"])
            covered.append(estimate.low <= planted <= estimate.high)
    assert 0.92 <= np.mean(covered) <= 0.98


def test_clustered_prompts_make_wider_intervals_that_cover():
    rng = np.random.default_rng(1)
    clusters = np.repeat(np.arange(60), 5)
    covered, narrow = [], []
    for _ in range(100):
        shares = played(rng, 300, per_cluster=5)
        for kept, labels in ((covered, clusters), (narrow, None)):
            estimate = elo(shares, NAMES, labels, resamples=300).difference(["d"], ["a"])
            kept.append(estimate.low <= 300 <= estimate.high)
    assert np.mean(covered) >= 0.9
    assert np.mean(narrow) < 0.75


def test_ties_count_half_and_pull_together():
    rng = np.random.default_rng(2)
    decided = elo(played(rng, 2000), NAMES, resamples=2).difference(["d"], ["a"]).value
    tied = elo(played(rng, 2000, ties=0.5), NAMES, resamples=2).difference(["d"], ["a"]).value
    assert decided == pytest.approx(300, abs=30)
    assert 0.35 * decided < tied < 0.6 * decided
    assert elo(np.full((9, 2, 2), 0.5), "ab").difference(["a"], ["b"]).value == pytest.approx(0)


def test_who_always_wins_is_finite_and_further_off_with_more_prompts():
    def gap(prompts):
        shares = np.tile(np.array([[0.5, 1.0], [0.0, 0.5]]), (prompts, 1, 1))
        return elo(shares, "ab").difference(["a"], ["b"]).value

    assert gap(20) == pytest.approx(400 * np.log10(20.5 / 0.5))
    assert gap(20) < gap(200) < 1100


def test_a_prompt_that_is_there_twice_changes_nothing():
    rng = np.random.default_rng(3)
    shares, clusters = played(rng, 60), np.arange(60)
    twice, labels = np.concatenate([shares, shares[:25]]), np.concatenate([clusters, clusters[:25]])
    one, other = elo(shares, NAMES, clusters), elo(twice, NAMES, labels)
    assert np.allclose(one.ratings, other.ratings)
    assert np.allclose(one.drawn, other.drawn)


@settings(max_examples=25, deadline=None)
@given(st.permutations(range(4)), st.integers(0, 2**32 - 1))
def test_neither_the_order_of_policies_nor_of_prompts_matters(order, seed):
    shares = played(np.random.default_rng(seed), 30)
    one = elo(shares, NAMES, resamples=2)
    other = elo(shares[::-1][:, order][:, :, order], [NAMES[i] for i in order], resamples=2)
    for name in NAMES:
        assert one.difference([name], ["a"]).value == pytest.approx(other.difference([name], ["a"]).value, abs=1e-6)


def test_policies_that_never_met_are_compared_through_others():
    shares = played(np.random.default_rng(4), 4000)
    shares[:, 0, 3] = shares[:, 3, 0] = np.nan
    assert elo(shares, NAMES, resamples=2).difference(["d"], ["a"]).value == pytest.approx(300, abs=30)


def test_a_pair_that_met_on_some_prompts_only_is_rated_by_those():
    shares = played(np.random.default_rng(5), 4000)
    shares[::2, 0, 1] = shares[::2, 1, 0] = np.nan
    assert elo(shares, NAMES, resamples=2).difference(["b"], ["a"]).value == pytest.approx(60, abs=30)


def test_the_same_prompts_are_drawn_for_all():
    """Two policies that answer alike are alike in every resample, however much both vary."""
    shares = played(np.random.default_rng(6), 50)
    shares[:, 1], shares[:, :, 1] = shares[:, 0], shares[:, :, 0]
    shares[:, 0, 1] = shares[:, 1, 0] = 0.5
    found = elo(shares, NAMES)
    assert np.allclose(found.drawn[:, 0], found.drawn[:, 1])
    assert found.drawn[:, 0].std() > 1


def test_utilities_become_shares():
    utilities = np.array([[[3.0, 1.0], [1.0, 1.0], [np.nan, 5.0]]])
    shares = preferred(utilities)[0]
    assert shares[0, 1] == pytest.approx((1 + 1 + 0.5 + 0.5) / 4)
    assert shares[1, 0] == pytest.approx(1 - shares[0, 1])
    assert np.isnan(shares[0, 2])
    assert np.isnan(shares[2, 2])


@pytest.mark.parametrize(
    ("shares", "names", "complaint"),
    [
        (np.full((3, 2, 2), 0.5), "abc", "needs"),
        (np.full((3, 2, 2), 0.7), "ab", "add up"),
        (np.full((3, 2, 2), np.nan), "ab", "never met"),
    ],
)
def test_what_cannot_be_rated_is_refused(shares, names, complaint):
    with pytest.raises(ValueError, match=complaint):
        elo(shares, names)


def test_strengths_of_many_tables_at_once_are_those_of_each():
    wins = np.random.default_rng(7).random((5, 4, 4)) + 0.1
    assert np.allclose(bradley_terry(wins), [bradley_terry(each) for each in wins])


def test_one_cluster_has_no_interval():
    estimate = elo(played(np.random.default_rng(8), 10), NAMES, np.zeros(10)).difference(["b"], ["a"])
    assert np.isnan(estimate.low)
    assert "one cluster" in estimate.method


def test_seeds_of_one_method_widen_its_interval():
    shares = played(np.random.default_rng(9), 200, np.array([0.0, 0.0, 80.0, -80.0]))
    found = elo(shares, NAMES)
    alone = found.difference(["b"], ["a"])
    method = found.difference(["b", "c", "d"], ["a"])
    assert method.value == pytest.approx(found.ratings[1:].mean() - found.ratings[0])
    assert method.high - method.low > 3 * (alone.high - alone.low)
    assert method.method == "t over prompts and seeds"
