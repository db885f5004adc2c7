"""`cai-eval import`."""

from __future__ import annotations

from pathlib import Path

import click

from cai_eval.cli.options import Names

SCALES = {"k": 10**3, "M": 10**6, "B": 10**9}


class Size(click.ParamType[tuple[str, int]]):
    """A model's name and its non-embedding parameters: `gpt-j-6b=5.84B`."""

    name = "MODEL=PARAMETERS"

    def convert(
        self, value: str | tuple[str, int], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        if isinstance(value, tuple):
            return value
        model, _, size = value.rpartition("=")
        number, scale = (size[:-1], SCALES[size[-1]]) if size[-1:] in SCALES else (size, 1)
        try:
            parameters = round(float(number) * scale)
        except (ValueError, OverflowError):
            parameters = 0
        if not model or parameters <= 0:
            self.fail(f"{value!r} is no size: write the model's name, =, and a number such as 302M", param, ctx)
        return model.rpartition("/")[2], parameters


@click.group("import")
def command() -> None:
    """Turn results of another program into a run."""


@command.command("lm-eval")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs/lm-eval"), show_default=True)
@click.option("--tasks", type=Names(), default=(), help="Only these; patterns such as hendrycksTest-* are taken.")
@click.option("--size", "sizes", type=Size(), multiple=True, help="Of a model that no built-in ladder knows.")
def lm_eval(files: tuple[Path, ...], out: Path, tasks: tuple[str, ...], sizes: tuple[tuple[str, int], ...]) -> None:
    """Make a run of lm-eval's results. FILES are its results files (0.4 or older) with the sample files beside them,
    where items were kept, or folders of both.
    """
    from cai_eval.study.importing import import_lm_eval
    from cai_eval.study.report import draw_report

    count = import_lm_eval(files, out, tasks, dict(sizes))
    page = draw_report([out], out / "report")
    click.echo(f"{count} cells are in {out}; their report is {page}")
