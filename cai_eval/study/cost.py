"""What a cell costs, before it has run."""

from __future__ import annotations

import time

from cai_eval.contracts import PolicySpec
from cai_eval.study.plan import Cell


def work(cell: Cell) -> float:
    """Floating-point operations of a cell: two a parameter and token, the prefix computed once.

    An upper bound of the tokens (beginnings that requests share are sent once) and a lower one of the operations
    (attention and output head are left out).
    """
    spec = cell.node.artefact
    prefix = len(spec.prefix.ids) if isinstance(spec, PolicySpec) else 0
    return 2.0 * cell.parameters * max(cell.tokens + prefix, 1)


def arithmetic_rate(device: str, dtype: str) -> float:
    """Floating-point operations a second of a large matrix product on `device`; measured in about 0.1 s."""
    import torch

    size = 1024 if device == "cpu" else 8192
    matrix = torch.randn(size, size, device=device, dtype=getattr(torch, dtype))
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        float((matrix @ matrix)[0, 0])  # reading an element waits for the device
        best = min(best, time.perf_counter() - start)
    return 2.0 * size**3 / best
