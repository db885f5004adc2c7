"""Checkpoints that a kill, a full disk or a flipped bit cannot turn into wrong weights.

They are sealed files, `step-00000400-….pt`; older ones go only when a new one is complete. Loading takes the newest
that is intact and unpickles nothing (`weights_only`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from .sealed import UNFINISHED, intact, publish, published


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of one training, which alone writes here. keep: how many, at least 1."""

    directory: Path
    keep: int

    def save(self, step: int, state: dict[str, Any]) -> None:
        """Store what `torch.save` takes. Raises UserError where the disk refuses; the older checkpoints then stay."""
        publish(self.directory, f"step-{step:08d}", ".pt", lambda file: torch.save(state, file))
        for path in (*self._paths()[: -self.keep], *self.directory.glob(f"*{UNFINISHED}")):
            path.unlink(missing_ok=True)

    def load(self, device: torch.device) -> tuple[int, dict[str, Any]] | None:
        """Step and state of the newest undamaged checkpoint, or None."""
        for path in reversed(self._paths()):
            if intact(path):
                return _step(path), torch.load(path, map_location=device, weights_only=True)
        return None

    def forget(self, step: int) -> None:
        """Remove the checkpoints of `step` and later: the training went wrong there."""
        for path in self._paths():
            if _step(path) >= step:
                path.unlink()

    def _paths(self) -> list[Path]:
        return [path for stem, path in published(self.directory) if stem.startswith("step-")]


def _step(path: Path) -> int:
    return int(path.name.split("-")[1])
