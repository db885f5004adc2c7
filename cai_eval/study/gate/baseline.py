"""A run's scores in one small file that can be committed: what later runs are checked against.

    {"format": 1, "suite": ..., "benchmarks": {name: items, clusters, metric, protocol}, "cells": [scores, ...]}

as zstd-compressed JSON, the same bytes for the same records. Nothing is unpickled.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np

from cai_eval.config import validate
from cai_eval.contracts import Metric, PolicySpec, Results, ScorerSpec
from cai_eval.errors import UserError
from cai_eval.pages.scores import item_scores, primary
from cai_eval.study.graph import digest, policy_identity
from cai_eval.study.results import load_results
from cai_eval.study.store import RunDirectory, publish

FORMAT = 1
_LEVEL = 19  #: of zstd: a baseline is written seldom and kept for long


@dataclass(frozen=True)
class Protocol:
    """How a benchmark was asked. items: hash of their whole content."""

    plugin: str
    version: str
    config: dict[str, Any]
    items: str


@dataclass(frozen=True)
class Questions:
    """A benchmark's items with their clusters, numbered from 0, and its primary metric."""

    protocol: Protocol
    metric: Metric
    items: tuple[str, ...]
    clusters: tuple[int, ...]


@dataclass(frozen=True)
class Scored:
    """One cell. rung: the size, shared by replicates. seed: "replicate/training seed". policy: hash of the weights,
    prefix and format that answered. scores: of each item, None where it has none.
    """

    rung: str
    intervention: str
    benchmark: str
    seed: str
    policy: str
    scores: tuple[float | None, ...]


@dataclass(frozen=True)
class Baseline:
    """settings: dtype, seed, limit and so on, for people; they do not have to be equal."""

    format: int
    suite: str
    ladder: str
    settings: dict[str, Any]
    benchmarks: dict[str, Questions]
    cells: tuple[Scored, ...]


def baseline_of(run: Path) -> Baseline:
    """The scores of a finished run by its primary metrics; of an imported one, of the cells that have items.

    Raises UserError where a cell has no result, and where none has an item.
    """
    directory = RunDirectory.read(run)
    manifest = directory.manifest()
    if "protocols" not in manifest:
        raise UserError(
            f"{str(run)!r} does not say how its items were asked: run the same command again, which computes nothing "
            "anew."
        )
    for entry in manifest["cells"]:
        if not directory.cell(entry["hash"]).finished():
            place = f"{entry['rung']}, {entry['intervention']}, {entry['benchmark']}"
            raise UserError(f"{place} of {str(run)!r} has no result: run the same command again, or leave it out.")
    results = load_results([run])
    cells = tuple(_cells(results, {entry["hash"]: _policy(directory, entry) for entry in manifest["cells"]}))
    if not cells:
        raise UserError(f"{str(run)!r} holds means and no items: import it again with its sample files.")
    return Baseline(
        FORMAT,
        manifest["suite"]["name"],
        manifest.get("ladder", ""),
        manifest.get("settings", {}),
        {
            name: _questions(results, name, manifest["protocols"][name])
            for name in dict.fromkeys(cell.benchmark for cell in cells)
        },
        cells,
    )


def save_baseline(baseline: Baseline, path: Path) -> None:
    """Write it, as `store.publish` does."""
    import pyarrow as pa

    text = json.dumps(asdict(baseline), sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    packed = pa.Codec("zstd", compression_level=_LEVEL).compress(text.encode("utf-8"), asbytes=True)
    publish(path, packed)


def load_baseline(path: Path) -> Baseline:
    """Read it. Raises UserError for a file that is missing, truncated, of another kind or of another version."""
    import pyarrow as pa

    try:
        with pa.input_stream(str(path), compression="zstd") as stream:
            data = json.loads(stream.read())
        found = data["format"]
    except FileNotFoundError:
        raise UserError(f"baseline {str(path)!r} does not exist: make it with `cai-eval baseline save`.") from None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UserError(
            f"{str(path)!r} is no whole baseline ({error}): fetch it again, or make it with `cai-eval baseline save`."
        ) from error
    if found != FORMAT:
        raise UserError(
            f"{str(path)!r} was written by another version of cai-eval (format {found}, not {FORMAT}): save it again "
            "with this one."
        )
    baseline = validate(Baseline, data, lambda _: str(path))
    if not baseline.cells:
        raise UserError(f"{str(path)!r} holds no cell: save it again.")
    for cell in baseline.cells:
        asked = baseline.benchmarks.get(cell.benchmark)
        if asked is None or not len(asked.items) == len(asked.clusters) == len(cell.scores):
            raise UserError(f"{str(path)!r} does not have one score for each item of {cell.benchmark}: save it again.")
        if not all(score is None or isfinite(score) for score in cell.scores):
            raise UserError(f"{str(path)!r} has scores of {cell.benchmark} that are no numbers: save it again.")
    return baseline


def _questions(results: Results, benchmark: str, protocol: Mapping[str, Any]) -> Questions:
    metric = primary(results.metrics[benchmark])
    data = item_scores(results, benchmark, metric.name)
    return Questions(Protocol(**protocol), metric, tuple(data.items), tuple(data.clusters.tolist()))


def _cells(results: Results, policies: Mapping[str, str]) -> Iterator[Scored]:
    for benchmark, metrics in results.metrics.items():
        metric = primary(metrics).name
        data = item_scores(results, benchmark, metric)
        for row in results.cells[results.cells["benchmark"] == benchmark].itertuples():
            if metric in row.means:  # imported without its items
                continue
            values = data.columns.get(row.Index, np.full(len(data.items), np.nan)).tolist()
            scores = tuple(value if isfinite(value) else None for value in values)
            policy = policies[row.Index.partition(".")[0]]
            yield Scored(row.rung, row.intervention, benchmark, row.seed, policy, scores)


def _policy(directory: RunDirectory, entry: Mapping[str, Any]) -> str:
    """What answered: by its weights where they were trained here or imported, else by all that made it."""
    lineage = (directory.cell(entry["hash"]).summary() or {}).get("lineage")
    if lineage is None:
        rungs = {rung["label"]: rung for rung in directory.manifest()["rungs"]}
        return str(rungs[entry["rung"]]["fingerprint"])
    match directory.artefact(lineage["hash"]):
        case PolicySpec() as policy:
            return digest(policy_identity(policy))
        case ScorerSpec(fingerprint=fingerprint):
            return fingerprint
    return str(lineage["hash"])
