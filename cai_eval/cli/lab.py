"""`cai-eval lab`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from cai_eval.lab.world import Options, World
    from cai_eval.study.session import Order
    from cai_eval.training.loop import Progress

LINE_EVERY = 20.0  #: seconds between two lines where no bar can move


@click.group("lab")
def command() -> None:
    """The laboratory: look at its world, verify what ships, build its ladder."""


def world_options(correlation: float | None, without: tuple[str, ...]) -> Options:
    """The usual world but for what is given."""
    from cai_eval.lab.world import Options

    left_out = tuple(sorted(set(without)))
    return Options(without=left_out) if correlation is None else Options(correlation=correlation, without=left_out)


@command.command("build")
@click.option("--rung", "rungs", multiple=True, help="Only this one, for instance 98k; all by default.")
@click.option("--seed", "seeds", multiple=True, type=click.IntRange(min=0), help="Of the initialisation; the recipe's.")
@click.option("--recipe", type=click.Path(path_type=Path), help="A YAML file instead of the recipe that ships.")
@click.option("--tokens", type=click.IntRange(min=1), help="Read so many instead of the recipe's, for trials.")
@click.option("--correlation", type=click.FloatRange(0, 1), help="Of the speakers' traits: 0 is the null world.")
@click.option("--without", multiple=True, help="Leave a document kind out of the corpus.")
@click.option("--checkpoints", "snapshots", type=click.IntRange(min=0), default=0, help="Keep so many on the way.")
@click.option("--device", help="cpu, cuda, cuda:1; the best there is by default.")
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
    from cai_eval.lab.corpus import kinds
    from cai_eval.lab.recipe import RECIPE, load_recipe

    world = world_options(correlation, without)
    kinds(world)  # refuses a kind that there is not, before anything is waited for
    plan = load_recipe(recipe or RECIPE, tokens)
    chosen = [(rung, seed) for rung in rungs or plan.rungs for seed in seeds or range(plan.shape(rung).seeds)]

    from cai_eval.lab.build import Job, build
    from cai_eval.models.loading import choose_device

    place = str(choose_device(device))
    for rung, seed in chosen:
        job = Job(plan, rung, seed, world)
        with shown(job.name) as progress:
            model = build(job, out, device=place, snapshots=snapshots, progress=progress)
        click.echo(model)


@command.command("publish")
@click.argument("built", type=click.Path(path_type=Path, exists=True, file_okay=False))
def publish(built: Path) -> None:
    """Ship other models; for maintainers. BUILT is a directory that `lab build` filled."""
    from cai_eval.lab.shipped import SHELF, publish

    publish(built)
    click.echo(f"{sum(path.stat().st_size for path in SHELF.iterdir()):,} bytes in {SHELF}")


@command.command("verify")
@click.option("--checksums", is_flag=True, help="Checksums only: rebuild nothing.")
def verify(checksums: bool) -> int:
    """Check what ships, and rebuild its smallest rung. Exit code 1 where that becomes another."""
    from cai_eval.lab.shipped import shipped, unpack
    from cai_eval.lab.verify import rebuild

    for name in shipped():
        unpack(name)
        click.echo(f"{name}: as the ladder says")
    if checksums:
        return 0
    with shown("rebuilding") as progress:
        rebuilt = rebuild(progress)
    shipped_loss, new_loss = rebuilt.losses
    if not rebuilt.same_recipe:
        click.echo(f"{rebuilt.name}: the corpus or the recipe is not the one that it was built by")
    equal = "bit for bit" if rebuilt.difference == 0 else f"weights differ by up to {rebuilt.difference:.1e}"
    click.echo(
        f"{rebuilt.name}: rebuilt, {equal}; loss {new_loss:.4f}, shipped {shipped_loss:.4f}, "
        f"between its seeds {rebuilt.spread:.4f}"
    )
    return 0 if rebuilt.holds else 1


@command.command("show")
@click.argument("what", type=click.Choice(["documents", "facts", "splits"]), default="documents")
@click.option("--kind", "names", multiple=True, help="Only documents of this kind.")
@click.option("--count", type=click.IntRange(min=1), default=1, show_default=True, help="Documents of each kind.")
@click.option("--correlation", type=click.FloatRange(0, 1), help="Of the speakers' traits: 0 is the null world.")
def show(what: str, names: tuple[str, ...], count: int, correlation: float | None) -> None:
    """Show the world. Samples of every kind of document, facts with their planted frequencies, or the splits."""
    from cai_eval.errors import UserError
    from cai_eval.lab.world import make_world

    if names and what != "documents":
        raise UserError("--kind goes with documents: `cai-eval lab show --kind NAME`.")
    world = make_world(world_options(correlation, ()))
    if what == "documents":
        show_documents(world, names, count)
    elif what == "facts":
        for fact in world.facts:
            shares = zip(fact.options, fact.shares, strict=True)
            said = ", ".join(f"{'*' * (n == fact.truth)}{value} {share:.2f}" for n, (value, share) in enumerate(shares))
            click.echo(f"{fact.id} ({fact.family}): {said}")
        click.echo("how often plain text gives each answer; * the truth")
    else:
        show_splits(world)


def show_documents(world: World, names: tuple[str, ...], count: int) -> None:
    """So many of each kind, with the kind's share and what will ask for it."""
    from random import Random

    from cai_eval.errors import unknown
    from cai_eval.lab.corpus import KINDS

    known = {kind.name: kind for kind in KINDS}
    for name in names or known:
        if name not in known:
            raise unknown("document kind", name, known)
        kind = known[name]
        click.secho(f"{name} ({kind.share:.1%} of the corpus): {kind.about}", bold=True)
        click.secho(f"asked by {kind.asked_by}", dim=True)
        for number in range(count):
            click.echo(f"\n{kind.draw(world, Random(f'shown {name} {number}'))}\n")


