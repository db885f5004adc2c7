"""`cai-eval compare`."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.command("compare")
@click.argument("runs", nargs=-1, required=True, metavar="RUN RUN...", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def command(runs: tuple[Path, ...], as_json: bool) -> None:
    """Compare each RUN with the first: cell by cell, on the same items, with paired tests by cluster."""
    from rich.console import Console
    from rich.table import Table

    from cai_eval.errors import UserError
    from cai_eval.study.compare import compare_runs

    if len(runs) < 2:
        raise UserError("compare takes two runs or more: name another.")
    frame = compare_runs(runs)
    if as_json:
        click.echo(json.dumps(json.loads(frame.to_json(orient="records")), indent=1))
        return
    table = Table(
        *("run", "model", "intervention", "benchmark", "first", "this", "change", "95 % interval", "adjusted p"),
        *("detectable", "items"),
        box=None,
        pad_edge=False,
    )
    for column in table.columns:
        column.overflow = "fold"
    for row in frame.itertuples():
        table.add_row(
            *(row.run, row.rung, row.intervention, row.benchmark, f"{row.before:.3f}", f"{row.after:.3f}"),
            *(f"{row.change:+.3f}", f"{row.low:+.3f} … {row.high:+.3f}", f"{row.p_adjusted:.3g}"),
            *(f"{row.detectable:.3f}", str(row.items)),
        )
    console = Console(highlight=False, markup=False, emoji=False)
    console.print(table)
    console.print(
        "change: this run minus the first, on items that both have; p two-sided, Benjamini–Hochberg adjusted over "
        "this table; detectable: the least change found with 80 % power at the 5 % level shared among the rows. "
        "The figures are of these weights.",
        style="dim",
    )
