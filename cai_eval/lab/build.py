"""Training a rung of the ladder: resumable, and the same bits every time on one machine."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import Qwen3Config, Qwen3ForCausalLM

from cai_eval.lab.corpus import VALIDATION
from cai_eval.lab.recipe import Recipe, Shape, Span, name_of
from cai_eval.lab.shipped import Facts, save
from cai_eval.lab.stream import Stream, corpus_digest, tokenizer
from cai_eval.lab.world import Options
from cai_eval.training.loop import Progress, train

CHECKPOINT_EVERY = 100  #: steps
HELD_OUT = Span(start=0, rows=128, window=512)  #: what the loss of a rung is measured on, in the validation stream
ROWS = 8  #: of the held-out tokens at a time


@dataclass(frozen=True)
class Job:
    """One model to be trained. seed: of its initialisation; what it reads depends on the world alone."""

    recipe: Recipe
    rung: str
    seed: int = 0
    world: Options = field(default_factory=Options)

    @property
    def name(self) -> str:
        """How the model is called: "98k", "98k-seed1"."""
        return name_of(self.rung, self.seed)

    @property
    def shape(self) -> Shape:
        """Of the rung. Raises UserError for an unknown one."""
        return self.recipe.shape(self.rung)

    def directory(self, out: Path) -> Path:
        """Where under `out` the job keeps its log, its checkpoints and, once it is done, `model`.

        Models of one recipe and one corpus lie side by side.
        """
        return out / f"{self.recipe.digest[:8]}-{corpus_digest(self.world)[:8]}" / self.name


def build(
    job: Job,
    out: Path,
    *,
    device: str = "cpu",
    snapshots: int = 0,
    progress: Callable[[Progress], None] | None = None,
) -> Path:
    """The directory of the trained model; the same call goes on where a killed one stopped.

    snapshots: how many intermediate models to keep beside it ("step-00000012"), evenly on a logarithmic scale; a
    training that goes on keeps those still ahead of it, a finished one none. Raises UserError as
    `cai_eval.training.loop.train` does, and where the disk refuses.
    """
    directory = job.directory(out)
    finished = directory / "model"
    if finished.is_dir():
        return finished
    spans, stream = job.recipe.spans, Stream(job.world)

    def keep(model: nn.Module, step: int, loss: float, place: Path) -> None:
        text, tokens = tokenizer(job.world).to_str(), spans[step - 1].stop - 1
        facts = Facts(
            rung=job.rung,
            seed=job.seed,
            tokens=tokens,
            loss=round(loss, 4),
            recipe=job.recipe.digest,
            corpus=stream.digest(tokens),
            tokenizer=hashlib.sha256(text.encode()).hexdigest(),
        )
        save(model.state_dict(), job.shape.config(), facts, text, place)

    def evaluate(model: nn.Module, step: int) -> Mapping[str, float]:
        loss = held_out_loss(model, job.world)
        if step < len(spans):
            keep(model, step, loss, directory / f"step-{step:08d}")
        return {"loss": loss}

    with one_thread(), stream.made_ahead(spans[-1].stop):
        model = initial(job).to(device)
        trained = train(
            model,
            lambda step: [batch(stream, spans[step])],
            next_token,
            job.recipe.optimiser(job.rung),
            directory,
            checkpoint_every=CHECKPOINT_EVERY,
            keep=1,
            evaluate=evaluate,
            evaluate_at={*log_spaced(snapshots, len(spans)), len(spans)},
            progress=progress,
        )
    keep(model, len(spans), trained.evaluations[len(spans)]["loss"], finished)
    shutil.rmtree(directory / "checkpoints")
    return finished


def initial(job: Job) -> Qwen3ForCausalLM:
    """The untrained model, a function of the rung and the seed."""
    with torch.random.fork_rng():
        torch.manual_seed(job.seed)
        return Qwen3ForCausalLM(Qwen3Config(**job.shape.config()))


def batch(stream: Stream, span: Span) -> dict[str, Tensor]:
    """Windows and the tokens that follow each of theirs: (rows, window) both."""
    ids = torch.from_numpy(stream.read(span.start, span.stop))
    return {"input_ids": ids[:-1].view(span.rows, span.window), "targets": ids[1:].view(span.rows, span.window)}


def next_token(model: nn.Module, batch: Mapping[str, Tensor]) -> tuple[Tensor, int]:
    """Summed cross-entropy of the targets, nats, and how many there are. A window may reach across documents."""
    logits = model(input_ids=batch["input_ids"], use_cache=False).logits
    targets = batch["targets"].flatten()
    return nn.functional.cross_entropy(logits.flatten(0, 1).float(), targets, reduction="sum"), targets.numel()


@torch.no_grad()
def held_out_loss(model: nn.Module, world: Options) -> float:
    """Mean cross-entropy on documents that nothing is trained on, nats a token."""
    device = next(model.parameters()).device
    whole = batch(Stream(world, VALIDATION), HELD_OUT)
    total = 0.0
    for rows in range(0, HELD_OUT.rows, ROWS):
        loss, _ = next_token(model, {name: ids[rows : rows + ROWS].to(device) for name, ids in whole.items()})
        total += loss.item()
    return total / (HELD_OUT.rows * HELD_OUT.window)


def log_spaced(count: int, last: int) -> list[int]:
    """At most `count` steps from 1 to before `last`, evenly on a logarithmic scale."""
    return sorted({round(last ** (n / count)) for n in range(count)} - {last})


@contextmanager
def one_thread() -> Iterator[None]:
    """Sums in one order, on any number of cores; at these sizes a second thread only waits."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
