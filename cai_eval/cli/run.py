"""`cai-eval run`."""

from __future__ import annotations

import json
import os
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cai_eval.cli.options import order_options

if TYPE_CHECKING:
    from cai_eval.study.session import Order, Session


@click.command("run")
@click.option("--suite", default="alignment-tax", show_default=True, help="A name (`cai-eval list`) or a YAML file.")
@order_options
@click.option("--out", type=click.Path(path_type=Path), help="The run directory; under runs/ by default.")
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    help="Models at once, each in a process of its own; by default 1, and one a core for a laboratory's on a CPU.",
)
@click.option("--rescore", is_flag=True, help="Judge the answers that the run holds again; load no model.")
@click.option("--dry-run", is_flag=True, help="Show the plan, lengths and what will be left out; load no weights.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print the outcome as JSON on standard output, progress on the other."
)
def command(dry_run: bool, rescore: bool, as_json: bool, out: Path | None, jobs: int | None, **asked: Any) -> int:
    """Run a suite and draw its report. The same command again goes on where a stopped one was."""
    from cai_eval.study.session import Order

    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # torch's threads, not imported yet: wait without spinning
    with redirect_stdout(sys.stderr):  # what plug-ins and libraries print is no part of the JSON
        code, outcome = run(Order(**asked), out, dry_run, as_json, rescore, jobs)
    if as_json:
        click.echo(json.dumps(outcome, indent=1))
    return code


def run(
    order: Order, out: Path | None, dry_run: bool, as_json: bool, rescore: bool = False, jobs: int | None = None
) -> tuple[int, dict[str, Any]]:
    """The exit code, and the plan or the outcome for machines where it is asked for. Raises UserError."""
    from cai_eval.cli.display import Display
    from cai_eval.study.session import default_out, open_models, prepare
    from cai_eval.study.store import RunDirectory
    from cai_eval.study.workshop import Models

    display = Display()
    models = Models(order.device, order.dtype, seed=order.seed) if dry_run else open_models(order)
    with display.status("planning") as status:
        session = prepare(order, models, dry=dry_run, progress=status)
    path = out or default_out(order, session)
    directory = RunDirectory(path) if dry_run else RunDirectory.create(path, session.plan.suite.name)
    display.plan(session, directory)
    if dry_run:
        return 0, plan_json(session)

    from cai_eval.provenance import environment
    from cai_eval.study.analysis import outcome_json
    from cai_eval.study.parallel import SideBySide, jobs_for
    from cai_eval.study.report import draw_report
    from cai_eval.study.rescore import rescore_plan
    from cai_eval.study.run import Runner, run_plan

    about = {
        "laboratory": session.laboratory,
        "ladder": session.ladder,
        "settings": {
            "seed": order.seed,
            "limit": order.limit,
            "full": order.full,
            "dtype": session.dtype,
            "device": session.device,
        },
        "environment": environment(),
    }
    with display.running(session.plan, directory) as listener:
        if rescore:
            outcome = rescore_plan(session.plan, directory, session.source, listener)
        else:
            runner = Runner(directory, models, session.source, listener)
            jobs = jobs_for(session, jobs)
            work = SideBySide(order, runner, jobs).work if jobs > 1 else runner.work
            outcome = run_plan(session.plan, directory, work, about)
    display.failures(outcome)
    code = 1 if outcome.failures else 0
    about_run = {"run": str(path), "failures": dict(outcome.failures)}
    if not outcome.computed + outcome.reused:
        return code, about_run
    with display.status("drawing the report"):
        report = draw_report([path], path / "report")
    display.outcome(path, outcome, report)
    return code, {**about_run, "report": str(report), **(outcome_json([path]) if as_json else {})}


def plan_json(session: Session) -> dict[str, Any]:
    """The plan for machines."""
    return {
        "cells": [
            {
                "hash": cell.hash,
                "rung": cell.rung,
                "parameters": cell.parameters,
                "intervention": cell.intervention,
                "benchmark": cell.benchmark,
                "items": len(cell.items),
                "excluded": list(cell.excluded),
                "tokens": cell.tokens,
                "prefix_tokens": len(cell.node.policy.prefix.ids) if cell.node.kind == "policy" else 0,
            }
            for cell in session.plan.cells
        ],
        "skipped": [vars(skip) for skip in session.plan.skipped],
        "notes": list(session.plan.notes),
    }
