"""Run a plan on this machine: artefacts first, then cells, each resumable at any instant."""

from __future__ import annotations

import math
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

from cai_eval import registry
from cai_eval.contracts import IDEAL, Artefact, Benchmark, Item, Policy, PolicySpec, Record, Scorer, Source
from cai_eval.errors import UserError
from cai_eval.study.graph import Node, describe
from cai_eval.study.judged import with_grades
from cai_eval.study.making import Maker, NotMade
from cai_eval.study.plan import Cell, Plan, items_digest
from cai_eval.study.store import CellDirectory, RunDirectory
from cai_eval.study.workshop import Models

#: Items a batch. Batches start at multiples of it whatever was done before, so that a resumed run packs, and
#: therefore rounds, as an undisturbed one does. It is also what a kill can lose.
BATCH = 64


class Listener:
    """Hears what the runner does; the command line draws it."""

    def started(self, cell: Cell, done: int) -> None:
        """A cell begins, with `done` items already in its journal."""

    def advanced(self, cell: Cell, done: int) -> None:
        """`done` items of the cell are on disk."""

    def finished(self, cell: Cell, failure: str) -> None:
        """The cell has its result, or says why it has none."""

    def making(self, node: Node, done: float, total: float, note: str) -> None:
        """A trainer works on a node."""

    def notice(self, text: str) -> None:
        """Something a reader should know."""


class CellError(Exception):
    """Why a cell has no result, as a sentence."""


@contextmanager
def of_this_cell() -> Iterator[None]:
    """What the user can mend of one model fails its cells; the rest of the study goes on."""
    try:
        yield
    except UserError as error:
        raise CellError(str(error)) from error


@dataclass(frozen=True)
class Outcome:
    """computed and reused: cells. failures: cell → one sentence."""

    computed: int
    reused: int
    failures: Mapping[str, str]


Work = Callable[[Sequence[Cell]], Mapping[str, str]]  #: computes cells and gives their failures, as in `Outcome`


def run_plan(plan: Plan, directory: RunDirectory, work: Work, about: Mapping[str, Any]) -> Outcome:
    """Make every artefact and cell of the plan that is not there yet.

    work: `Runner.work`, or `parallel.SideBySide.work`. about: goes into run.json beside the plan (environment,
    settings). Raises UserError for what only the user can mend (a full disk), KeyboardInterrupt on Ctrl-C; both
    resumable.
    """
    with directory.lock():
        directory.write_manifest({**about, **manifest(plan)})
        todo = unfinished(plan, directory)
        failures = work(todo)
    return Outcome(len(todo) - len(failures), len(plan.cells) - len(todo), failures)


def unfinished(plan: Plan, directory: RunDirectory) -> list[Cell]:
    """The cells to compute, each once: two points of the plan with one policy have one cell."""
    cells = {cell.hash: cell for cell in reversed(plan.cells)}
    return [cell for cell in plan.cells if cell is cells[cell.hash] and not directory.cell(cell.hash).finished()]


def manifest(plan: Plan) -> dict[str, Any]:
    """What run.json says of the plan."""
    return {
        "suite": plan.suite.model_dump(mode="json"),
        "interventions": list(plan.interventions),
        "rungs": [
            {"label": base.label, "size": base.size or base.label, "replicate": base.replicate, **asdict(base.policy)}
            for base in plan.bases
        ],
        "cells": [{"hash": cell.hash, **place(cell)} for cell in plan.cells],
        "trained": [
            {
                "hash": made.node.hash,
                "intervention": made.intervention,
                "rung": made.rung,
                "parameters": made.parameters,
                "seed": made.run,
                "kind": made.node.kind,
                "trainer": made.node.trainer,
                "config": dict(made.node.config),
                "inputs": dict(made.inputs),
            }
            for made in plan.makings
        ],
        "protocols": {cell.benchmark: protocol(cell) for cell in {c.benchmark: c for c in plan.cells}.values()},
        "skipped": [asdict(skip) for skip in plan.skipped],
        "notes": list(plan.notes),
    }


