"""`cai-eval list`."""

from __future__ import annotations

import inspect
import json
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from cai_eval.contracts import Input
from cai_eval.errors import UserError

Row = dict[str, str]
FIGURES = "figures"  #: listed when asked for alone: to know them, every report must be imported


def _suites() -> dict[str, Path]:
    from cai_eval.study.suite import names, suite_path

    return {name: suite_path(name) for name in names()}


def _ladders() -> dict[str, Path]:
    from cai_eval.models.ladder import ladder_names, ladder_path

    return {name: ladder_path(name) for name in ladder_names()}


def _constitutions() -> dict[str, Path]:
    from cai_eval.constitution import constitution_path, names

    return {name: constitution_path(name) for name in names()}


def _titled(files: Callable[[], Mapping[str, Path]]) -> Callable[[], Iterator[Row]]:
    def rows() -> Iterator[Row]:
        for name, path in files().items():
            yield {"name": name, "title": _title(path.read_text(encoding="utf-8"))}

    return rows


def _title(yaml: str) -> str:
    """The top-level title of a shipped YAML file; parsing the whole would cost more than the rest of the command."""
    return next(
        (line.removeprefix("title:").strip(" '\"") for line in yaml.splitlines() if line.startswith("title:")), ""
    )


def _plugins(group: str) -> Callable[[], Iterator[Row]]:
    def rows() -> Iterator[Row]:
        from cai_eval.registry import describe

        for plugin in describe(group):
            row = {"name": plugin.name, "title": plugin.title or plugin.problem}
            if plugin.package != "cai-eval":
                row["package"] = plugin.package
            yield row

    return rows


#: what ships as YAML files
FILES: dict[str, Callable[[], dict[str, Path]]] = {
    "suites": _suites,
    "ladders": _ladders,
    "constitutions": _constitutions,
}
KINDS: dict[str, Callable[[], Iterator[Row]]] = {
    "suites": _titled(_suites),
    "ladders": _titled(_ladders),
    "benchmarks": _plugins("benchmarks"),
    "trainers": _plugins("trainers"),
    "reports": _plugins("reports"),
    "constitutions": _titled(_constitutions),
}


def _one(kind: str, name: str) -> str:
    """A file as it is, to be read or copied; a plug-in with its inputs and the keys of its config."""
    from cai_eval.errors import unknown

    if kind == FIGURES:
        raise UserError("figures are not described one by one: leave the name out.")
    if kind not in FILES:
        return "\n".join(_description(kind, name))
    files = FILES[kind]()
    if name not in files:
        raise unknown(kind.removesuffix("s"), name, files)
    return files[name].read_text(encoding="utf-8").rstrip()


def _description(group: str, name: str) -> Iterator[str]:
    from cai_eval import registry

    plugin: Any = registry.load(group, name)
    yield f"{group.removesuffix('s')} {name}: {plugin.title}"
    if about := inspect.getdoc(inspect.getmodule(plugin)):
        yield f"\n{about}"
    inputs = getattr(plugin, "inputs", {}).items()
    yield from _columns("inputs", [(slot, _reference(need), need.kind) for slot, need in inputs])
    fields = plugin.Config.model_fields.items()
    yield from _columns("config", [(key, _default(field), field.description or "") for key, field in fields])
    if plugin.Config.__doc__ and not any(field.description for _, field in fields):
        yield f"\n{textwrap.indent(inspect.cleandoc(plugin.Config.__doc__), '  ')}"


def _columns(title: str, rows: Sequence[tuple[str, str, str]]) -> Iterator[str]:
    """A heading and the rows below it, the first two columns as wide as they need be; nothing without rows."""
    if rows:
        yield f"\n{title}"
    first, second = (max((len(row[column]) for row in rows), default=0) for column in (0, 1))
    yield from (f"  {one:<{first}}  {two:<{second}}  {three}".rstrip() for one, two, three in rows)


def _reference(need: Input) -> str:
    """What an input is where nobody names it."""
    return need.default or ("nothing" if need.optional else "must be named")


def _default(field: Any) -> str:
    """What a key is where nobody sets it, as YAML would say it."""
    if field.is_required():
        return "must be set"
    return json.dumps(field.get_default(call_default_factory=True), ensure_ascii=False, default=str)


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
@click.argument("kind", required=False, metavar="[KIND]", type=click.Choice([*KINDS, FIGURES]))
@click.argument("name", required=False)
@click.option("--run", type=click.Path(path_type=Path), help="With figures: say whether this run has their cells.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def command(kind: str | None, name: str | None, run: Path | None, as_json: bool) -> None:
    """List what can be named: suites, ladders, benchmarks, trainers, reports, constitutions, or papers' figures.

    Of one KIND, or of all but the figures. With a NAME: what a benchmark, a trainer or a report does, and the keys of
    its config; or the file of a suite, a ladder or a constitution, to be read or copied.
    """
    if run and kind != FIGURES:
        raise UserError("--run goes with figures: `cai-eval list figures --run RUN`.")
    if kind and name:
        if as_json:
            raise UserError("--json gives lists: leave the name out.")
        click.echo(_one(kind, name))
        return
    if kind == FIGURES:
        found = {FIGURES: list(_figures(run))}
    else:
        found = {title: list(rows()) for title, rows in KINDS.items() if kind in {None, title}}
    if as_json:
        click.echo(json.dumps(found[kind] if kind else found, indent=1))
        return
    for title, rows in found.items():
        click.secho(title, bold=True)
        width = max((len(row["name"]) for row in rows), default=0)
        for row in rows:
            package = f" ({row['package']})" if "package" in row else ""
            click.echo(f"  {row['name']:<{width}}  {row['title']}{package}")
            if "needs" in row:
                click.echo(f"  {'':<{width}}  {row.get('run') or 'needs ' + row['needs']}")
        if not rows:
            click.echo("  none yet")
