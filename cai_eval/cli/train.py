"""`cai-eval train`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from cai_eval.study.graph import Node


@click.command("train")
@click.argument("trainer")
@click.option("--start", required=True, help="The model: a hub id, a directory, or with --ladder one of its rungs.")
@click.option("--ladder", help="A ladder's name or YAML file; NAME@largest then means its largest rung.")
@click.option(
    "--set", "config", multiple=True, metavar="KEY=VALUE", help="A key of its config: `cai-eval list trainers NAME`."
)
@click.option("--input", "inputs", multiple=True, metavar="SLOT=WHAT", help="An intervention, or a JSON-lines file.")
@click.option(
    "--data", type=click.Path(path_type=Path), help="Folder with the upstream data files, instead of the hub."
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of training and sampling.")
@click.option("--device", help="cpu, cuda, cuda:1, mps; the best there is by default.")
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("runs/trained"), show_default=True, help="Where it is kept."
)
def command(config: tuple[str, ...], inputs: tuple[str, ...], device: str | None, out: Path, **asked: Any) -> None:
    """Run one TRAINER alone and say where its model lies. The same command again goes on where a stopped one was."""
    from cai_eval.cli.display import Display
    from cai_eval.contracts import DatasetSpec
    from cai_eval.study.store import RunDirectory, disk_errors
    from cai_eval.study.train import Order, make, prepare
    from cai_eval.study.workshop import Models

    settings = {key: _value(value) for key, value in _pairs("--set", config).items()}
    models = Models(device, seed=asked["seed"])
    with redirect_stdout(sys.stderr), Display().status("planning") as status:
        node, source = prepare(Order(config=settings, inputs=_pairs("--input", inputs), **asked), models, status)
        with disk_errors(out):
            out.mkdir(parents=True, exist_ok=True)
        directory = RunDirectory(out)
        with directory.lock():
            made = make(node, directory, models, source, _telling(status))
    click.echo(made.path if isinstance(made, DatasetSpec) else made.model)


def _pairs(option: str, given: tuple[str, ...]) -> dict[str, str]:
    for text in given:
        if not all(text.partition("=")[::2]):
            raise click.BadParameter(f"{text!r} is not of the form NAME=VALUE", param_hint=option)
    return {key: value for key, _, value in (text.partition("=") for text in given)}


def _value(text: str) -> Any:
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        raise click.BadParameter(
            f"{text!r} is no YAML: put it in double quotes, inside the shell's", param_hint="--set"
        ) from None


def _telling(status: Callable[[str], None]) -> Callable[[Node, float, float, str], None]:
    def report(node: Node, done: float, total: float, note: str) -> None:
        status(f"{node.trainer}: {done:,.0f} of {total:,.0f}  {note}")

    return report
