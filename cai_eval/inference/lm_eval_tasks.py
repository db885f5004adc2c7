"""Finding and loading lm-eval's tasks without indexing all of its 14,000 files, which takes seconds."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from cai_eval.errors import UserError

_DEFINED = re.compile(rb"""^["']?(?:task|group)["']?:[ \t]*["']?([^\s"'#]+)["']?[ \t]*$""", re.MULTILINE)


def load_tasks(name: str, shots: int | None = None) -> Mapping[str, Any]:
    """The task, or the tasks of a group, by name or by the path of a YAML file.

    shots: examples before each item; None for what the task says. Raises UserError where there is no such task or
    where it or its data cannot be loaded.
    """
    path = Path(name).expanduser() if name.endswith((".yaml", ".yml")) else _stock_path(name)
    if not path.is_file():
        raise UserError(f"lm-eval task file {name!r} does not exist: check the path.")
    try:
        return _load(path, path.stat().st_mtime_ns, shots)
    except UserError:
        raise
    except Exception as error:  # a task may run code of its own and read its data by any library
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise UserError(f"lm-eval task {name!r} cannot be loaded ({reason}): mend it or its data.") from error


@lru_cache(maxsize=8)  # a study builds the benchmark anew for each of its cells
def _load(path: Path, changed: int, shots: int | None) -> Mapping[str, Any]:
    from lm_eval.tasks import TaskManager
    from lm_eval.tasks._yaml_loader import load_yaml

    with _quiet():
        group = load_yaml(path, resolve_func=False).get("group")
        if group:  # its members are looked for beside it
            manager = TaskManager(include_path=str(path.parent), include_defaults=False)
        else:
            manager = TaskManager(include_defaults=False)
        tasks: dict[str, Any] = manager.load([group or str(path)])["tasks"]
    for task in tasks.values():
        _refuse(task)
        if shots is not None:
            task.set_config("num_fewshot", shots)
    return tasks


def _refuse(task: Any) -> None:
    if getattr(task, "UNSAFE_CODE", False):
        raise UserError(f"lm-eval task {task.task_name!r} runs code of the model: use a benchmark with a sandbox.")
    if getattr(task, "MULTIMODAL", False):
        raise UserError(f"lm-eval task {task.task_name!r} shows images or sound: choose one that is text alone.")


@cache
def _stock_path(name: str) -> Path:
    """The file that defines a stock task or group; those that are called like it are looked into first."""
    import lm_eval.tasks

    files = sorted(Path(lm_eval.tasks.__file__).parent.rglob("*.yaml"), key=lambda path: name not in path.stem)
    others: set[str] = set()
    for path in files:
        for defined in _DEFINED.findall(path.read_bytes()):
            if defined.decode() == name:
                return path
            others.add(defined.decode())
    near = " or ".join(repr(other) for other in get_close_matches(name, sorted(others), n=3, cutoff=0.6))
    mend = f"did you mean {near}?" if near else "`lm_eval ls tasks` lists them all."
    raise UserError(f"unknown lm-eval task {name!r}: {mend}")


@contextmanager
def _quiet() -> Iterator[None]:
    """lm-eval warns of much that is no business of ours."""
    logger = logging.getLogger("lm_eval")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
