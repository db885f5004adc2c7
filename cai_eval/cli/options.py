"""Option types that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click


class Names(click.ParamType[tuple[str, ...]]):
    """Comma-separated names: `--benchmarks hhh,lambada`."""

    name = "A,B"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        if isinstance(value, tuple):
            return value
        parts = tuple(part.strip() for part in value.split(","))
        if not all(parts):
            self.fail("give names separated by single commas, as in a,b", param, ctx)
        if len(set(parts)) < len(parts):
            self.fail(f"{value!r} names something twice", param, ctx)
        return parts


def order_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What every command takes that runs a suite, but for the suite: the fields of `cai_eval.study.session.Order`."""
    options = (
        click.option("--ladder", help="A ladder's name or YAML file; the suite's own by default."),
        click.option("--rungs", type=Names(), help="Only these of the ladder, by label; the suite's own by default."),
        click.option("--scale", help="One of the suite's scales, such as smoke or full."),
        click.option("--models", type=Names(), help="Hub ids or directories, instead of a ladder."),
        click.option("--interventions", type=Names(), help="Only these."),
        click.option("--benchmarks", type=Names(), help="Only these; lm-eval:TASK takes any task of lm-eval."),
        click.option(
            "--data", type=click.Path(path_type=Path), help="Folder with the upstream data files, instead of the hub."
        ),
        click.option("--limit", type=click.IntRange(min=1), help="At most this many items a benchmark."),
        click.option("--full", is_flag=True, help="All items, where a laboratory's models would be asked fewer."),
        click.option(
            "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of training and sampling."
        ),
        click.option("--device", help="cpu, cuda, cuda:1, mps; the best there is by default."),
        click.option("--dtype", help="float32, bfloat16 or float16; what suits the device by default."),
    )
    for option in reversed(options):
        command = option(command)
    return command
