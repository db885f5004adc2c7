"""From a policy and a reward to a better rewarded policy: PPO as an artefact, by the one training loop."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from cai_eval.contracts import PolicySpec, Scorer, Workshop
from cai_eval.errors import UserError
from cai_eval.inference.encoding import Encoder
from cai_eval.models.fingerprint import fingerprint
from cai_eval.models.loading import load_model
from cai_eval.training.log import Log, read_log
from cai_eval.training.loop import Progress, train
from cai_eval.training.lora import LoRA, add_adapters, merge_adapters
from cai_eval.training.optimisation import Optimisation
from cai_eval.training.policies import CHECKPOINTS, save_model
from cai_eval.training.ranks import Ranks
from cai_eval.training.sealed import writing

from .best_of_n import curves
from .rollouts import ActorCritic, Rollouts
from .updates import Settings, Updates, scored

SAMPLES = 4  #: answers of an update that are kept for people to read
BEST_OF = (1, 4, 16)  #: answers to choose from


def train_ppo(
    start: PolicySpec,
    reference: PolicySpec,
    reward: Scorer,
    held_out: Scorer | None,
    turns: Sequence[Sequence[str]],
    settings: Settings,
    workshop: Workshop,
    *,
    snapshots: Collection[int] = (),
    lora: LoRA | None = None,
) -> PolicySpec:
    """The policy that starts as `start` and answers turns[u] in update u, in the dialogue format.

    The workshop's directory holds `log.jsonl` (see `Updates.evaluate`), `samples.jsonl`, `best-of-n.json` of the start,
    `snapshots/<updates>` for each number of updates asked for, while training the checkpoints, and at last `model`.
    Called again, it goes on or finds what it made. Raises UserError as `loop.train` and `Updates.batches` do, and for a
    reference that does not read what the policy reads.
    """
    directory = workshop.directory
    if not (directory / "model").is_dir():
        tokenizer = workshop.tokenizer(start)
        if (
            reference.prefix.ids != start.prefix.ids
            or workshop.tokenizer(reference).get_vocab() != tokenizer.get_vocab()
        ):
            raise UserError(
                "policy and reference do not read the same tokens: choose two of one family, equally prompted."
            )
        model: Any = load_model(start.model, dtype="float32")
        frozen = load_model(reference.model, dtype="float32").requires_grad_(False)
        adapted = add_adapters(model, lora, workshop.seed) if lora else model
        rollouts = Rollouts(model, tokenizer, Encoder(tokenizer, start.prefix), settings.max_tokens, workshop.seed)
        if not (directory / "best-of-n.json").is_file():
            _write_best_of_n(directory, rollouts, turns[0], reward, held_out)
        updates = Updates(
            ActorCritic(model),
            frozen,
            rollouts,
            reward,
            held_out,
            turns.__getitem__,
            settings,
            workshop.seed,
            lambda: [entry["evaluation"] for entry in read_log(directory / "log.jsonl") if "evaluation" in entry],
        )

        def save(place: Path) -> None:
            merged = merge_adapters(copy.deepcopy(adapted)) if lora else model
            save_model(merged, tokenizer, place)

        _run(updates, len(turns), workshop, snapshots, save)
        save(directory / "model")
    shutil.rmtree(directory / "checkpoints", ignore_errors=True)
    return saved_policy(start, directory / "model")


def saved_policy(like: PolicySpec, place: Path) -> PolicySpec:
    """The policy whose weights lie at `place`, else as `like`, in the dialogue format."""
    return replace(like, model=str(place), fingerprint=fingerprint(str(place)), format="dialogue")


def _run(
    updates: Updates, count: int, workshop: Workshop, snapshots: Collection[int], save: Callable[[Path], None]
) -> None:
    """All updates that are not done, with what is due after each."""
    settings, directory = updates.settings, workshop.directory
    main = Ranks().main

    def evaluate(actor: Any, step: int) -> dict[str, float]:
        values = updates.evaluate(actor, step)
        update = step // settings.steps
        if main:
            _write_samples(directory / "samples.jsonl", update, updates)
        if update in snapshots:
            save(snapshot(directory, update))
        return values

    def progress(done: Progress) -> None:
        note = f"reward {updates.experience.scores.mean():.3f}"
        workshop.progress(done.step, done.steps, note)

    optimisation = Optimisation(
        count * settings.steps,
        settings.rate,
        settings.warmup,
        decay="constant",
        weight_decay=0.0,
        precision=settings.precision,
        seed=workshop.seed,
    )
    train(
        updates.actor,
        updates.batches,
        updates.objective,
        optimisation,
        directory,
        checkpoint_every=settings.steps * -(-count // CHECKPOINTS),
        evaluate=evaluate,
        evaluate_at=range(settings.steps, optimisation.steps + 1, settings.steps),
        progress=progress,
    )


def snapshot(directory: Path, update: int) -> Path:
    """Where the model of a training in `directory` lies as it was after so many updates."""
    return directory / "snapshots" / f"{update:06d}"


def _write_samples(path: Path, update: int, updates: Updates) -> None:
    told = updates.experience
    log = Log(path, update - 1)
    for place, answer in enumerate(told.answers[:SAMPLES]):
        held_out = {} if told.held_out is None else {"held_out": told.held_out[place].item()}
        log.write(update, prompt=answer.prompt, answer=answer.text, reward=told.scores[place].item(), **held_out)
    log.close()


def _write_best_of_n(
    directory: Path, rollouts: Rollouts, turns: Sequence[str], reward: Scorer, held_out: Scorer | None
) -> None:
    """The baseline on the first update's turns."""
    answers = [answer for group in rollouts.draw(turns, "best of n", max(BEST_OF)) for answer in group]
    shape = len(turns), max(BEST_OF)
    if not Ranks().main:
        return
    scores = scored(reward, answers, "at first").double().numpy().reshape(shape)
    others = scored(held_out, answers, "at first").double().numpy().reshape(shape) if held_out else None
    part = directory / "best-of-n.part"
    with writing("best-of-n.json", directory):
        directory.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps(curves(scores, others, BEST_OF), indent=1), encoding="utf-8")
        part.replace(directory / "best-of-n.json")
