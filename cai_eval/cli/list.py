"""`cai-eval list`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import click

from cai_eval.errors import UserError

Row = dict[str, str]
FIGURES = "figures"  #: listed when asked for alone: to know them, every report must be imported


def _suites() -> Iterator[Row]:
    from cai_eval.study.suite import names, suite_path

    for name in names():
        yield {"name": name, "title": _title(suite_path(name).read_text(encoding="utf-8"))}


def _ladders() -> Iterator[Row]:
    from cai_eval.models.ladder import ladder_names, ladder_path

    for name in ladder_names():
        yield {"name": name, "title": _title(ladder_path(name).read_text(encoding="utf-8"))}


def _title(yaml: str) -> str:
    """The top-level title of a shipped YAML file; parsing the whole would cost more than the rest of the command."""
    return next(
        (line.removeprefix("title:").strip(" '\"") for line in yaml.splitlines() if line.startswith("title:")), ""
    )


def _constitutions() -> Iterator[Row]:
    from cai_eval.constitution import constitution_path, names

    for name in names():
        yield {"name": name, "title": _title(constitution_path(name).read_text(encoding="utf-8"))}


def _plugins(group: str) -> Callable[[], Iterator[Row]]:
    def rows() -> Iterator[Row]:
        from cai_eval.registry import describe

        for plugin in describe(group):
            row = {"name": plugin.name, "title": plugin.title or plugin.problem}
            if plugin.package != "cai-eval":
                row["package"] = plugin.package
            yield row

    return rows


KINDS: dict[str, Callable[[], Iterator[Row]]] = {
    "suites": _suites,
    "ladders": _ladders,
    "benchmarks": _plugins("benchmarks"),
    "trainers": _plugins("trainers"),
    "reports": _plugins("reports"),
    "constitutions": _constitutions,
}


def _figures(run: Path | None) -> Iterator[Row]:
    from cai_eval.study.figures import lacking, paper_figures, told
    from cai_eval.study.results import load_results

    results = load_results([run]) if run else None
    for figure in paper_figures():
        row = {"name": f"{figure.paper} {figure.figure}", "title": figure.title, "needs": told(figure.needs)}
        if results is not None:
            needs = lacking(figure, results)
            row["run"] = f"lacks {told(needs)}" if needs else "has it"
        yield row


@click.command("list")
@click.argument("kind", required=False, type=click.Choice([*KINDS, FIGURES]))
@click.option("--run", type=click.Path(path_type=Path), help="With figures: say whether this run has their cells.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def command(kind: str | None, run: Path | None, as_json: bool) -> None:
    """List what can be named: of one KIND, or of all but the papers' figures."""
    if run and kind != FIGURES:
        raise UserError("--run goes with figures: `cai-eval list figures --run RUN`.")
    if kind == FIGURES:
        found = {FIGURES: list(_figures(run))}
    else:
        found = {name: list(rows()) for name, rows in KINDS.items() if kind in {None, name}}
    if as_json:
        click.echo(json.dumps(found[kind] if kind else found, indent=1))
        return
    for name, rows in found.items():
        click.secho(name, bold=True)
        width = max((len(row["name"]) for row in rows), default=0)
        for row in rows:
            package = f" ({row['package']})" if "package" in row else ""
            click.echo(f"  {row['name']:<{width}}  {row['title']}{package}")
            if "needs" in row:
                click.echo(f"  {'':<{width}}  {row.get('run') or 'needs ' + row['needs']}")
        if not rows:
            click.echo("  none yet")
