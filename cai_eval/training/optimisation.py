"""How weights are moved: the optimisers, their schedule, and the order of the data."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import nn


@dataclass(frozen=True)
class Optimisation:
    """One training's steps and settings.

    steps: optimiser steps. rate: peak learning rate. warmup: steps of linear rise to it. decay: how it falls from
    there to the share `final` of itself. optimizer: "muon" moves hidden matrices by orthogonalised momentum, its
    update scaled to AdamW's size so that one rate serves both, and everything else by AdamW. weight_decay: of matrices
    only, not of norms and biases. clip: the largest norm of a step's gradient, inf for none. precision: of the forward
    pass; weights and optimiser stay fp32. seed: of dropout.
    """

    steps: int
    rate: float
    warmup: int = 0
    decay: Literal["constant", "linear", "cosine"] = "linear"
    final: float = 0.0
    optimizer: Literal["adamw", "muon"] = "adamw"
    betas: tuple[float, float] = (0.9, 0.98)
    weight_decay: float = 0.01
    clip: float = 1.0
    precision: Literal["fp32", "bf16"] = "fp32"
    seed: int = 0

    def rate_at(self, step: int) -> float:
        """The learning rate of step 0, 1, ..., steps - 1."""
        if step < self.warmup:
            return self.rate * (step + 1) / self.warmup
        share = (step - self.warmup) / max(1, self.steps - self.warmup)
        match self.decay:
            case "constant":
                return self.rate
            case "linear":
                fallen = share
            case "cosine":
                fallen = (1 - math.cos(math.pi * share)) / 2
        return self.rate * (1 - (1 - self.final) * fallen)


def make_optimizers(model: nn.Module, optimisation: Optimisation) -> list[torch.optim.Optimizer]:
    """The optimisers of the model's trainable parameters; each parameter is in exactly one."""
    trainable = [p for p in model.parameters() if p.requires_grad]
    hidden = _hidden_matrices(model) if optimisation.optimizer == "muon" else set()
    decay, rate = optimisation.weight_decay, optimisation.rate
    optimizers: list[torch.optim.Optimizer] = []
    if muon := [p for p in trainable if p in hidden]:
        optimizers.append(torch.optim.Muon(muon, rate, weight_decay=decay, adjust_lr_fn="match_rms_adamw"))
    others = [p for p in trainable if p not in hidden]
    groups = [
        {"params": [p for p in others if p.ndim >= 2], "weight_decay": decay},
        {"params": [p for p in others if p.ndim < 2], "weight_decay": 0.0},
    ]
    if groups := [group for group in groups if group["params"]]:
        optimizers.append(torch.optim.AdamW(groups, rate, betas=optimisation.betas, fused=True))
    return optimizers


def order(seed: int, epoch: int, n: int) -> NDArray[np.int64]:
    """A permutation of range(n), the same on every machine for the same seed and epoch."""
    digest = hashlib.sha256(f"{seed}/{epoch}/{n}".encode()).digest()
    keys = np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "little"))).integers(0, 2**63, n)
    return np.argsort(keys, kind="stable")


def _hidden_matrices(model: nn.Module) -> set[nn.Parameter]:
    """Weights of two dimensions that neither embed tokens nor predict them."""
    ends = {module.weight for module in model.modules() if isinstance(module, torch.nn.Embedding)}
    head = getattr(model, "get_output_embeddings", lambda: None)()
    if head is not None:
        ends.add(head.weight)
    return {p for p in model.parameters() if p.ndim == 2 and p not in ends}
