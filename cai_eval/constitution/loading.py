"""Constitutions from files: the shipped ones, YAML of one's own, and the papers' released JSON."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path

from cai_eval.config import Where, parse_yaml, validate
from cai_eval.constitution.released import read_released
from cai_eval.constitution.schema import Constitution, problems
from cai_eval.errors import UserError, unknown

_SEAL = re.compile(r"@[0-9a-f]{12}$")


def names() -> list[str]:
    """Names of the shipped constitutions."""
    return sorted(path.stem for path in _folder().iterdir() if path.suffix == ".yaml")


def constitution_path(name: str) -> Path:
    """The file of a shipped constitution."""
    return _folder() / f"{name}.yaml"


def load_constitution(name: str) -> Constitution:
    """A shipped constitution by name, a YAML file by path, or a folder of the papers' released JSON.

    The name may be a sealed one. Raises UserError, naming the file and the line, for a missing or unknown key, an id
    that comes twice, a template without one of its slots, and what else `schema.problems` finds.
    """
    name = _SEAL.sub("", name)
    path = Path(name).expanduser()
    if name in names():
        return _read_yaml(constitution_path(name))
    if path.suffix in (".yaml", ".yml"):
        return _read_yaml(path)
    if name and path.is_dir():
        return _checked(*read_released(path))
    raise unknown("constitution", name, names())


def seal(name: str) -> str:
    """The name with a digest of what the constitution says, so that who changes it has another one.

    For the configs of trainers. Raises UserError as `load_constitution` does, ValueError for a seal of other content.
    """
    said = json.dumps(asdict(load_constitution(name)), sort_keys=True)
    sealed = f"{_SEAL.sub('', name)}@{hashlib.sha256(said.encode()).hexdigest()[:12]}"
    if _SEAL.search(name) and name != sealed:
        raise ValueError(f"what {name!r} names has changed: leave the part behind '@' out to take it as it is")
    return sealed


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
