"""`cai-eval votes`."""

from __future__ import annotations

import re
from pathlib import Path

import click

from cai_eval.cli.options import Names
from cai_eval.errors import UserError

PATH = click.Path(path_type=Path)
REASONING_TOKENS = 256


@click.group("votes")
def command() -> None:
    """Let people, or a model under a constitution, judge the answers of a run, and rate the policies by their votes."""


@command.command("export")
@click.argument("run", type=PATH)
@click.option("-o", "--out", type=PATH, required=True, help="A .csv sheet, or an .html page that saves one.")
@click.option("--benchmark", default="answers", show_default=True, help="Whose answers, by its name in the suite.")
@click.option("--policies", type=Names(), default=(), help="Only these; all that answered by default.")
@click.option("--count", type=click.IntRange(min=1), default=100, show_default=True, help="Pairs of answers.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the draw.")
def export(run: Path, out: Path, benchmark: str, policies: tuple[str, ...], count: int, seed: int) -> None:
    """Write pairs of answers without their authors, and beside them the key (.key.json) for the import."""
    from cai_eval.study import votes
    from cai_eval.study.results import load_results
    from cai_eval.study.store import disk_errors

    if out.suffix not in {".csv", ".html"}:
        raise UserError(f"votes are written as .csv or .html, not {out.name!r}: name the file so.")
    key = out.with_suffix(".key.json")
    if out.exists() or key.exists():
        raise UserError(f"{str(out if out.exists() else key)!r} exists and may hold votes: choose another name.")
    pairs = votes.draw(load_results([run]), benchmark, policies, count, seed)
    votes.write_key(key, pairs)
    with disk_errors(out):
        out.write_text((votes.sheet if out.suffix == ".csv" else votes.page)(pairs), encoding="utf-8", newline="")
    same = sum(pair.share is not None for pair in pairs)
    click.echo(f"{out}: {len(pairs) - same} pairs to vote on ({same} more are the same answer twice); key: {key}")


@command.command("import")
@click.argument("votes", type=PATH)
@click.option("--run", type=PATH, required=True, help="The run whose answers were voted on.")
@click.option("--key", type=PATH, help="The key that was exported; VOTES.key.json by default.")
@click.option("--judge", default="people", show_default=True, help="How figures call who voted.")
def import_(votes: Path, run: Path, key: Path | None, judge: str) -> None:
    """Read votes back into the run, and redraw its report."""
    from cai_eval.study import votes as blind
    from cai_eval.study.report import draw_report
    from cai_eval.study.results import load_results
    from cai_eval.study.store import RunDirectory

    if not re.fullmatch(r"[\w.-]+", judge):
        raise UserError(f"{judge!r} cannot be a file's name: take letters, digits, '.', '-' or '_'.")
    directory = RunDirectory.read(run)
    voted = blind.ballots(judge, blind.read_votes(votes, key or votes.with_suffix(".key.json")))
    with directory.lock():
        blind.refuse_loss(run, judge, voted)
        path = blind.keep(run, judge, voted)
    told = blind.gone([vote for vote in load_results([run]).votes if vote.judge == judge])
    click.echo(" ".join([f"{path}: {len(voted)} votes.", *told, f"Report: {draw_report([run], run / 'report')}"]))


@command.command("ask")
@click.argument("run", type=PATH)
@click.option("--judge", default="base", show_default=True, help="An intervention of the run, 'base' or a model.")
@click.option("--rung", help="Of the intervention or of 'base'; the largest by default.")
@click.option("--constitution", required=True, help="A name, a YAML file or a folder of released JSON.")
@click.option("--kinds", type=Names(), default=("harmful",), help="Prompts that it speaks of; harmful by default.")
@click.option("--examples", type=click.IntRange(min=0), default=100, show_default=True, help="Shown before, at most.")
@click.option("--reasonings", type=click.IntRange(min=0), default=0, show_default=True, help="Sampled before a vote.")
@click.option("--benchmark", default="answers", show_default=True, help="Whose answers, by its name in the suite.")
@click.option("--policies", type=Names(), default=(), help="Only these; all that answered by default.")
@click.option("--count", type=click.IntRange(min=1), default=500, show_default=True, help="Pairs of answers.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the draw.")
@click.option("--device", help="cpu, cuda, cuda:1, mps; the best there is by default.")
def ask(
    run: Path,
    judge: str,
    rung: str | None,
    constitution: str,
    kinds: tuple[str, ...],
    examples: int,
    reasonings: int,
    benchmark: str,
    policies: tuple[str, ...],
    count: int,
    seed: int,
    device: str | None,
) -> None:
    """Let a policy vote on pairs of answers by the principles of a constitution, and redraw the report."""
    from cai_eval.caches import cache_directory
    from cai_eval.cli.display import Display
    from cai_eval.inference.store import ResponseStore
    from cai_eval.study import ai_judge, votes
    from cai_eval.study.judge import policy_of
    from cai_eval.study.report import draw_report
    from cai_eval.study.results import load_results
    from cai_eval.study.store import RunDirectory
    from cai_eval.study.workshop import Models
    from cai_eval.training.choosing import thinking, to_choose_by

    rules = to_choose_by(constitution, 1, examples)
    directory = RunDirectory.read(run)
    model, spec = policy_of(directory, judge, rung)
    name = ai_judge.judge_name(model, rules)
    pairs = votes.draw(load_results([run]), benchmark, policies, count, seed, kinds)
    policy = Models(device, store=ResponseStore(cache_directory() / "answers.sqlite")).policy(spec)
    with Display().status("asking") as status, directory.lock():
        reasoning = thinking(rules, reasonings, REASONING_TOKENS, temperature=1.0)
        voted, notes = ai_judge.vote(policy, rules, pairs, reasoning, seed, status)
        path = votes.keep(run, name, votes.ballots(name, voted))
    click.echo(" ".join([f"{path}: {len(voted)} votes.", *notes, f"Report: {draw_report([run], run / 'report')}"]))
