"""`cai-eval data`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from cai_eval.contracts import Published


def published() -> dict[str, Published]:
    """Every data set that an installed benchmark declares, by name."""
    from cai_eval import registry

    benchmarks: list[Any] = [registry.load("benchmarks", name) for name in registry.names("benchmarks")]
    return {data.name: data for benchmark in benchmarks for data in benchmark.data}


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
    """Bring data sets from the hub into its local cache: all, or the NAMES given."""
    from cai_eval import data as sources

    for data in _chosen(names):
        click.echo(f"{data.name}: {sources.fetch(data):,} rows")


@command.command("verify")
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("names", nargs=-1)
def verify(folder: Path, names: tuple[str, ...]) -> int:
    """Check the upstream files in FOLDER against their published checksums. Exit code 1 if one is wrong."""
    from cai_eval import data as sources
    from cai_eval.errors import UserError

    sources.PublishedSource(folder)
    wrong = 0
    for data in _chosen(names):
        path = sources.find(data, folder)
        if path is None:
            click.echo(f"{data.name}: {data.file} is not there")
            wrong += bool(names)
            continue
        try:
            sources.verify(data, path)
        except UserError as error:
            click.echo(f"{data.name}: {error}")
            wrong += 1
        else:
            click.echo(f"{data.name}: {path.name} {'is as published' if data.sha256 else 'has no known checksum'}")
    return 1 if wrong else 0
