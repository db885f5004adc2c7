"""The processes that train one model together: what each takes, and sums over all of them.

Gradients are summed once a step, explicitly: objectives get the bare model and may use any part of it, and a process
without work in a step adds zeros. Started by torchrun or `accelerate launch`; alone, everything here is free.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import torch
from accelerate import PartialState  # type: ignore[import-untyped]
from accelerate.utils import gather_object, reduce  # type: ignore[import-untyped]
from torch import Tensor, nn

from .sealed import writing

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

    def gather(self, made: Sequence[T]) -> list[T]:
        """What the processes made of their shares, one thing of each item, in the items' order."""
        if self.alone:
            return list(made)
        parts: list[list[T]] = gather_object([list(made)])
        return [part[row] for row in range(len(parts[0])) for part in parts if row < len(part)]

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

    def make(self, place: Path, write: Callable[[Path], None]) -> None:
        """Have the main process make the directory by `write`, whole or not at all, if it is not there already.

        Raises UserError where the disk refuses.
        """
        if self.main and not place.is_dir():
            unfinished = place.with_name("unfinished")
            shutil.rmtree(unfinished, ignore_errors=True)  # what a kill left
            with writing(place.name, place.parent):
                write(unfinished)
                unfinished.rename(place)
        self.wait()

    def wait(self) -> None:
        """Return when every process has come here."""
        self._state.wait_for_everyone()
