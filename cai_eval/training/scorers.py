"""From a policy and comparisons to a scorer, as an artefact: what every trainer of scorers has in common."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from cai_eval.contracts import PolicySpec, ScorerSpec, Workshop
from cai_eval.inference.scorer import scores_at
from cai_eval.models.fingerprint import fingerprint
from cai_eval.models.loading import load_model
from cai_eval.models.scorers import save_scorer

from .loop import Progress, train
from .lora import LoRA, add_adapters, merge_adapters
from .optimisation import Optimisation
from .preferences import (
    Pair,
    PreferenceModel,
    agreement,
    bradley_terry,
    pair_batches,
    preference_objective,
)
from .ranks import Ranks

CHECKPOINTS = 10  #: in a training
HALVINGS = 6  #: of the number of steps; after each the held-out pairs are scored


def train_scorer(
    start: PolicySpec,
    workshop: Workshop,
    pairs: Sequence[Pair],
    held_out: Sequence[Pair],
    optimisation: Optimisation,
    *,
    rows: int,
    lm_weight: float = 0.0,
    lora: LoRA | None = None,
) -> ScorerSpec:
    """A scorer on the weights of `start`, trained on `rows` pairs a step; its prefix plays no part.

    Scores of different models are compared with their means removed (Bai et al. 2022a, A.2): the mean over the answers
    of `held_out` is stored with the model, and taken off every score. `log.jsonl` holds the accuracy and the loss on
    them after so many steps, and after a half, a quarter, ... of these: in a single epoch, accuracy against data.

    The workshop's directory holds besides, while training, checkpoints, and at last `model`, which
    `AutoModelForSequenceClassification` loads. Called again, it goes on or finds what it made. Raises UserError as
    `loop.train` does.
    """
    place = workshop.directory / "model"
    if not place.is_dir():
        body = load_model(start.model, dtype="float32")
        adapted = add_adapters(body, lora, optimisation.seed) if lora else body
        model = PreferenceModel(adapted, optimisation.seed)
        held_batches = pair_batches(held_out, len(held_out), seed=0)(0)
        trained = train(
            model,
            pair_batches(pairs, rows, optimisation.seed),
            preference_objective(lm_weight),
            optimisation,
            workshop.directory,
            checkpoint_every=-(-optimisation.steps // CHECKPOINTS),
            evaluate=lambda model, step: evaluate(model, held_batches),
            evaluate_at={0, *(optimisation.steps >> halving for halving in range(HALVINGS))},
            progress=lambda p: workshop.progress(p.step, p.steps, _note(p)),
        )
        merged = merge_adapters(model.body) if lora else body
        mean = trained.evaluations[optimisation.steps]["mean"]
        tokenizer = workshop.tokenizer(start)
        Ranks().make(place, partial(save_scorer, merged, model.score.weight[0], mean, tokenizer))
    shutil.rmtree(workshop.directory / "checkpoints", ignore_errors=True)
    return ScorerSpec(str(place), fingerprint(str(place)), start.parameters, start.context)


@torch.no_grad()
def evaluate(model: nn.Module, batches: Sequence[Mapping[str, Tensor]]) -> dict[str, float]:
    """accuracy: how often the better answer has the higher score, ties half. loss: nats a pair. mean: of all scores."""
    assert isinstance(model, PreferenceModel)
    device = model.score.weight.device
    scores, labels = [], []
    for batch in batches:
        hidden = model(batch["input_ids"].to(device))
        scores.append(scores_at(hidden, batch["last"].to(device), model.score.weight[0]).cpu().chunk(2))
        labels.append(batch["label"])
    first, second = (torch.cat(side) for side in zip(*scores, strict=True))
    label = torch.cat(labels)
    return {
        "accuracy": agreement(first - second, label).mean().item(),
        "loss": bradley_terry(first - second, label).item() / len(label),
        "mean": torch.cat([first, second]).mean().item(),
    }


def _note(progress: Progress) -> str:
    return f"loss {progress.loss:.3f}, {progress.tokens_per_second:,.0f} pairs/s"
