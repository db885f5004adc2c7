import math

import numpy as np
import pytest
from scipy.stats import linregress

from cai_eval.statistics.recovery import recovery


def noisy(n, seed=0, slope=0.8, intercept=0.1):
    random = np.random.default_rng(seed)
    planted = random.uniform(0, 1, n)
    return np.clip(intercept + slope * planted + random.normal(0, 0.05, n), 0, 1), planted


def test_the_line_is_that_of_least_squares():
    stated, planted = noisy(200)
    found, line = recovery(stated, planted), linregress(planted, stated)
    assert found.slope.value == pytest.approx(line.slope, abs=1e-6)
    assert found.intercept.value == pytest.approx(line.intercept, abs=1e-6)
    assert found.slope.se == pytest.approx(line.stderr, rel=0.2)
    assert found.error.value == pytest.approx(np.abs(stated - planted).mean())


def test_intervals_cover_the_line():
    found = [recovery(*noisy(150, seed), resamples=300) for seed in range(100)]
    assert np.mean([each.slope.low <= 0.8 <= each.slope.high for each in found]) > 0.88
    assert np.mean([each.intercept.low <= 0.1 <= each.intercept.high for each in found]) > 0.88


def test_perfect_recovery_is_a_line_of_slope_one():
    planted = np.linspace(0, 1, 50)
    found = recovery(planted, planted)
    assert (found.slope.value, found.intercept.value, found.error.value) == pytest.approx((1, 0, 0), abs=1e-12)
    assert math.isnan(found.slope.low)
    noise = np.random.default_rng(0).normal(0, 1e-15, 50)
    assert math.isnan(recovery(planted + noise, planted).slope.low)


def test_copies_add_no_evidence():
    stated, planted = noisy(60)
    alone = recovery(stated, planted)
    copied = recovery(np.tile(stated, 5), np.tile(planted, 5), np.tile(np.arange(60), 5))
    assert copied.slope.se == pytest.approx(alone.slope.se, rel=0.1)


@pytest.mark.parametrize(("stated", "planted"), [([0.5], [0.5, 1]), ([0.1, 0.2], [0.5, 0.5])])
def test_what_has_no_slope_is_refused(stated, planted):
    with pytest.raises(ValueError, match="planted"):
        recovery(stated, planted)
