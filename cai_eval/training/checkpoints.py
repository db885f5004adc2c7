"""Checkpoints that a kill, a full disk or a flipped bit cannot turn into wrong weights.

    step-00000400-<first 16 hex digits of its sha256>.pt

A checkpoint is complete before it has its name, its name holds its checksum, and older ones go only afterwards.
Loading takes the newest that matches its name and unpickles nothing (`weights_only`).
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from cai_eval.errors import UserError

_NAME = re.compile(r"step-(\d{8})-([0-9a-f]{16})\.pt")


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of one training. keep: how many, at least 1."""

    directory: Path
    keep: int

    def save(self, step: int, state: dict[str, Any]) -> None:
        """Store what `torch.save` takes. Raises UserError where the disk refuses; the older checkpoints then stay."""
        part = self.directory / "unfinished.part"
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            try:
                with part.open("wb+") as file:
                    torch.save(state, file)
                    file.flush()
                    os.fsync(file.fileno())
                part.rename(self.directory / f"step-{step:08d}-{_checksum(part)}.pt")
            finally:
                part.unlink(missing_ok=True)
        except (OSError, RuntimeError) as error:  # torch's writer wraps the disk's errors in RuntimeError
            raise UserError(
                f"the checkpoint of step {step} cannot be written to {self.directory} ({_reason(error)}): make room "
                "and run the same command again; it goes on from the last one."
            ) from error
        for _, path in list(self._newest_first())[self.keep :]:
            path.unlink(missing_ok=True)

    def load(self, device: torch.device) -> tuple[int, dict[str, Any]] | None:
        """Step and state of the newest undamaged checkpoint, or None."""
        for step, path in self._newest_first():
            match = _NAME.fullmatch(path.name)
            if match and match[2] == _checksum(path):
                return step, torch.load(path, map_location=device, weights_only=True)
        return None

    def _newest_first(self) -> Iterator[tuple[int, Path]]:
        if self.directory.is_dir():
            for path in sorted(self.directory.iterdir(), reverse=True):
                if match := _NAME.fullmatch(path.name):
                    yield int(match[1]), path


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def _reason(error: BaseException) -> str:
    return getattr(error, "strerror", None) or str(error).splitlines()[0]
