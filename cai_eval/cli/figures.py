"""`cai-eval figures`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("figures")
@click.option("--paper", required=True, help="As in `cai-eval list figures`: askell-2021, …")
@click.option("--figure", "number", help="One figure, 7R, or all panels of one, 7; all that can be drawn by default.")
@click.option(
    "--run",
    "runs",
    multiple=True,
    required=True,
    type=click.Path(path_type=Path),
    help="A run directory; several --run are drawn together.",
)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Where to; RUN/figures by default.")
def command(paper: str, number: str | None, runs: tuple[Path, ...], out: Path | None) -> int:
    """Draw a paper's figures from a run's records, its published values in grey behind: PNG, SVG, PDF and CSV.

    Exit code 1 where the run lacks what every figure needs; it says which command makes it.
    """
    from cai_eval.errors import UserError
    from cai_eval.study.figures import draw, lacking, paper_figures, remedy, told
    from cai_eval.study.results import load_results
    from cai_eval.study.store import RunDirectory

    figures = paper_figures(paper, number)
    results = load_results(runs)
    manifest = RunDirectory.read(runs[0]).manifest()
    drawn = 0
    for figure in figures:
        needs = lacking(figure, results)
        if needs:
            click.echo(f"{figure.figure:>4}  lacks {told(needs)}: {remedy(needs, manifest)}", err=True)
            continue
        try:
            files = draw(figure, results, out or runs[0] / "figures")
        except UserError as error:  # of this figure; the others may be drawn
            click.echo(f"{figure.figure:>4}  {error}", err=True)
            continue
        kinds = ", ".join(path.suffix.removeprefix(".") for path in files)
        click.echo(f"{figure.figure:>4}  {files[0].with_suffix('')} ({kinds})")
        drawn += 1
    return 0 if drawn else 1