class Runner:
    """Computes cells in this process, one after the other."""

    def __init__(self, directory: RunDirectory, models: Models, source: Source, listener: Listener) -> None:
        self.directory = directory
        self.models = models
        self.source = source
        self.listener = listener
        self.maker = Maker(directory, models, source, listener.making)
        self._failures: dict[str, str] = {}

    def work(self, cells: Sequence[Cell]) -> Mapping[str, str]:
        """What failed; it is recorded, and the others go on."""
        for cell in cells:
            self._run(cell)
        return self._failures

    def _run(self, cell: Cell) -> None:
        store = self.directory.cell(cell.hash)
        summary = cell_summary(cell, self.source)
        try:
            self._evaluate(cell, self.maker.artefact(cell.node), store, summary)
        except UserError:
            raise
        except Exception as error:
            failure = str(error) if isinstance(error, (CellError, NotMade)) else f"{type(error).__name__}: {error}"
            self._failures[called(cell)] = failure
            store.fail({**summary, "failure": failure, "traceback": traceback.format_exc()})
            self.listener.finished(cell, failure)
        else:
            self.listener.finished(cell, "")

    def _evaluate(self, cell: Cell, artefact: Artefact, store: CellDirectory, summary: dict[str, Any]) -> None:
        benchmark: Benchmark = registry.create("benchmarks", cell.plugin, cell.config)
        records = store.resume([item.id for item in cell.items])
        with of_this_cell():
            subject = self.models.subject(artefact)
        before = self.models.usage(artefact)
        summary["notice"] = self.models.notice(artefact)
        if summary["notice"]:
            self.listener.notice(f"{cell.rung}: {summary['notice']}")
        self.listener.started(cell, len(records))
        first, start = len(records), time.perf_counter()
        with store.journal() as journal:
            while len(records) < len(cell.items):
                end = (len(records) // BATCH + 1) * BATCH
                items = cell.items[len(records) : end]
                batch = with_grades(benchmark, items, evaluate_batch(benchmark, subject, items), self.source)
                if isinstance(artefact, PolicySpec):
                    batch = [
                        with_ideal(record, self.source.ideal(cell.plugin, item, artefact))
                        for record, item in zip(batch, items, strict=True)
                    ]
                journal.add(batch)
                records += batch
                self.listener.advanced(cell, len(records))
        after = self.models.usage(artefact)
        summary |= {
            "items": len(records),
            "errors": sum(bool(record.error) for record in records),
            "seconds": time.perf_counter() - start,
            "timed_items": len(records) - first,
            "usage": {
                "sent_tokens": after.sent - before.sent,
                "unique_tokens": after.unique - before.unique,
                "cache_bytes": after.cache_bytes,
            },
            "metrics": [asdict(metric) for metric in benchmark.metrics()],
        }
        if all(record.error for record in records):
            store.restart()
            raise CellError(f"every item failed, the first with: {records[0].error}")
        store.publish(records, summary)


def evaluate_batch(benchmark: Benchmark, subject: Policy | Scorer, items: Sequence[Item]) -> list[Record]:
    """One record an item, in order; where the batch raises, its items are tried one by one.

    A record of another item, or a missing one, is a bug of the benchmark's and raises.
    """
    try:
        records = list(benchmark.evaluate(subject, items))
    except UserError:
        raise
    except Exception as error:
        if len(items) == 1:
            return [Record.failed(items[0], f"{type(error).__name__}: {error}")]
        return [record for item in items for record in evaluate_batch(benchmark, subject, [item])]
    if [record.item for record in records] != [item.id for item in items]:
        raise RuntimeError(f"benchmark {benchmark.name!r} did not give one record for each item, in order")
    return [checked(record) for record in records]


def checked(record: Record) -> Record:
    """The record, or one that says that a score is not a number: no model is credited for NaN."""
    wrong = [name for name, score in record.scores.items() if math.isnan(score)]
    return replace(record, scores={}, error=f"{' and '.join(wrong)} is not a number") if wrong else record


def with_ideal(record: Record, ideal: float | None) -> Record:
    """The record with the ideal observer's score beside its own, where there are both."""
    return record if ideal is None or record.error else replace(record, scores={**record.scores, IDEAL: ideal})


def called(cell: Cell) -> str:
    """How failures name a cell."""
    seed = f", seed {cell.run}" if cell.run else ""
    return f"{cell.rung}, {cell.intervention}, {cell.benchmark}{seed}"


def place(cell: Cell) -> dict[str, Any]:
    """Where a study has the cell, by the names that its suite and ladder use."""
    return {
        "rung": cell.rung,
        "parameters": cell.parameters,
        "intervention": cell.intervention,
        "seed": cell.run,
        "benchmark": cell.benchmark,
    }


def protocol(cell: Cell) -> dict[str, Any]:
    """What two runs must agree on before their scores may be compared. items: their hash."""
    return {
        "plugin": cell.plugin,
        "version": registry.load("benchmarks", cell.plugin).version,
        "config": dict(cell.config),
        "items": items_digest(cell.items),
    }


def cell_summary(cell: Cell, source: Source) -> dict[str, Any]:
    """What cell.json says of a cell before it has run."""
    policy = cell.node.artefact
    spec = policy if isinstance(policy, PolicySpec) else None
    return {
        "hash": cell.hash,
        **place(cell),
        "format": spec.format if spec else "",
        "label": spec.prefix.label if spec else "",
        "prefix_tokens": len(spec.prefix.ids) if spec else 0,
        "tokens": cell.tokens,
        "excluded": list(cell.excluded),
        "source": source.name,
        "lineage": describe(cell.node),
    }
