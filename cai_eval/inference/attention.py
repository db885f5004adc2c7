"""Attention behind shared segments: what rows of a batch have in common is held, and attended to, once.

A `Segment` is a run of tokens whose keys and values are kept; a `SegmentStack` is a path of them (policy prefix →
few-shot block → passage). Inside `attending(model, stack, mask)` the model's own attention is replaced: each query
sees every token of the stack, unmasked, and of the tokens in its row those that `mask` says. The two parts are merged
by log-sum-exp, which is exact. Keys and values are never repeated: batch and query groups fold into the query length.

To decode behind a stack, pass a fresh `DynamicCache` as usual; it then holds the rows' own tokens only:

    stack = engine.segments(prefix_ids)
    cache = DynamicCache()
    with attending(model, stack, mask):                   # mask: bool [rows, queries, cached + queries]
        model(ids, position_ids=stack.length + depths, past_key_values=cache, use_cache=True)
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from .kernels import attend, merge

if TYPE_CHECKING:
    from torch import Tensor

NAME = "cai_eval_shared_prefix"

#: Keywords that say nothing about which keys count, or by how much.
HARMLESS = frozenset({"position_ids", "use_cache", "cache_position", "output_hidden_states", "is_causal"})


class Unsupported(Exception):  # noqa: N818 - reads as what happened
    """The model's attention is more than scaled dot products behind a causal mask."""


@dataclass(frozen=True)
class Segment:
    """Keys and values of a run of tokens, for every layer.

    ids: the tokens. keys, values: for each layer [1, key-value heads, tokens, width], positions applied.
    """

    ids: tuple[int, ...]
    keys: tuple[Tensor, ...]
    values: tuple[Tensor, ...]

    @property
    def bytes(self) -> int:
        """Memory of keys and values."""
        return sum(t.numel() * t.element_size() for t in (*self.keys, *self.values))


@dataclass(frozen=True)
class SegmentStack:
    """Segments one behind the other, from the start of the text.

    length: their tokens. bytes: memory of their keys and values.
    """

    segments: tuple[Segment, ...] = ()

    @property
    def length(self) -> int:
        return sum(len(s.ids) for s in self.segments)

    @property
    def bytes(self) -> int:
        return sum(s.bytes for s in self.segments)

    def push(self, segment: Segment) -> SegmentStack:
        """The stack with one more segment behind it."""
        return SegmentStack((*self.segments, segment))


@dataclass
class _Call:
    """What the attention function must know of the forward pass in progress."""

    segments: tuple[Segment, ...]
    mask: Tensor
    kept: dict[int, tuple[Tensor, Tensor]] | None
    bias: dict[tuple[int, torch.dtype, torch.device], Tensor] = field(default_factory=dict)

    def bias_for(self, query: Tensor, groups: int) -> Tensor:
        """The mask as an additive bias [rows, 1, groups * queries, keys]; made once for all layers of a device."""
        key = (groups, query.dtype, query.device)
        if key not in self.bias:
            bias = query.new_zeros(self.mask.shape).masked_fill_(~self.mask.to(query.device), -torch.inf)
            self.bias[key] = bias.repeat(1, groups, 1)[:, None]
        return self.bias[key]


_call: ContextVar[_Call | None] = ContextVar("call", default=None)


@contextlib.contextmanager
def attending(
    model: Any, stack: SegmentStack, mask: Tensor, kept: dict[int, tuple[Tensor, Tensor]] | None = None
) -> Iterator[None]:
    """Forward passes inside see `stack` and then, in their own rows, what `mask` allows.

    mask: bool [rows, queries, keys]; every query must see one key (its own) at least. Position ids are the
    caller's affair: they count from the start of the text. kept: is given each layer's new (keys, values).
    Raises Unsupported where the model's attention is another one. The model's own attention is put back on exit.
    """
    token = _call.set(_Call(stack.segments, mask, kept))
    try:
        with installed(model):
            yield
    finally:
        _call.reset(token)


@contextlib.contextmanager
def installed(model: Any) -> Iterator[None]:
    """The model has this attention inside, whatever it had before and has again after; around many passes, it saves
    what changing it costs each.
    """
    before = model.config._attn_implementation
    if before != NAME:
        model.set_attn_implementation(NAME)
    try:
        yield
    finally:
        if before != NAME:
            model.set_attn_implementation(before)


def _shared_attention(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Attention in transformers' `AttentionInterface` form.

    query: [rows, heads, queries, width]; key, value: [rows, key-value heads, keys, width].
    Returns [rows, queries, heads, width].
    """
    call = _call.get()
    unknown = sorted(k for k, v in kwargs.items() if k not in HARMLESS and v is not None and v is not False)
    if call is None or attention_mask is not None or dropout or unknown:
        raise Unsupported(f"its attention uses {', '.join(unknown) or 'a mask or dropout of its own'}")
    layer = module.layer_idx
    if call.kept is not None:
        call.kept[layer] = (key, value)
    rows, heads, queries, width = query.shape
    groups = heads // key.shape[1]
    scale = width**-0.5 if scaling is None else scaling
    q = query.reshape(rows, key.shape[1], groups * queries, width)
    out, lse = attend(q, key, value, scale, call.bias_for(q, groups))
    if call.segments:
        folded = q.transpose(0, 1).reshape(1, key.shape[1], -1, width)
        for segment in call.segments:
            there, there_lse = attend(folded, segment.keys[layer], segment.values[layer], scale)
            unfolded = there.reshape(-1, rows, *q.shape[2:]).transpose(0, 1)
            out, lse = merge(out, lse, unfolded, there_lse.reshape(-1, rows, q.shape[2]).transpose(0, 1))
    return out.reshape(rows, heads, queries, -1).transpose(1, 2).contiguous(), None


def register() -> None:
    """Make the attention known to transformers; a second call changes nothing."""
    from transformers import AttentionInterface

    AttentionInterface.register(NAME, _shared_attention)
