"""From a policy to a trained one, as an artefact: what every trainer of policies has in common."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from cai_eval.contracts import Format, PolicySpec, Workshop
from cai_eval.models.fingerprint import fingerprint
from cai_eval.models.loading import load_model, quiet

from .loop import Batch, Objective, Progress, train
from .lora import LoRA, add_adapters, merge_adapters
from .optimisation import Optimisation
from .ranks import Ranks

CHECKPOINTS = 10  #: in a training
PATIENCE = 5  #: steps of a loss far above its start, before a training counts as diverged


def train_policy(
    start: PolicySpec,
    workshop: Workshop,
    batches: Callable[[int], Sequence[Batch]],
    objective: Objective,
    optimisation: Optimisation,
    *,
    format: Format,
    lora: LoRA | None = None,
) -> PolicySpec:
    """A policy with the trained weights of `start`, its prefix, and this format.

    The workshop's directory holds the log, while training the checkpoints, and at last `model`, which `from_pretrained`
    takes. Called again, it goes on or finds what it made. Raises UserError as `loop.train` does.
    """
    place = workshop.directory / "model"
    if not place.is_dir():
        model = load_model(start.model, dtype="float32")
        trained = add_adapters(model, lora, optimisation.seed) if lora else model
        train(
            trained,
            batches,
            objective,
            optimisation,
            workshop.directory,
            checkpoint_every=-(-optimisation.steps // CHECKPOINTS),
            patience=PATIENCE,
            progress=lambda p: workshop.progress(p.step, p.steps, _note(p)),
        )
        save_model(merge_adapters(trained) if lora else model, workshop.tokenizer(start), place)
    shutil.rmtree(workshop.directory / "checkpoints", ignore_errors=True)
    return replace(start, model=str(place), fingerprint=fingerprint(str(place)), format=format)


def save_model(model: Any, tokenizer: Any, place: Path) -> None:
    """A directory that `from_pretrained` takes, whole or not at all. For all ranks to call; one of them writes."""

    def write(directory: Path) -> None:
        with quiet():
            model.save_pretrained(directory)
            tokenizer.save_pretrained(directory)

    Ranks().make(place, write)


def _note(progress: Progress) -> str:
    return f"loss {progress.loss:.3f}, {progress.tokens_per_second:,.0f} tokens/s"
