"""Softmax attention that also gives the log-sum-exp of its scores, and the exact merge of two such results.

Attention over a set of keys that is split in two is `merge` of the attention over each part (Hydragen,
arXiv 2402.05099, §3.1). Plain functions of tensors; no model is known here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

#: Scores held at once by the kernel that is written out here, in elements.
SCORES = 1 << 24


def attend(q: Tensor, k: Tensor, v: Tensor, scale: float, bias: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """softmax(scale · q kᵀ + bias) v, and the log-sum-exp of the scores.

    q: [batch, heads, queries, width]. k, v: [batch, heads, keys, width]; as many heads as q.
    bias: [batch or 1, heads or 1, queries, keys] in q's dtype; no query may have -inf alone.
    Returns [batch, heads, queries, width] in q's dtype and [batch, heads, queries] in float32 (float64 for float64).
    """
    if q.device.type == "cpu" and q.shape[-1] == v.shape[-1]:
        out, lse = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(q, k, v, attn_mask=bias, scale=scale)
        return out, lse
    if q.device.type == "cuda" and q.dtype != torch.float64 and q.shape[-1] % 8 == 0:
        return _attend_cuda(q, k, v, scale, bias)
    return attend_in_blocks(q, k, v, scale, bias)


def _attend_cuda(q: Tensor, k: Tensor, v: Tensor, scale: float, bias: Tensor | None) -> tuple[Tensor, Tensor]:
    """The memory-efficient kernel: it takes a bias, but its rows must start at multiples of 16 bytes."""
    queries, keys = q.shape[2], k.shape[2]
    if bias is not None:
        padding = -keys % 8
        bias = torch.nn.functional.pad(bias, (0, padding))[..., :keys]
        bias = bias.expand(q.shape[0], q.shape[1], queries, keys)
    out, lse, *_ = torch.ops.aten._scaled_dot_product_efficient_attention(q, k, v, bias, True, scale=scale)
    return out, lse[..., :queries]


def attend_in_blocks(
    q: Tensor, k: Tensor, v: Tensor, scale: float, bias: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """`attend` written out, for devices without a kernel that gives the log-sum-exp; memory is bounded by SCORES."""
    accumulator = torch.promote_types(q.dtype, torch.float32)
    block = max(1, SCORES // (q.shape[0] * q.shape[1] * k.shape[2]))
    outs, lses = [], []
    for start in range(0, q.shape[2], block):
        scores = (q[:, :, start : start + block] @ k.transpose(-1, -2)).to(accumulator) * scale
        if bias is not None:
            scores = scores + bias[:, :, start : start + block]
        lse = scores.logsumexp(-1)
        outs.append((scores - lse[..., None]).exp().to(v.dtype) @ v)
        lses.append(lse)
    return torch.cat(outs, 2), torch.cat(lses, 2)


def merge(out: Tensor, lse: Tensor, other: Tensor, other_lse: Tensor) -> tuple[Tensor, Tensor]:
    """Attention over the union of two disjoint sets of keys, from the attention over each.

    Shapes as `attend` returns them. The weights are taken in the log-sum-exps' precision.
    """
    share = torch.sigmoid(lse - other_lse)[..., None]
    merged = torch.lerp(other.to(share.dtype), out.to(share.dtype), share)
    return merged.to(out.dtype), torch.logaddexp(lse, other_lse)