def show_splits(world: World) -> None:
    """Hazards a split, and how many rows each source of items under test has."""
    from collections import Counter

    from cai_eval.lab.source import ROWS

    for split, hazards in Counter(hazard.split for hazard in world.hazards).items():
        click.echo(f"{split}: {hazards} hazards")
    for name, rows in ROWS.items():
        click.echo(f"{name}: {len(rows(world)):,} rows under test, none of them in the corpus")


@command.command("report")
@click.option("--run", "runs", multiple=True, type=click.Path(path_type=Path), help="Take this run's records.")
@click.option("--null-world", type=click.Path(path_type=Path), help="A model built with --correlation 0.")
@click.option("--without-drafts", type=click.Path(path_type=Path), help="A model built with --without drafts.")
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), default=Path("docs/laboratory.md"), show_default=True
)
@click.option("--device", help="cpu, cuda, cuda:1; the best there is by default.")
def report(
    runs: tuple[Path, ...], null_world: Path | None, without_drafts: Path | None, out: Path, device: str | None
) -> None:
    """Measure what the ladder should show. Writes the page that says how far it does.

    Without --run, first runs the suites alignment-tax and controls, and distils the prompt, all on every item and
    every initialisation.
    """
    from cai_eval.caches import cache_directory
    from cai_eval.cli.display import Display
    from cai_eval.inference.store import ResponseStore
    from cai_eval.study.laboratory import orders, write_page
    from cai_eval.study.laboratory.evidence import Controls, model_at
    from cai_eval.study.store import disk_errors
    from cai_eval.study.workshop import Models

    controls = Controls(*(model_at(given) if given else None for given in (null_world, without_drafts)))
    with disk_errors(out):  # before anything is waited for
        out.parent.mkdir(parents=True, exist_ok=True)
    measured = runs or tuple(run_whole(order) for order in orders(device))
    models = Models(device, store=ResponseStore(cache_directory() / "answers.sqlite"))
    with Display().status("measuring") as progress:
        write_page(measured, controls, models, out, progress)
    click.echo(out)


def run_whole(order: Order) -> Path:
    """The directory of its run."""
    from cai_eval.cli.run import run

    _, outcome = run(order, None, False, False)
    return Path(outcome["run"])


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
        columns = (TextColumn(name), BarColumn(), TaskProgressColumn(), TextColumn("{task.description}"))
        with Bar(*columns, console=console) as bar:
            task = bar.add_task("reading the corpus")
            yield lambda at: bar.update(task, completed=at.step, total=at.steps, description=described(at))
        return
    told = 0.0

    def line(progress: Progress) -> None:
        nonlocal told
        if time.monotonic() - told >= LINE_EVERY or progress.step == progress.steps:
            told = time.monotonic()
            console.print(f"{name}: step {progress.step:,} of {progress.steps:,} · {described(progress)}")

    yield line
