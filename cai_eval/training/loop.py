"""The one training loop.

    train(model, batches, objective, Optimisation(steps=1000, rate=1e-3), directory, checkpoint_every=100)

A step's gradient is that of the mean loss over all of its micro-batches on all ranks, however they are split. Data
and dropout are functions of the step, so a training that was killed ends in the same bits as an undisturbed one on
the same processor. Started by `torchrun`, ranks share the micro-batches.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cai_eval.errors import UserError

from .checkpoints import Checkpoints
from .log import TrainingLog, read_log
from .optimisation import Optimisation, make_optimizers
from .ranks import Ranks

Batch = Mapping[str, Tensor]
#: (model, batch) → the sum of the losses in nats, and how many tokens (or rows) it sums over
Objective = Callable[[nn.Module, Batch], tuple[Tensor, int]]
Evaluate = Callable[[nn.Module, int], Mapping[str, float]]

PROGRESS_SECONDS = 0.1  #: between two reports


@dataclass(frozen=True)
class Progress:
    """How far a training is. loss: of the last step, nats. tokens: those that count in the loss. eta: seconds left."""

    step: int
    steps: int
    loss: float
    tokens_per_second: float
    eta: float


@dataclass(frozen=True)
class Trained:
    """A finished training. loss: of its last step, nats. evaluations: step → name → value."""

    steps: int
    loss: float
    evaluations: Mapping[int, Mapping[str, float]]


def train(
    model: nn.Module,
    batches: Callable[[int], Sequence[Batch]],
    objective: Objective,
    optimisation: Optimisation,
    directory: Path,
    *,
    checkpoint_every: int,
    keep: int = 2,
    evaluate: Evaluate | None = None,
    evaluate_at: Collection[int] = (),
    patience: int | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Trained:
    """Train the model's parameters that require gradients, in place, or go on where `directory` says it stopped.

    batches: step (from 0) → its micro-batches, a pure function. checkpoint_every: steps; the last is always kept.
    evaluate: called, in evaluation mode and without gradients, after each number of steps in `evaluate_at` (0: before
    the first); its values stand in the log. patience: how many steps in a row the loss may be above its start by its
    own size and a nat; None for objectives whose loss may go anywhere.

    Raises UserError where the training diverges (loss, gradient or weights are not finite, or `patience` is at its
    end; the last good checkpoint stays), no weight changed, a checkpoint cannot be written, or the directory holds
    another training.
    """
    ranks = Ranks()
    device = ranks.place(model)
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizers = make_optimizers(model, optimisation)
    checkpoints = Checkpoints(directory / "checkpoints", keep)
    settings = asdict(optimisation)

    start, before, guard = 0, digest(parameters), _Guard(patience)
    if found := checkpoints.load(device):
        start, state = found
        if state["settings"] != settings:
            raise UserError(f"{directory} holds a training with other settings: choose another directory or delete it.")
        before, guard = state["before"], _Guard(patience, state["first"])
        _restore(parameters, optimizers, state)
    path = directory / "log.jsonl"
    log = TrainingLog(path, start) if ranks.main else None
    ranks.wait()  # until all have read the checkpoint, and the log ends where it does

    def diverged(step: int) -> UserError:
        kept = ""
        if log:
            checkpoints.forget(step - max(1, guard.strained))
            if checkpoints.load(device):
                kept = f"; the last good checkpoint is in {checkpoints.directory}"
        return UserError(f"the training diverged at step {step}: lower the learning rate{kept}.")

    def visit(step: int) -> None:
        """What is due when `step` steps are done."""
        if evaluate and step in evaluate_at:
            values = _evaluation(model, evaluate, step)
            if log:
                log.write(step, evaluation=values)
        if step and (step % checkpoint_every == 0 or step == optimisation.steps) and not guard.strained:
            if not all(p.isfinite().all() for p in parameters):
                raise diverged(step)
            if log:
                log.sync()
                checkpoints.save(step, _state(parameters, optimizers, settings, before, guard.first))
            ranks.wait()

    clock = _Clock(start, optimisation.steps, progress if ranks.main else None)
    model.train()
    try:
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            if start == 0:
                visit(0)
            for step in range(start, optimisation.steps):
                torch.manual_seed(_seed(optimisation.seed, step, ranks.rank))
                loss, count = _accumulate(model, ranks.share(batches(step)), objective, optimisation, device)
                loss, count = ranks.sum(loss, count)
                if not count:
                    raise UserError(f"no token counts in the loss of step {step + 1}: give the training more data.")
                ranks.sum_gradients(parameters)
                norm = _clip(parameters, count, optimisation.clip)
                guard.look(loss / count)
                if not math.isfinite(loss) or not math.isfinite(norm) or guard.strained == patience:
                    raise diverged(step + 1)
                rate = optimisation.rate_at(step)
                _step(optimizers, rate)
                if log:
                    seconds = round(clock.elapsed(), 3)
                    log.write(step + 1, loss=loss / count, rate=rate, norm=norm, count=count, seconds=seconds)
                visit(step + 1)
                clock.tick(step + 1, loss / count, count)
    finally:
        if log:
            log.close()
    ranks.wait()  # until the log is complete
    model.eval()
    if digest(parameters) == before:
        raise UserError("the training changed no weight: raise the learning rate, or train more than 0 steps.")
    entries = read_log(path)
    return Trained(
        optimisation.steps,
        next(entry["loss"] for entry in reversed(entries) if "loss" in entry),
        {entry["step"]: entry["evaluation"] for entry in entries if "evaluation" in entry},
    )


def digest(parameters: Sequence[Tensor]) -> str:
    """sha256 (hex) over the values."""
    total = hashlib.sha256()
    for parameter in parameters:
        total.update(parameter.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return total.hexdigest()


def _accumulate(
    model: nn.Module,
    batches: Sequence[Batch],
    objective: Objective,
    optimisation: Optimisation,
    device: torch.device,
) -> tuple[float, float]:
    """Gradients of the summed loss in `.grad`; that sum, and the count. One synchronisation, whatever the batches."""
    total, count = torch.zeros((), device=device), 0
    for batch in batches:
        moved = {name: tensor.to(device, non_blocking=True) for name, tensor in batch.items()}
        with torch.autocast(device.type, torch.bfloat16, enabled=optimisation.precision == "bf16"):
            loss, terms = objective(model, moved)
        loss.backward()  # type: ignore[no-untyped-call]
        total += loss.detach()
        count += terms
    return total.item(), float(count)


def _clip(parameters: Sequence[nn.Parameter], count: float, limit: float) -> float:
    """Turn gradients of a sum into those of its mean over `count`, no longer than `limit`; the length before that."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    norm = torch.nn.utils.get_total_norm(gradients).item() / count
    scale = min(1.0, limit / (norm + 1e-6)) / count
    for gradient in gradients:
        gradient.mul_(scale)
    return norm


