"""The processes that train one model together: what each takes, and sums over all of them.

Gradients are summed once a step, explicitly: objectives get the bare model and may use any part of it, and a process
without work in a step adds zeros. Started by torchrun or `accelerate launch`; alone, everything here is free.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import torch
from accelerate import PartialState  # type: ignore[import-untyped]
from accelerate.utils import reduce  # type: ignore[import-untyped]
from torch import Tensor, nn

T = TypeVar("T")


class Ranks:
    """This process among all that train. main: the one that writes files."""

    def __init__(self) -> None:
        # without an accelerator it must be told so, or it takes every rank for a lone process
        self._state = PartialState(cpu=not torch.accelerator.is_available())
        self.rank: int = self._state.process_index
        self.main: bool = self._state.is_main_process
        self.alone: bool = self._state.num_processes == 1

    def place(self, model: nn.Module) -> torch.device:
        """Where the model trains: where it lies, or on this process's own device, to which it is moved."""
        if not self.alone:
            model.to(self._state.device)
        return next(model.parameters()).device

    def share(self, items: Sequence[T]) -> Sequence[T]:
        """This process's part of the items."""
        return items[self.rank :: self._state.num_processes]

    def sum(self, *values: float) -> list[float]:
        """Each value summed over the processes."""
        if self.alone:
            return list(values)
        total = reduce(torch.tensor(values, dtype=torch.float64, device=self._state.device), "sum")
        return [float(value) for value in total.tolist()]

    def sum_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Replace every gradient by its sum over the processes."""
        if self.alone:
            return
        flat = torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in parameters])
        total: Tensor = reduce(flat, "sum")
        parts = torch.split(total, [p.numel() for p in parameters])
        for parameter, part in zip(parameters, parts, strict=True):
            parameter.grad = part.view_as(parameter)

    def wait(self) -> None:
        """Return when every process has come here."""
        self._state.wait_for_everyone()
