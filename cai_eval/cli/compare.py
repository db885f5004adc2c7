"""`cai-eval compare`."""

from __future__ import annotations

import json
from math import isfinite
from pathlib import Path

import click

SHOWN = 20  #: notes below the table


@click.command("compare")
@click.argument("runs", nargs=-1, required=True, metavar="RUN RUN...", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def command(runs: tuple[Path, ...], as_json: bool) -> None:
    """Compare each RUN with the first: cell by cell, on the same items, with paired tests by cluster.

    A rung of another label is matched by its model, and the only rung of a run with the only one of another.
    """
    from cai_eval.cli.display import NAMES, output, table_of
    from cai_eval.errors import UserError
    from cai_eval.study.compare import compare_runs

    if len(runs) < 2:
        raise UserError("compare takes two runs or more: name another.")
    comparison = compare_runs(runs)
    frame = comparison.changes
    if as_json:
        changes = json.loads(frame.to_json(orient="records"))
        click.echo(json.dumps({"notes": comparison.notes, "changes": changes}, indent=1))
        return
    table = table_of(
        *(["run"] if len(runs) > 2 else []), "model", *NAMES, "first", "this", "change", "p", "detectable", "items"
    )
    for row in frame.itertuples():
        within = f" [{row.low:+.3f}, {row.high:+.3f}]" if isfinite(row.high) else ""
        table.add_row(
            *([row.run] if len(runs) > 2 else []),
            *(row.rung, row.benchmark, row.intervention, f"{row.before:.3f}", f"{row.after:.3f}"),
            *(f"{row.change:+.3f}{within}", f"{row.p_adjusted:.2g}"),
            f"{row.detectable:.3f}" if isfinite(row.detectable) else "–",
            f"{row.items}" if row.paired else "unpaired",
        )
    console = output()
    console.print(table)
    for note in comparison.notes[:SHOWN]:
        console.print(note, soft_wrap=True)
    if len(comparison.notes) > SHOWN:
        console.print(f"and {len(comparison.notes) - SHOWN} notes more, which --json gives")
    console.print(
        "change: this run minus the first, on items that both have, with its 95 % interval; unpaired: of one of them "
        "only a mean is known; p: two-sided, Benjamini–Hochberg adjusted over this table; detectable: the least change "
        "found with 80 % power at the 5 % level shared among the rows. The figures are of these weights.",
        style="dim",
    )
