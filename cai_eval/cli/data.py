"""`cai-eval data`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from cai_eval.contracts import Published


def published() -> dict[str, Published]:
    """Every data set that an installed benchmark or trainer declares, by name."""
    from cai_eval import registry

    groups = ("benchmarks", "trainers")
    plugins: list[Any] = [registry.load(group, name) for group in groups for name in registry.names(group)]
    return {data.name: data for plugin in plugins for data in getattr(plugin, "data", ())}


def _chosen(names: tuple[str, ...]) -> Iterator[Published]:
    from cai_eval.errors import unknown

    known = published()
    for name in names or known:
        if name not in known:
            raise unknown("data set", name, known)
        yield known[name]


@click.group("data")
def command() -> None:
    """Fetch or verify the published data sets."""


@command.command("list")
def list_() -> None:
    """Each data set with its file, its place on the hub and its source."""
    for data in published().values():
        hub = data.hub[0] if data.hub else "not on the hub"
        click.echo(f"{data.name}: {data.file}; {hub}; {data.source}; licence: {data.licence or 'none stated'}")


@command.command("fetch")
@click.argument("names", nargs=-1)
def fetch(names: tuple[str, ...]) -> None:
    """Bring data sets from the hub into its local cache. All, or the NAMES given."""
    from cai_eval import data as sources

    for data in _chosen(names):
        click.echo(f"{data.name}: {sources.fetch(data):,} rows")


@command.command("verify")
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("names", nargs=-1)
def verify(folder: Path, names: tuple[str, ...]) -> int:
    """Check the files in FOLDER against their published checksums. Exit code 1 if one is wrong."""
    from cai_eval import data as sources
    from cai_eval.errors import UserError

    sources.PublishedSource(folder)
    wrong = 0
    for part in (part for data in _chosen(names) for part in sources.parts(data)):
        path = sources.find(part, folder)
        if path is None:
            click.echo(f"{part.name}: {part.file} is not there")
            wrong += bool(names)
            continue
        try:
            sources.verify(part, path)
        except UserError as error:
            click.echo(f"{part.name}: {error}")
            wrong += 1
        else:
            click.echo(f"{part.name}: {path.name} {'is as published' if part.sha256 else 'has no known checksum'}")
    return 1 if wrong else 0
