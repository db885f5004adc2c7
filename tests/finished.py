"""Finished runs made up without a model: of one size, on one benchmark."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cai_eval.contracts import Metric, Record
from cai_eval.study.store import RunDirectory

ACCURACY = Metric("accuracy", "accuracy", primary=True)
PROTOCOL = {"plugin": "quiz", "version": "1", "config": {"shots": 0}, "items": "digest"}

MEASURED = {
    **dict.fromkeys(("prefix_tokens", "tokens", "errors", "timed_items"), 0),
    **dict.fromkeys(("format", "label", "source"), ""),
    "seconds": 1.0,
    "excluded": [],
}


def write_run(
    path: Path,
    scores: Mapping[str, Sequence[Sequence[float | None]]],
    *,
    suite: str = "s",
    gate: Mapping[str, Any] | None = None,
    metric: Metric = ACCURACY,
    protocol: Mapping[str, Any] = PROTOCOL,
    names: str = "i",
    weights: str = "w",
    models: int = 1,
    size: str = "tiny",
    model: str = "m",
) -> Path:
    """scores: intervention → (seeds, items), None for an error. names: what item ids begin with. models: replicates of
    the size, which then stand in the place of training seeds."""
    run = RunDirectory.create(path, suite)
    cells = []
    for intervention, seeds in scores.items():
        for seed, values in enumerate(seeds):
            replicate, seed = (seed, 0) if models > 1 else (0, seed)
            place = {"rung": f"{size}-{replicate}", "intervention": intervention, "seed": seed, "benchmark": "quiz"}
            cells.append({"hash": f"{intervention}{replicate}{seed}", "parameters": 9, **place})
            lineage = {"hash": cells[-1]["hash"] + weights}
            summary = MEASURED | {"items": len(values), "metrics": [vars(metric)], "lineage": lineage}
            run.cell(cells[-1]["hash"]).publish(
                [
                    Record(f"{names}{i}", f"c{i // 2}", "", {} if value is None else {metric.name: value})
                    for i, value in enumerate(values)
                ],
                summary,
            )
    run.write_manifest(
        {
            "suite": {"name": suite, "interventions": {}, "gate": gate or {}},
            "interventions": list(scores),
            "rungs": [
                {"label": f"{size}-{i}", "size": size, "replicate": i, "model": f"{model}{i}"} for i in range(models)
            ],
            "cells": cells,
            "protocols": {"quiz": protocol},
        }
    )
    return path
