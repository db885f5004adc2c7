"""`cai-eval lab`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from cai_eval.training.loop import Progress

LINE_EVERY = 20.0  #: seconds between two lines where no bar can move


@click.group("lab")
def command() -> None:
    """The laboratory: build its ladder, look at its world, verify what ships."""


@command.command("build")
@click.option("--rung", "rungs", multiple=True, help="Only this one, for instance 98k; all by default.")
@click.option("--seed", "seeds", multiple=True, type=click.IntRange(min=0), help="Of the initialisation; the recipe's.")
@click.option("--recipe", type=click.Path(path_type=Path), help="A YAML file instead of the recipe that ships.")
@click.option("--tokens", type=click.IntRange(min=1), help="Read so many instead of the recipe's, for trials.")
@click.option("--correlation", type=click.FloatRange(0, 1), help="Of the speakers' traits: 0 is the null world.")
@click.option("--without", multiple=True, help="Leave a document kind out of the corpus.")
@click.option("--checkpoints", "snapshots", type=click.IntRange(min=0), default=0, help="Keep so many on the way.")
@click.option("--device", help="cpu, cuda, cuda:1; cuda where there is one by default.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs/lab"), show_default=True)
def build(
    rungs: tuple[str, ...],
    seeds: tuple[int, ...],
    recipe: Path | None,
    tokens: int | None,
    correlation: float | None,
    without: tuple[str, ...],
    snapshots: int,
    device: str | None,
    out: Path,
) -> None:
    """Train rungs of the ladder. The same command again goes on where a stopped one was."""
    from cai_eval.lab.recipe import RECIPE, load_recipe

    plan = load_recipe(recipe or RECIPE, tokens)
    chosen = [(rung, seed) for rung in rungs or plan.rungs for seed in seeds or range(plan.shape(rung).seeds)]

    from cai_eval.lab.build import Job, build
    from cai_eval.lab.world import Options
    from cai_eval.models.loading import choose_device

    usual = Options()
    world = Options(
        correlation=usual.correlation if correlation is None else correlation, without=tuple(sorted(set(without)))
    )
    place = choose_device(device)
    for rung, seed in chosen:
        job = Job(plan, rung, seed, world)
        with shown(job.name) as progress:
            model = build(job, out, device=str(place), snapshots=snapshots, progress=progress)
        click.echo(model)


@contextmanager
def shown(name: str) -> Iterator[Callable[[Progress], None]]:
    """Progress of one training on stderr: a bar, or a line now and then where nothing can move."""
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn
    from rich.progress import Progress as Bar

    from cai_eval.cli.display import duration

    console = Console(stderr=True, highlight=False, markup=False)

    def described(progress: Progress) -> str:
        speed, left = f"{progress.tokens_per_second:,.0f} tokens/s", f"ETA {duration(progress.eta)}"
        return f"loss {progress.loss:.3f} · {speed} · {left}"

    if console.is_terminal:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[state]}"),
        )
        with Bar(*columns, console=console) as bar:
            task = bar.add_task(name, state="")
            yield lambda progress: bar.update(
                task, completed=progress.step, total=progress.steps, state=described(progress)
            )
        return
    told = 0.0

    def line(progress: Progress) -> None:
        nonlocal told
        if time.monotonic() - told >= LINE_EVERY or progress.step == progress.steps:
            told = time.monotonic()
            console.print(f"{name}: step {progress.step:,} of {progress.steps:,} · {described(progress)}")

    yield line
