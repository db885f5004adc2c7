"""The mathematics of PPO against definitions, and what stands under pads against nobody."""

import math
from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from cai_eval.training.ppo.algorithm import (
    adapted,
    advantages,
    clipped,
    explained,
    k1,
    k3,
    policy_loss,
    sum_masked,
    token_rewards,
    value_loss,
    whiten,
)
from cai_eval.training.ppo.best_of_n import curves, expected_best

LENGTHS = st.lists(st.integers(1, 7), min_size=1, max_size=5)


def numbers(lengths: Sequence[int], seed: int) -> Tensor:
    """[answers, longest], float64."""
    return torch.randn(len(lengths), max(lengths), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def mask_of(lengths: Sequence[int]) -> Tensor:
    return torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]


def poisoned(values: Tensor, mask: Tensor) -> Tensor:
    return torch.where(mask, values, math.nan)


@settings(deadline=None)
@given(lengths=LENGTHS, gamma=st.floats(0, 1), lam=st.floats(0, 1), seed=st.integers(0, 99))
def test_advantages_are_the_double_sum_of_their_definition(
    lengths: list[int], gamma: float, lam: float, seed: int
) -> None:
    rewards, values, mask = numbers(lengths, seed), numbers(lengths, seed + 1), mask_of(lengths)
    found = advantages(poisoned(rewards, mask), poisoned(values, mask), mask, gamma, lam)
    for row, length in enumerate(lengths):
        for t in range(length):
            total = 0.0
            for later in range(t, length):
                following = values[row, later + 1].item() if later + 1 < length else 0.0
                delta = rewards[row, later].item() + gamma * following - values[row, later].item()
                total += (gamma * lam) ** (later - t) * delta
            assert found[row, t].item() == pytest.approx(total, abs=1e-9)
    assert not found[~mask].any()


def test_with_lambda_one_returns_are_the_rewards_to_come() -> None:
    lengths = [3, 5]
    rewards, values, mask = numbers(lengths, 0), numbers(lengths, 1), mask_of(lengths)
    returns = advantages(rewards, values, mask, 1.0, 1.0) + values
    to_come = torch.where(mask, rewards, 0.0).flip(1).cumsum(1).flip(1)
    torch.testing.assert_close(returns[mask], to_come[mask])


@settings(deadline=None)
@given(lengths=LENGTHS, coefficient=st.floats(0, 2), seed=st.integers(0, 99))
def test_rewards_sum_to_the_score_less_the_penalty(lengths: list[int], coefficient: float, seed: int) -> None:
    log_ratio, mask, scores = numbers(lengths, seed), mask_of(lengths), numbers([1] * len(lengths), seed + 1)[:, 0]
    rewards = token_rewards(scores, poisoned(log_ratio, mask), mask, coefficient)
    for row, length in enumerate(lengths):
        kl = log_ratio[row, :length].sum()
        assert rewards[row].sum().item() == pytest.approx((scores[row] - coefficient * kl).item(), abs=1e-9)
        assert rewards[row, : length - 1].tolist() == pytest.approx(
            (-coefficient * log_ratio[row, : length - 1]).tolist()
        )
        assert not rewards[row, length:].any()


@settings(deadline=None)
@given(lengths=st.lists(st.integers(1, 7), min_size=2, max_size=5), seed=st.integers(0, 99))
def test_whitening_is_masked_and_over_all_answers_together(lengths: list[int], seed: int) -> None:
    values, mask = numbers(lengths, seed), mask_of(lengths)
    found = whiten(poisoned(values, mask), mask)
    assert found[mask].mean().item() == pytest.approx(0, abs=1e-9)
    assert not found[~mask].any()
    real = values[mask]
    variance = real.var(correction=0)
    # 1 but for the term that keeps equal values from dividing by nothing
    assert found[mask].var(correction=0).item() == pytest.approx((variance / (variance + 1e-8)).item(), abs=1e-9)
    torch.testing.assert_close(found[mask] * real.std(correction=0) + real.mean(), real, rtol=1e-4, atol=1e-4)


def test_what_is_all_the_same_is_whitened_to_nothing() -> None:
    assert not whiten(torch.full((2, 3), 4.0), torch.ones(2, 3, dtype=torch.bool)).any()


