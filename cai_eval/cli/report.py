"""`cai-eval report`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("report")
@click.argument("runs", nargs=-1, required=True, metavar="RUN...", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Where to; RUN/report by default.")
def command(runs: tuple[Path, ...], out: Path | None) -> None:
    """Redraw the page, figures and tables of a run (or of several together) from its records."""
    from cai_eval.errors import UserError
    from cai_eval.study.report import draw_report

    if len(runs) > 1 and out is None:
        raise UserError("say with --out where the report of several runs goes.")
    click.echo(draw_report(runs, out or runs[0] / "report"))
