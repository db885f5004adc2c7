"""Plug-ins by entry point. Names are strings until one is loaded; nothing is imported to list them.

Groups are "benchmarks", "trainers" and "reports"; a package offers a plug-in under the entry-point group
`cai_eval.<group>`. A name may carry an argument, "plugin:argument" ("lm-eval:hellaswag"): the plug-in's class
attribute `argument` names the field of its `Config` that takes it.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from cai_eval.config import Where, validate
from cai_eval.errors import UserError, unknown

GROUPS = ("benchmarks", "trainers", "reports")


@dataclass(frozen=True)
class Description:
    """One line of `cai-eval list`. target: "module:Class". problem: why it cannot be used, or ""."""

    name: str
    title: str
    package: str
    target: str
    problem: str = ""


def names(group: str) -> list[str]:
    """Names of the plug-ins installed in `group`, sorted. Imports none of them."""
    return sorted(_entries(group))


def load(group: str, name: str) -> type[Any]:
    """The class of a plug-in; an argument in the name is ignored.

    Raises UserError: no such name (near ones are offered), a name that two packages claim, a failing import.
    """
    name = name.partition(":")[0]
    found = _entries(group).get(name)
    if found is None:
        raise unknown(group.removesuffix("s"), name, names(group))
    if len(found) > 1:
        packages = " and ".join(repr(_package(entry)) for entry in found)
        raise UserError(f"{group.removesuffix('s')} {name!r} is offered by {packages}: uninstall one of them.")
    entry = found[0]
    try:
        plugin = entry.load()
    except Exception as error:
        raise UserError(
            f"{group.removesuffix('s')} {name!r} of package {_package(entry)!r} cannot be imported from "
            f"{entry.value!r}: {type(error).__name__}: {error}; mend or uninstall the package."
        ) from error
    if not isinstance(plugin, type):
        raise UserError(f"{group.removesuffix('s')} {name!r} of package {_package(entry)!r} is not a class.")
    return plugin


def create(group: str, name: str, config: Mapping[str, Any] | None = None, where: Where | None = None) -> Any:
    """A plug-in built from a validated config.

    where: what to say before a problem with a key of the config; the plug-in's name, unless given.
    Raises UserError as `load` does, and for a config that the plug-in refuses, naming the offending keys.
    """
    plugin: Any = load(group, name)
    kind = group.removesuffix("s")
    values = dict(config or {})
    base, colon, argument = name.partition(":")
    if colon:
        key = getattr(plugin, "argument", None)
        if key is None:
            raise UserError(f"{kind} {base!r} takes no argument: write {base!r}, not {name!r}.")
        if key in values:
            raise UserError(f"{kind} {name!r}: its config sets {key!r} again: say it once.")
        values[key] = argument

    return plugin(validate(plugin.Config, values, where or (lambda location: f"{kind} {name!r}")))


def describe(group: str) -> Iterator[Description]:
    """Every plug-in of a group with its title, by name.

    Titles are read from the plug-in's text, so a list costs nothing of what the plug-ins import; a plug-in is
    imported only where its text does not tell.
    """
    for name in names(group):
        found = _entries(group)[name]
        title, problem = _written_title(found[0]) if len(found) == 1 else "", ""
        if not title:
            try:
                title = getattr(load(group, name), "title", "")
            except UserError as error:
                problem = str(error)
        yield Description(name, title, _package(found[0]), found[0].value, problem)


def _written_title(entry: EntryPoint) -> str:
    """The literal after `title =` in the plug-in's class, or "" where its module has none."""
    try:
        spec = find_spec(entry.module)
        text = Path(spec.origin or "").read_text(encoding="utf-8") if spec else ""
        module = ast.parse(text)
    except (ImportError, OSError, ValueError, SyntaxError):
        return ""
    classes = [node for node in module.body if isinstance(node, ast.ClassDef) and node.name == entry.attr]
    for statement in (statement for node in classes for statement in node.body):
        match statement:
            case (
                ast.Assign(targets=[ast.Name("title")], value=ast.Constant(str() as title))
                | ast.AnnAssign(target=ast.Name("title"), value=ast.Constant(str() as title))
            ):
                return title
    return ""


def _entries(group: str) -> dict[str, tuple[EntryPoint, ...]]:
    """Name → entry points, more than one where packages collide."""
    if group not in GROUPS:
        raise ValueError(f"unknown group of plug-ins {group!r}")
    return _scan(group, tuple(sys.path))


@cache
def _scan(group: str, search_path: tuple[str, ...]) -> dict[str, tuple[EntryPoint, ...]]:
    """The entry points installed along `search_path` (which is `sys.path`: a new one is another scan)."""
    found: dict[str, tuple[EntryPoint, ...]] = {}
    for entry in entry_points(group=f"cai_eval.{group}"):
        found[entry.name] = (*found.get(entry.name, ()), entry)
    return found


def _package(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else entry.module
