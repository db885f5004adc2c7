"""The mathematics of PPO, as pure functions of tensors.

An answer is an episode and each of its tokens an action, the one that ends it too. Tensors are [answers, tokens] with a
mask [answers, tokens] (bool) of what is real, which begins in the first column; what stands under False is never read.
Log-probabilities and KL divergences are in nats.
"""

from __future__ import annotations

import torch
from torch import Tensor

ADAPTATION = 0.1  #: share of its relative error by which an adaptive KL coefficient moves in an update
ERROR = 0.2  #: the most that error counts


def k1(log_ratio: Tensor) -> Tensor:
    """KL(policy ‖ reference) estimated from one draw of the policy: its log-ratio. Unbiased, sometimes negative."""
    return log_ratio


def k3(log_ratio: Tensor) -> Tensor:
    """The same with a control variate, r⁻¹ − 1 + log r: unbiased, never negative (Schulman 2020)."""
    return (torch.expm1(-log_ratio) + log_ratio).clamp(min=0.0)  # near nought rounding may go below


def sum_masked(values: Tensor, mask: Tensor) -> Tensor:
    """The sum over each answer's tokens, [answers]."""
    return torch.where(mask, values, 0.0).sum(-1)


def token_rewards(scores: Tensor, log_ratio: Tensor, mask: Tensor, coefficient: float) -> Tensor:
    """−coefficient · k1 at each token, and at an answer's last real one its score [answers] as well; 0 under pads."""
    penalty = torch.where(mask, -coefficient * k1(log_ratio), 0.0)
    return penalty + torch.where(_last(mask), scores[:, None], 0.0)


def advantages(rewards: Tensor, values: Tensor, mask: Tensor, gamma: float, lam: float) -> Tensor:
    """Generalised advantage estimates, Σ_l (γλ)^l δ_{t+l} with δ_t = r_t + γ V_{t+1} − V_t (Schulman et al. 2016).

    Nothing is worth anything behind an answer's last token. 0 under pads.
    """
    rewards, values = torch.where(mask, rewards, 0.0), torch.where(mask, values, 0.0)
    following = torch.nn.functional.pad(values[:, 1:], (0, 1))
    delta = rewards + gamma * following - values
    found = torch.zeros_like(delta)
    carried = delta.new_zeros(len(delta))
    for place in reversed(range(delta.shape[1])):
        carried = delta[:, place] + gamma * lam * carried
        found[:, place] = carried
    return found


def whiten(values: Tensor, mask: Tensor) -> Tensor:
    """Mean 0 and variance 1 over all real tokens of all answers together; 0 under pads."""
    real = values[mask]
    scale = torch.rsqrt(real.var(correction=0) + 1e-8)
    return torch.where(mask, (values - real.mean()) * scale, 0.0)


def policy_loss(logprobs: Tensor, old: Tensor, advantages: Tensor, clip: float) -> Tensor:
    """−min(ρA, clip(ρ, 1 − clip, 1 + clip) A) of each token, ρ = π/π_old (Schulman et al. 2017, equation 7)."""
    ratio = torch.exp(logprobs - old)
    return -torch.minimum(ratio * advantages, ratio.clamp(1 - clip, 1 + clip) * advantages)


def clipped(logprobs: Tensor, old: Tensor, advantages: Tensor, clip: float) -> Tensor:
    """Which tokens clipping robs of their gradient (bool)."""
    ratio = torch.exp(logprobs - old)
    return torch.where(advantages > 0, ratio > 1 + clip, (ratio < 1 - clip) & (advantages < 0))


def value_loss(values: Tensor, old: Tensor, returns: Tensor, clip: float) -> Tensor:
    """½ max((V − R)², (V_clipped − R)²) of each token, V_clipped within `clip` of what it was at the rollout."""
    near = old + (values - old).clamp(-clip, clip)
    return torch.maximum((values - returns).square(), (near - returns).square()) / 2


def explained(values: Tensor, returns: Tensor) -> float:
    """1 − var(returns − values) / var(returns) of [tokens]; 0 where all returns are the same."""
    variance = returns.var(correction=0)
    return (1 - (returns - values).var(correction=0) / variance).item() if variance > 0 else 0.0


def adapted(coefficient: float, kl: float, target: float) -> float:
    """The next KL coefficient: larger where the KL exceeds its target (Ziegler et al. 2019, §2.2)."""
    error = min(max(kl / target - 1, -ERROR), ERROR)
    return coefficient * (1 + ADAPTATION * error)


def _last(mask: Tensor) -> Tensor:
    """True at each answer's last real token alone."""
    return mask & ~torch.nn.functional.pad(mask[:, 1:], (0, 1))