def test_the_ratio_has_no_gradient_beyond_its_clip() -> None:
    old = torch.zeros(6)
    logprobs = torch.tensor([1.1, 1.5, 0.5, 1.5, 0.5, 0.9]).log().requires_grad_()
    gains = torch.tensor([1.0, 1.0, 1.0, -1.0, -1.0, -1.0])
    losses = policy_loss(logprobs, old, gains, 0.2)
    assert losses.tolist() == pytest.approx([-1.1, -1.2, -0.5, 1.5, 0.8, 0.9])
    losses.sum().backward()
    assert logprobs.grad is not None
    assert (logprobs.grad == 0).tolist() == clipped(logprobs, old, gains, 0.2).tolist() == [0, 1, 0, 0, 1, 0]


def test_at_ratio_one_the_gradient_is_that_of_the_policy_gradient() -> None:
    logprobs = torch.tensor([-1.0, -2.0, -0.5], requires_grad=True)
    gains = torch.tensor([0.5, -2.0, 3.0])
    policy_loss(logprobs, logprobs.detach(), gains, 0.2).sum().backward()
    assert logprobs.grad is not None
    assert torch.equal(logprobs.grad, -gains)


def test_values_are_held_near_what_they_were() -> None:
    values = torch.tensor([0.1, 1.0, -1.0], requires_grad=True)
    losses = value_loss(values, torch.zeros(3), torch.tensor([1.0, 1.0, 1.0]), 0.2)
    assert losses.tolist() == pytest.approx([0.81 / 2, 0.64 / 2, 4 / 2])
    losses.sum().backward()
    assert values.grad is not None
    assert values.grad.tolist() == pytest.approx([-0.9, 0.0, -2.0])


def test_values_explain_what_they_foretell() -> None:
    returns = torch.tensor([1.0, 2.0, 3.0])
    assert explained(returns - 5, returns) == 1.0
    assert explained(torch.zeros(3), returns) == 0.0
    assert explained(-returns, returns) == -3.0
    assert explained(returns, torch.ones(3)) == 0.0


def test_kl_estimators_are_unbiased_and_one_is_never_negative() -> None:
    p, q = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64), torch.tensor([0.2, 0.2, 0.6], dtype=torch.float64)
    log_ratio = p.log() - q.log()
    exact = (p * log_ratio).sum().item()
    for estimate in (k1, k3):
        assert (p * estimate(log_ratio)).sum().item() == pytest.approx(exact)
    assert (k3(log_ratio) > 0).all()
    assert (k1(log_ratio) < 0).any()
    assert k3(torch.zeros(1)).item() == 0
    assert (k3(torch.linspace(-1e-4, 1e-4, 999)) >= 0).all()


def test_sums_leave_pads_out() -> None:
    values = torch.tensor([[1.0, math.nan], [2.0, 3.0]])
    assert sum_masked(values, mask_of([1, 2])).tolist() == [1.0, 5.0]


def test_the_kl_coefficient_goes_after_its_target_within_bounds() -> None:
    assert adapted(0.1, kl=6.0, target=6.0) == 0.1
    assert adapted(0.1, kl=6.6, target=6.0) == pytest.approx(0.1 * 1.01)
    assert adapted(0.1, kl=600.0, target=6.0) == pytest.approx(0.1 * 1.02)
    assert adapted(0.1, kl=0.0, target=6.0) == pytest.approx(0.1 * 0.98)


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_best_of_n_is_the_mean_over_all_choices_of_n_answers(n: int) -> None:
    rng = np.random.default_rng(0)
    scores, by = rng.normal(size=(3, 5)), rng.normal(size=(3, 5))
    best = [
        scores[prompt, max(some, key=lambda i: by[prompt, i])]
        for prompt in range(3)
        for some in combinations(range(5), n)
    ]
    assert expected_best(scores, by, n) == pytest.approx(np.mean(best))


def test_best_of_n_gains_with_n_and_says_how_far_it_goes() -> None:
    reward = np.random.default_rng(0).normal(size=(4, 16))
    found = curves(reward, reward / 2, (1, 4, 16))
    assert found["reward"][0] == pytest.approx(reward.mean())
    assert found["reward"][2] == pytest.approx(reward.max(axis=1).mean())
    assert found["reward"] == sorted(found["reward"])
    assert found["held_out"] == pytest.approx([value / 2 for value in found["reward"]])
    assert found["kl"] == pytest.approx([0, math.log(4) - 3 / 4, math.log(16) - 15 / 16])
    assert found["log_n"] == pytest.approx([0, math.log(4), math.log(16)])
    assert "held_out" not in curves(reward, None, (1,))
