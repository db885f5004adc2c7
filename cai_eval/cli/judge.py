"""`cai-eval judge`."""

from __future__ import annotations

from pathlib import Path

import click

from cai_eval.errors import UserError


@click.command("judge")
@click.option("--run", "path", type=click.Path(path_type=Path), required=True, help="The run whose answers to judge.")
@click.option("--scorer", required=True, help="A preference model: an intervention of the run, or a directory.")
@click.option("--rung", help="Of the intervention; the largest by default.")
@click.option("--benchmark", default="answers", show_default=True, help="Whose answers, by its name in the suite.")
@click.option("--device", help="cpu, cuda, cuda:1, mps; the best there is by default.")
def command(path: Path, scorer: str, rung: str | None, benchmark: str, device: str | None) -> None:
    """Score the answers that a run holds by a preference model, and rate the policies by it too."""
    from cai_eval.cli.display import Display
    from cai_eval.study.judge import judge, scorer_of
    from cai_eval.study.report import draw_report
    from cai_eval.study.store import RunDirectory
    from cai_eval.study.workshop import Models

    directory = RunDirectory.read(path)
    name, spec = scorer_of(directory, scorer, rung)
    with Display().status("judging") as status, directory.lock():
        judged = judge(directory, benchmark, name, Models(device).scorer(spec), status)
    if not judged:
        raise UserError(
            f"no finished cell of {benchmark!r} holds answers: name another --benchmark, or finish the run."
        )
    click.echo(f"{judged} cells judged by {name}; report: {draw_report([path], path / 'report')}")
