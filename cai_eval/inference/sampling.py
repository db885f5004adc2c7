"""Drawing tokens: one uniform number each, from a stream of the sample's own, inverted through the distribution.

Pure functions. A sample does not depend on what else is in the batch, except where rounding decides, which is told.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

NEAR = 1e-5  #: cumulative probabilities this close to what they are compared with are near ties
BLOCK = 256  #: tokens whose probabilities are summed before the block with the drawn one is looked into
LIKELY = (256, 4096)  #: tokens that are searched for the nucleus before the whole vocabulary is sorted


@dataclass(frozen=True)
class Draw:
    """For each row: the token, its log-probability (nats, untempered), and whether rounding may have decided."""

    tokens: Tensor
    logprobs: Tensor
    near_ties: Tensor


def uniforms(seed: int, key: str, sample: int, count: int) -> NDArray[np.float64]:
    """The stream of (seed, key, sample): `count` numbers in [0, 1), one for each token position."""
    digest = hashlib.sha256(json.dumps([seed, key, sample]).encode("ascii")).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest[:16], "big"))).random(count)


def draw(logits: Tensor, temperature: float, top_p: float, numbers: Tensor) -> Draw:
    """One token a row: the most probable at temperature 0, else that in which the row's number falls.

    logits: [rows, vocabulary]. numbers: float64 [rows], in [0, 1). Tokens are laid out by their ids. top_p keeps
    the most probable tokens up to the one with which their sum reaches it, and those as probable as that one.
    """
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    if temperature == 0:
        tokens, near = logits.argmax(-1), torch.zeros(len(logits), dtype=torch.bool, device=logits.device)
    else:
        weights = ((logits - logits.amax(-1, keepdim=True)) / temperature).exp_()
        slack = torch.zeros(len(logits), dtype=torch.float64, device=logits.device)
        if top_p < 1:
            edge, slack = nucleus(weights, top_p)
            weights.masked_fill_(weights < edge[:, None], 0.0)
        tokens, near = invert(weights, numbers, NEAR + slack)
    logprobs = logits.gather(1, tokens[:, None])[:, 0] - logits.logsumexp(-1)
    return Draw(tokens, logprobs, near)


def nucleus(weights: Tensor, top_p: float) -> tuple[Tensor, Tensor]:
    """The least weight in each row's nucleus, and by how much cumulative probabilities move if rounding changes it.

    weights: [rows, vocabulary], not normalised. The second is 0 where the nucleus is not in doubt.
    """
    edge = torch.zeros(len(weights), dtype=weights.dtype, device=weights.device)
    slack = torch.zeros(len(weights), dtype=torch.float64, device=weights.device)
    left = torch.arange(len(weights), device=weights.device)
    for count in (*LIKELY, weights.shape[-1]):
        edge[left], slack[left], enough = _edge(weights[left], top_p, count)
        left = left[~enough]
        if not len(left):
            break
    return edge, slack


def _edge(weights: Tensor, top_p: float, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """As `nucleus`, looking at the `count` most probable tokens alone; and for which rows they are enough."""
    best = weights.topk(min(count, weights.shape[-1]), sorted=True).values
    total = weights.sum(-1, keepdim=True, dtype=torch.float64)
    share = best.cumsum(-1, dtype=torch.float64) / total
    last = (share < top_p).sum(-1, keepdim=True).clamp_(max=share.shape[-1] - 1)
    edge, reached = best.gather(1, last), share.gather(1, last)
    beyond = best.gather(1, (last + 1).clamp_(max=share.shape[-1] - 1))
    own = edge / total
    doubtful = (reached - top_p < NEAR) | (top_p - (reached - own) < NEAR) | (edge - beyond < NEAR * edge)
    return edge[:, 0], torch.where(doubtful, 2 * own / top_p, 0.0)[:, 0], share[:, -1] >= top_p


def invert(weights: Tensor, numbers: Tensor, margin: Tensor) -> tuple[Tensor, Tensor]:
    """Tokens in which numbers · total fall, tokens laid out by id; and which were within `margin` of a neighbour's.

    weights: [rows, vocabulary], not normalised. numbers, margin: [rows]. Sums are taken in float64.
    """
    blocks = torch.nn.functional.pad(weights, (0, -weights.shape[-1] % BLOCK)).view(len(weights), -1, BLOCK)
    ends = blocks.sum(-1, dtype=torch.float64).cumsum(-1)
    total = ends[:, -1:]
    point = numbers[:, None] * total
    block = torch.searchsorted(ends, point, right=True).clamp_(max=ends.shape[-1] - 1)
    before = torch.where(block > 0, ends.gather(1, (block - 1).clamp_(min=0)), 0.0)
    inside = before + blocks.gather(1, block[..., None].expand(-1, -1, BLOCK))[:, 0].double().cumsum(-1)
    last = torch.searchsorted(inside, inside[:, -1:].contiguous())  # behind it the block has no weight
    place = torch.searchsorted(inside, point, right=True).minimum(last).clamp_(max=BLOCK - 1)
    above = inside.gather(1, place)
    below = torch.where(place > 0, inside.gather(1, (place - 1).clamp_(min=0)), before)
    close = margin[:, None] * total
    near = (below > 0) & (point - below < close) | (above < total) & (above - point < close)
    # NaN sorts behind everything: such a row draws its last token, with NaN for a log-probability.
    return (block * BLOCK + place)[:, 0].clamp_(max=weights.shape[-1] - 1), near[:, 0]
