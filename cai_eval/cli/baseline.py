"""`cai-eval baseline`."""

from __future__ import annotations

from pathlib import Path

import click


@click.group("baseline")
def command() -> None:
    """Keep a run's scores in a small file that later runs are checked against."""


@command.command("save")
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("baseline.json.zst"),
    show_default=True,
    help="The file, to be committed.",
)
def save(run: Path, out: Path) -> None:
    """Save the scores of a finished RUN."""
    from cai_eval.study.gate.baseline import baseline_of, save_baseline

    baseline = baseline_of(run)
    save_baseline(baseline, out)
    click.echo(f"{out}: {len(baseline.cells)} cells, {out.stat().st_size:,} bytes")
