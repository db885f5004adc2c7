import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax
from scipy.stats import kstest
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from cai_eval.statistics import calibration as k

FORECASTS = st.lists(st.tuples(st.integers(0, 8), st.booleans()), min_size=2, max_size=60)


def world(n, seed=0, off=0.0):
    """Forecasts, and outcomes whose chance is the forecast, or less by `off`."""
    random = np.random.default_rng(seed)
    p = random.uniform(0.15, 0.95, n)
    return p, (random.random(n) < p - off).astype(float)


def slow_bins(p, c, count):
    """Bins by the definition, in whole fractions: equal forecasts share their outcomes."""
    by_forecast = {q: [o for f, o in zip(p, c, strict=True) if f == q] for q in set(p)}
    items = sorted((q, Fraction(int(sum(by_forecast[q])), len(by_forecast[q]))) for q in p)
    count = min(count, len(items))
    sizes = [len(items) // count + (i < len(items) % count) for i in range(count)]
    rows = []
    for i, size in enumerate(sizes):
        part = items[sum(sizes[:i]) :][:size]
        rows.append((sum(q for q, _ in part) / size, float(sum(o for _, o in part) / size), size))
    return rows


@given(FORECASTS, st.integers(1, 12))
@settings(max_examples=100, deadline=None)
def test_bins_and_what_is_read_off_them_by_the_definitions(drawn, count):
    p, c = [forecast / 8 for forecast, _ in drawn], [float(outcome) for _, outcome in drawn]
    rows = slow_bins(p, c, count)
    binned = k.bins(p, c, count)
    assert np.column_stack([binned.forecast, binned.outcome, binned.items]) == pytest.approx(np.array(rows), abs=1e-12)
    assert k.ece(p, c, count) == pytest.approx(sum(abs(y - x) for x, y, _ in rows) / len(rows), abs=1e-12)
    assert k.rms(p, c, count) == pytest.approx(math.sqrt(sum((y - x) ** 2 for x, y, _ in rows) / len(rows)), abs=1e-12)


@given(FORECASTS, st.randoms(use_true_random=False))
@settings(max_examples=50, deadline=None)
def test_the_order_of_items_does_not_matter(drawn, random):
    shuffled = random.sample(drawn, len(drawn))
    one, two = (k.ece([f / 8 for f, _ in part], [float(o) for _, o in part]) for part in (drawn, shuffled))
    assert one == pytest.approx(two, abs=1e-12)


def test_scores_equal_those_of_scikit_learn():
    p, c = world(500)
    p = np.round(p, 2)  # some ties
    assert k.brier(p, c) == pytest.approx(brier_score_loss(c, p), abs=1e-12)
    assert k.log_score(p, c) == pytest.approx(log_loss(c, p), abs=1e-12)
    assert k.auroc(p, c) == pytest.approx(roc_auc_score(c, p), abs=1e-12)
    untied, happened = world(500, seed=1)
    outcome, forecast = calibration_curve(happened, untied, n_bins=10, strategy="quantile")
    assert k.bins(untied, happened).forecast == pytest.approx(forecast, abs=1e-12)
    assert k.bins(untied, happened).outcome == pytest.approx(outcome, abs=1e-12)


@given(FORECASTS)
@settings(max_examples=50, deadline=None)
def test_the_decomposition_adds_up_and_nothing_is_left_within_bins_of_one_forecast(drawn):
    p, c = [forecast / 8 for forecast, _ in drawn], [float(outcome) for _, outcome in drawn]
    parts = k.decomposition(p, c)
    total = parts.reliability - parts.resolution + parts.uncertainty + parts.within
    assert total == pytest.approx(k.brier(p, c), abs=1e-12)
    assert min(parts.reliability, parts.resolution, parts.uncertainty) >= 0
    alone = k.decomposition([0.2] * 5 + [0.7] * 5, [0, 0, 0, 1, 0, 1, 1, 0, 1, 1], count=2)
    assert alone.within == pytest.approx(0, abs=1e-12)
    assert alone.reliability == pytest.approx(0.5 * 0.0**2 + 0.5 * 0.1**2, abs=1e-12)


def test_a_constant_forecast_has_the_gap_as_its_error_whatever_the_bins():
    c = np.r_[np.ones(30), np.zeros(70)]
    assert k.ece(np.full(100, 0.5), c) == pytest.approx(0.2)
    assert k.auroc(np.full(100, 0.5), c) == pytest.approx(0.5)


def test_what_was_ruled_out_costs_without_bound():
    assert k.log_score([0.0, 0.5], [1.0, 0.0]) == math.inf
    assert k.log_score([0.0, 1.0], [0.0, 1.0]) == 0.0


def test_selective_accuracy_looks_only_at_what_is_above():
    p, c = world(400)
    kept = [outcome for forecast, outcome in zip(p, c, strict=True) if forecast > 0.5]
    assert k.selective_accuracy(p, c) == pytest.approx(sum(kept) / len(kept), abs=1e-12)
    assert math.isnan(k.selective_accuracy(p, c, threshold=1.0))
    assert math.isnan(k.auroc(p, np.ones(400)))


def test_ece_of_the_perfect_is_not_zero_and_the_excess_is():
    found = [k.consistency(*world(300, seed), resamples=200) for seed in range(200)]
    assert np.mean([each.ece for each in found]) == pytest.approx(0.055, abs=0.01)
    assert np.mean([each.excess for each in found]) == pytest.approx(0, abs=0.004)
    assert np.mean([k.mean_square(*world(300, seed)) for seed in range(200)]) == pytest.approx(0, abs=5e-4)


def test_consistency_p_is_uniform_for_the_calibrated_and_small_for_those_off_by_a_tenth():
    calibrated = [k.consistency(*world(300, seed), resamples=199).p for seed in range(400)]
    assert kstest(calibrated, "uniform").pvalue > 0.001
    off = [k.consistency(*world(1000, seed, off=0.1), resamples=199).p for seed in range(50)]
    assert np.mean(np.array(off) < 0.05) > 0.95


def test_copies_of_a_question_are_no_further_evidence():
    p, c = world(100, seed=5)
    alone = k.consistency(p, c, count=5)
    copied = k.consistency(np.tile(p, 3), np.tile(c, 3), np.tile(np.arange(100), 3), count=5)
    assert copied.expected == pytest.approx(alone.expected, rel=0.05)
    assert copied.p == pytest.approx(alone.p, abs=0.05)


def test_an_error_of_a_tenth_is_found_without_bias():
    squares = [k.mean_square(*world(500, seed, off=0.1)) for seed in range(300)]
    assert np.mean(squares) == pytest.approx(0.01, abs=1e-3)


@pytest.mark.parametrize("statistic", [k.brier, k.auroc, k.ece])
def test_intervals_cover_the_truth(statistic):
    truth = statistic(*world(200_000, seed=99, off=0.1))
    inside = []
    for seed in range(60):
        estimate = k.interval(statistic, *world(300, seed, off=0.1), resamples=100)
        inside.append(estimate.low <= truth <= estimate.high)
    assert np.mean(inside) > 0.85


def test_whole_clusters_are_drawn():
    p, c = world(100)
    alone = k.interval(k.brier, p, c, resamples=500)
    copied = k.interval(k.brier, np.tile(p, 4), np.tile(c, 4), np.tile(np.arange(100), 4), resamples=500)
    assert copied.value == pytest.approx(alone.value)
    assert copied.se == pytest.approx(alone.se, rel=0.15)
    assert copied.clusters == 100
    assert math.isnan(k.interval(k.brier, p, c, np.zeros(100)).low)


@pytest.mark.parametrize(("p", "c"), [([0.5], [0.5, 1]), ([1.2], [1.0]), ([0.5], [2.0]), ([], []), ([math.nan], [1.0])])
def test_bad_input_is_refused(p, c):
    with pytest.raises(ValueError, match=r"forecasts|finite|non-empty"):
        k.ece(p, c)


def test_bins_of_one_item_have_no_noise_to_take_off():
    assert math.isnan(k.mean_square([0.1, 0.5, 0.9], [0.0, 1.0, 1.0]))


def test_a_temperature_is_found_again_and_options_may_differ_in_number():
    random = np.random.default_rng(0)
    logprobs = [random.normal(0, 3, random.integers(2, 6)) for _ in range(1500)]
    right = [random.choice(each.size, p=np.exp(k.log_chances(each, 2.5))) for each in logprobs]
    assert k.fit_temperature(logprobs, right) == pytest.approx(2.5, rel=0.1)
    losses = {
        t: -np.mean([k.log_chances(each, t)[n] for each, n in zip(logprobs, right, strict=True)])
        for t in (2.0, k.fit_temperature(logprobs, right), 3.1)
    }
    assert sorted(losses, key=losses.get)[0] not in (2.0, 3.1)


def test_log_chances_are_those_of_scipy():
    assert k.log_chances([-1.0, -700.0, -2.0], 0.5) == pytest.approx(log_softmax([-2.0, -1400.0, -4.0]), abs=1e-12)
