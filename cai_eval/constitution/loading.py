"""Constitutions from files: the shipped ones, YAML of one's own, and the papers' released JSON."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from cai_eval.config import Where, parse_yaml, validate
from cai_eval.constitution.released import read_released
from cai_eval.constitution.schema import Constitution, problems
from cai_eval.errors import UserError, unknown


def names() -> list[str]:
    """Names of the shipped constitutions."""
    return sorted(path.stem for path in _folder().iterdir() if path.suffix == ".yaml")


def constitution_path(name: str) -> Path:
    """The file of a shipped constitution."""
    return _folder() / f"{name}.yaml"


def load_constitution(name: str) -> Constitution:
    """A shipped constitution by name, a YAML file by path, or a folder of the papers' released JSON.

    Raises UserError, naming the file and the line, for a missing or unknown key, an id that comes twice, a template
    without one of its slots, and what else `schema.problems` finds.
    """
    path = Path(name).expanduser()
    if path.is_dir():
        return _checked(*read_released(path))
    if path.suffix in (".yaml", ".yml"):
        return _read_yaml(path)
    if name not in names():
        raise unknown("constitution", name, names())
    return _read_yaml(constitution_path(name))


def _read_yaml(path: Path) -> Constitution:
    data, where = parse_yaml(path)
    return _checked(validate(Constitution, data, where), where)


def _checked(constitution: Constitution, where: Where) -> Constitution:
    found = [f"{where(place)}: {problem}" for place, problem in problems(constitution)]
    if found:
        raise UserError("; ".join(found) + ".")
    return constitution


def _folder() -> Path:
    return Path(str(files("cai_eval.constitutions")))