def _step(optimizers: Sequence[torch.optim.Optimizer], rate: float) -> None:
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.step()
        optimizer.zero_grad()


def _evaluation(model: nn.Module, evaluate: Evaluate, step: int) -> dict[str, float]:
    model.eval()
    with torch.no_grad():
        values = dict(evaluate(model, step))
    model.train()
    return values


def _seed(seed: int, step: int, rank: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}/{step}/{rank}".encode()).digest()[:7], "little")


def _state(
    parameters: Sequence[nn.Parameter],
    optimizers: Sequence[torch.optim.Optimizer],
    settings: dict[str, Any],
    before: str,
    first: float | None,
) -> dict[str, Any]:
    return {
        "weights": [p.detach() for p in parameters],
        "optimizers": [optimizer.state_dict() for optimizer in optimizers],
        "settings": settings,
        "before": before,
        "first": first,
    }


@torch.no_grad()
def _restore(
    parameters: Sequence[nn.Parameter], optimizers: Sequence[torch.optim.Optimizer], state: dict[str, Any]
) -> None:
    for parameter, weights in zip(parameters, state["weights"], strict=True):
        parameter.copy_(weights)
    for optimizer, stored in zip(optimizers, state["optimizers"], strict=True):
        optimizer.load_state_dict(stored)


class _Guard:
    """How many steps in a row the loss has been above that of the first by its own size and a nat."""

    def __init__(self, patience: int | None, first: float | None = None) -> None:
        self.first = first
        self._on = patience is not None
        self.strained = 0

    def look(self, loss: float) -> None:
        self.first = loss if self.first is None else self.first
        far = self._on and loss > self.first + abs(self.first) + 1
        self.strained = self.strained + 1 if far else 0


class _Clock:
    """Speed and time left, told at most every PROGRESS_SECONDS and at the end."""

    def __init__(self, start: int, steps: int, progress: Callable[[Progress], None] | None) -> None:
        self._start, self._steps, self._progress = start, steps, progress
        self._began = self._told = time.perf_counter()
        self._count = 0.0

    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self._began

    def tick(self, step: int, loss: float, count: float) -> None:
        self._count += count
        now = time.perf_counter()
        if self._progress and (now - self._told >= PROGRESS_SECONDS or step == self._steps):
            self._told = now
            spent = now - self._began
            eta = spent / (step - self._start) * (self._steps - step)
            self._progress(Progress(step, self._steps, loss, self._count / spent, eta))
