"""Results of other programs as run directories, so that everything that reads a run reads them too."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from cai_eval.contracts import PolicySpec
from cai_eval.errors import UserError
from cai_eval.models.ladder import ladder_names, load_ladder
from cai_eval.provenance import environment
from cai_eval.study.importing.lm_eval_files import Evaluation, Task, read
from cai_eval.study.store import RunDirectory

SUITE = "lm-eval import"
BASE = "none"
#: parts of a model's name that say nothing of its size
VARIANTS = frozenset({"v0", "v1", "v1.1", "deduped", "bf16", "fp16", "hf", "base"})


def import_lm_eval(files: Sequence[Path], out: Path, tasks: Sequence[str] = (), sizes: Mapping[str, int] = {}) -> int:
    """Write the run that lm-eval's results and sample files tell of; the number of its cells.

    A task whose samples are there has records. Of any other only means and standard errors are known: its cell holds
    these (`means` in cell.json) and no record, so it is drawn with its interval, and never compared item by item.
    files: or folders, for all that lies below. tasks: only those that match one of these patterns. sizes:
    non-embedding parameters of models that no built-in ladder knows. Raises UserError: an unknown format, an unknown
    size, a task given twice for a model, a folder with an import of something else.
    """
    evaluations = read(files)
    rungs = _distinct({_identity(each): _rung(each, sizes) for each in evaluations})
    cells: dict[str, tuple[dict[str, Any], Task]] = {}
    origins: dict[str, Path] = {}
    for each in evaluations:
        for task in each.tasks:
            if tasks and not any(fnmatch(task.name, pattern) for pattern in tasks):
                continue
            rung = rungs[_identity(each)]
            entry = {"rung": rung["label"], "parameters": rung["parameters"], "intervention": BASE, "seed": 0}
            entry["benchmark"] = f"lm-eval:{task.name}"
            key = _digest(_identity(each), task.name)
            if key in cells:
                raise UserError(
                    f"{origins[key].name!r} and {each.path.name!r} both hold {task.name} of {rung['label']}: import "
                    "them into a run each."
                )
            cells[key], origins[key] = ({"hash": key, **entry}, task), each.path
    if not cells:
        raise UserError(
            "no task of these files is asked for: see --tasks." if tasks else "these files hold no score: give others."
        )
    run = RunDirectory.create(out, SUITE)
    _refuse_other(run, cells.keys())
    with run.lock():
        for key, (entry, task) in cells.items():
            run.cell(key).publish(task.records, _summary(entry, task))
        run.write_manifest(_manifest(sorted(rungs.values(), key=lambda rung: rung["parameters"]), list(cells.values())))
    return len(cells)


def _distinct(rungs: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Two models of one name, of different people, go by their whole names."""
    names = Counter(rung["label"] for rung in rungs.values())
    own = {identity: rung["label"] if names[rung["label"]] == 1 else identity for identity, rung in rungs.items()}
    return {identity: {**rung, "label": own[identity], "size": own[identity]} for identity, rung in rungs.items()}


def _refuse_other(run: RunDirectory, cells: Collection[str]) -> None:
    """What was imported before is not forgotten for something else."""
    if not (run.path / "run.json").exists():
        return
    lost = [entry for entry in run.manifest()["cells"] if entry["hash"] not in cells]
    if lost:
        raise UserError(
            f"{str(run.path)!r} holds an import with {lost[0]['benchmark']} of {lost[0]['rung']}, which is not among "
            "these files: give all files at once, or choose another --out."
        )


def known_sizes() -> dict[str, tuple[int, str]]:
    """Model's name without its variants → non-embedding parameters and the built-in ladder that has it."""
    return {
        _plain(rung.model): (rung.parameters, name)
        for name in ladder_names()
        for rung in load_ladder(name).rungs
        if rung.parameters is not None
    }


def _plain(model: str) -> str:
    return "-".join(part for part in model.lower().rpartition("/")[2].split("-") if part not in VARIANTS)


def _identity(each: Evaluation) -> str:
    return f"{each.model}@{each.revision}" if each.revision else each.model


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def _rung(each: Evaluation, sizes: Mapping[str, int]) -> dict[str, Any]:
    """What run.json says of the model. Its label is its name, for many may be of one size."""
    identity = _identity(each)
    label = identity.rpartition("/")[2]
    parameters = sizes.get(label.partition("@")[0]) or known_sizes().get(_plain(each.model), (0, ""))[0]
    if not parameters:
        raise UserError(
            f"the size of {each.model!r} is not known: give its non-embedding parameters, as in "
            f"--size {label.partition('@')[0]}=302M."
        )
    spec = PolicySpec(identity, each.fingerprint or _digest(identity), parameters, context=0)
    return {"label": label, "size": label, "replicate": 0, **asdict(spec)}


def _summary(entry: Mapping[str, Any], task: Task) -> dict[str, Any]:
    """cell.json; what lm-eval's files do not tell is 0."""
    return {
        **entry,
        "format": "plain",
        "label": "",
        "prefix_tokens": 0,
        "tokens": 0,
        "excluded": [],
        "source": "lm-eval",
        "items": task.items,
        "errors": sum(bool(record.error) for record in task.records),
        "seconds": 0.0,
        "timed_items": 0,
        "means": {name: list(mean) for name, mean in task.means.items()},
        "metrics": [asdict(metric) for metric in task.metrics],
    }


def _manifest(rungs: Sequence[Mapping[str, Any]], cells: Sequence[tuple[dict[str, Any], Task]]) -> dict[str, Any]:
    tasks = {entry["benchmark"]: task for entry, task in cells}
    known = known_sizes()
    ladders = {known.get(_plain(rung["model"].partition("@")[0]), (0, ""))[1] for rung in rungs}
    config = {name: {"task": task.name, "shots": task.shots} for name, task in tasks.items()}
    alone = sum(not task.records for _, task in cells)
    note = (
        f"Of {alone} of {len(cells)} cells only means and standard errors are known: they take part in no paired test."
    )
    return {
        "laboratory": "",
        "ladder": ladders.pop() if len(ladders) == 1 else "models",
        "settings": {},
        "environment": environment(),
        "suite": {
            "name": SUITE,
            "title": "Results of lm-eval",
            "description": "Made by lm-evaluation-harness, imported from its files.",
            "interventions": {BASE: {"trainer": BASE, "title": "no intervention"}},
            "benchmarks": {name: {"benchmark": "lm-eval", "config": config[name]} for name in tasks},
            "reports": {"scaling": {}},
        },
        "interventions": [BASE],
        "rungs": list(rungs),
        "cells": [entry for entry, _ in cells],
        "protocols": {
            name: {
                "plugin": "lm-eval",
                "version": task.version,
                "config": config[name],
                "items": _digest(*(record.item for record in task.records)),
            }
            for name, task in tasks.items()
        },
        "skipped": [],
        "notes": [note] if alone else [],
    }
