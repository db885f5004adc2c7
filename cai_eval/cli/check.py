"""`cai-eval check`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cai_eval.cli.options import order_options

if TYPE_CHECKING:
    from cai_eval.study.gate.verdicts import Judgement

FILE = click.Path(path_type=Path, dir_okay=False)


@click.command("check")
@click.option("--against", type=click.Path(path_type=Path), required=True, help="A file of `cai-eval baseline save`.")
@click.option("--run", "run_path", type=click.Path(path_type=Path), help="A finished run.")
@click.option("--suite", help="Run this first, with the options below; instead of --run.")
@order_options
@click.option("--strict", is_flag=True, help="Exit with 1 also where a verdict is inconclusive.")
@click.option("--junit", type=FILE, help="Write JUnit XML here.")
@click.option(
    "--summary",
    type=FILE,
    help="Append markdown here, as to $GITHUB_STEP_SUMMARY.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of the table.")
def command(
    against: Path,
    run_path: Path | None,
    suite: str | None,
    strict: bool,
    junit: Path | None,
    summary: Path | None,
    as_json: bool,
    **asked: Any,
) -> int:
    """Check a run against a baseline, cell by cell and item by item: regressed, passed or inconclusive.

    Exit code 0: nothing regressed. 1: something did. 2: the two cannot be compared.
    """
    from cai_eval.errors import UserError
    from cai_eval.study.gate import outputs
    from cai_eval.study.gate.baseline import baseline_of, load_baseline
    from cai_eval.study.gate.pairing import beyond, pairs, thresholds
    from cai_eval.study.gate.verdicts import failed, judge
    from cai_eval.study.store import disk_errors

    if (run_path is None) == (suite is None):
        raise UserError("give a finished run with --run, or a suite to run first with --suite.")
    if run_path and any(asked.values()):
        raise UserError("--run takes a run as it is: leave out the options that say what to run.")
    baseline = load_baseline(against)
    path = run_path or _ran(suite, asked)
    current = baseline_of(path)
    judgements = judge(pairs(baseline, current, thresholds(path)))
    notes = [f"not in the baseline: {place}" for place in beyond(baseline, current)]
    if junit:
        with disk_errors(junit):
            junit.write_text(outputs.junit(judgements, strict), encoding="utf-8")
    if summary:
        with disk_errors(summary), open(summary, "a", encoding="utf-8") as handle:
            handle.write(outputs.markdown(judgements, notes))
    if as_json:
        click.echo(json.dumps({"notes": notes, "verdicts": outputs.as_json(judgements)}, indent=1, allow_nan=False))
    else:
        _show(judgements, notes)
    return int(failed(judgements, strict))


def _ran(suite: str | None, asked: dict[str, Any]) -> Path:
    """Where the suite's finished run lies."""
    from cai_eval.cli.run import run
    from cai_eval.study.session import Order

    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    with redirect_stdout(sys.stderr):
        _, outcome = run(Order(suite=suite or "", **asked), None, dry_run=False, as_json=False)
    return Path(outcome["run"])


def _show(judgements: Sequence[Judgement], notes: Sequence[str]) -> None:
    from cai_eval.cli.display import NAMES, output, table_of
    from cai_eval.study.gate import outputs

    console = output()
    table = table_of("model", *NAMES, "verdict", "baseline", "this run", "loss", "p", "detectable", "flipped")
    for judgement in judgements:
        place = judgement.pair.place
        detectable = judgement.loss.detectable
        table.add_row(
            *(place.rung, place.benchmark, place.intervention, judgement.verdict, *outputs.shown(judgement)),
            *(f"{judgement.p_adjusted:.2g}", f"{detectable:.3f}" if detectable < 10 else "–"),
            f"−{len(judgement.lost)} +{len(judgement.won)}",
        )
    console.print(table)
    for judgement in judgements:
        if judgement.verdict != "passed":
            console.print(f"{judgement.pair.place}: {judgement.verdict}: {outputs.reason(judgement)}", soft_wrap=True)
            for line in outputs.listed(judgement.lost) if judgement.verdict == "regressed" else ():
                console.print(f"  lost: {line}", soft_wrap=True)
    for note in notes:
        console.print(note, soft_wrap=True)
    console.print(outputs.headline(judgements), style="bold")
    console.print(
        "loss: baseline minus this run on the same items, positive where it got worse, with its one-sided upper bound; "
        "p: one-sided, Benjamini–Hochberg adjusted over this table; detectable: the least loss found with 80 % power.",
        style="dim",
    )
