"""The last block of a model, run only where it is read."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from torch import Tensor


@contextlib.contextmanager
def feeding_at(model: Any, points: Tensor) -> Iterator[None]:
    """Forward passes inside run the last block's feed-forward layers on these hidden states alone.

    Elsewhere the model ends in something that nothing may read. Behind the last attention no position looks at another,
    so what is read and its gradients are whole. points: indices into the flattened [batch * length]. Where the last
    block has no dense module `mlp`, everything is computed.
    """
    last = f".{model.config.get_text_config().num_hidden_layers - 1}.mlp"
    found = [module for name, module in model.named_modules() if name.endswith(last)]
    inside = [name for module in found for name, _ in module.named_children()]
    if len(found) != 1 or any("experts" in name or "router" in name for name in inside):
        yield
        return
    shape = torch.Size()

    def select(_: Any, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        nonlocal shape
        shape = inputs[0].shape[:-1]
        return tuple(one.flatten(0, -2)[points][None] for one in inputs)

    def spread(_: Any, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        everywhere = output.new_zeros(shape.numel(), output.shape[-1])
        return everywhere.index_copy(0, points, output[0]).view(*shape, -1)

    hooks = [found[0].register_forward_pre_hook(select), found[0].register_forward_hook(spread)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
