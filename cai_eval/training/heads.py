"""Losses on a model's logits that never hold the logits of all tokens at once.

The head runs on slices of the hidden states. Where gradients are wanted, each slice is differentiated at once and only
its gradient is kept, so nothing is computed twice and memory does not grow with tokens × vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from cai_eval.errors import UserError

#: (logits in float32 at least [n, vocabulary], the same slice of each target [n, ...]) → the sum of n losses, nats
SliceLoss = Callable[..., Tensor]

SLICE = 256  #: tokens: of a small vocabulary they stay in caches, of a large one they are worth reading the head for


def hidden_states(model: Any, input_ids: Tensor, **inputs: Any) -> Tensor:
    """What the output head would see, [batch, length, width]; `inputs` go to the model as they are.

    Right padding is harmless: a causal model never looks at it. Raises UserError for a model that changes its logits
    behind its head (soft caps, scales).
    """
    head = model.get_output_embeddings()
    seen: list[Tensor] = []

    def catch(_: nn.Module, arguments: tuple[Tensor, ...]) -> tuple[Tensor]:
        seen.append(arguments[0])
        return (arguments[0][:1, :1],)

    hook = head.register_forward_pre_hook(catch)
    try:
        logits = model(input_ids=input_ids, use_cache=False, **inputs).logits
    finally:
        hook.remove()
    with torch.no_grad():
        bare = head(seen[0][:1, :1])
    if ((logits != bare) & ~bare.isnan()).any():
        raise UserError(f"{type(model).__name__} changes its logits behind its head: it cannot be trained here.")
    return seen[0]


def sliced(loss: SliceLoss, head: Any, hidden: Tensor, *targets: Tensor) -> Tensor:
    """The sum of `loss` over the tokens of `hidden` [tokens, width] and their targets [tokens, ...]."""
    slices = list(zip(*(torch.split(t, SLICE) for t in (hidden, *targets)), strict=True))
    if not torch.is_grad_enabled():
        return sum(
            (_value(loss, head, *tensors) for tensors in slices), hidden.new_zeros((), dtype=_accumulator(hidden))
        )
    trainable = [p for p in head.parameters() if p.requires_grad]
    total: Tensor = _Sliced.apply(loss, head, slices, hidden, *trainable)  # type: ignore[no-untyped-call]
    return total


def _value(loss: SliceLoss, head: nn.Module, hidden: Tensor, *targets: Tensor) -> Tensor:
    return loss(head(hidden).to(_accumulator(hidden)), *targets)


def _accumulator(hidden: Tensor) -> torch.dtype:
    return torch.promote_types(hidden.dtype, torch.float32)


class _Sliced(torch.autograd.Function):
    """Differentiates in the forward pass; going back, it scales what it has."""

    @staticmethod
    def forward(
        ctx: Any,
        loss: SliceLoss,
        head: nn.Module,
        slices: Sequence[Sequence[Tensor]],
        hidden: Tensor,
        *trainable: Tensor,
    ) -> Tensor:
        total = hidden.new_zeros((), dtype=_accumulator(hidden))
        back = torch.empty_like(hidden)
        sums = [torch.zeros_like(p) for p in trainable]
        start = 0
        for part, *targets in slices:
            with torch.enable_grad():
                part = part.detach().requires_grad_()
                value = _value(loss, head, part, *targets)
                gradient, *others = torch.autograd.grad(value, (part, *trainable))
            total += value.detach()
            back[start : start + len(part)] = gradient
            start += len(part)
            for whole, other in zip(sums, others, strict=True):
                whole += other
        ctx.save_for_backward(back, *sums)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        back, *sums = ctx.saved_tensors
        return (None, None, None, back * gradient.to(back.dtype), *(whole * gradient for whole in sums))
