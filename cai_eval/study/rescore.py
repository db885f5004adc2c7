"""Judge the answers that a run holds again, without a model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol, runtime_checkable

from cai_eval import registry
from cai_eval.contracts import Item, PolicySpec, Record, Source
from cai_eval.errors import UserError
from cai_eval.study.judged import Judged, with_grades
from cai_eval.study.plan import Cell, Plan
from cai_eval.study.run import Listener, Outcome, called, checked, with_ideal
from cai_eval.study.store import RunDirectory


@runtime_checkable
class Rescorable(Protocol):
    """A benchmark whose records hold all that was answered."""

    def rescore(self, items: Sequence[Item], records: Sequence[Record]) -> Iterator[Record]:
        """One record for each item, in order, judged from what the old one holds."""
        ...


def rescore_plan(plan: Plan, directory: RunDirectory, source: Source, listener: Listener) -> Outcome:
    """Judge every finished cell anew whose benchmark can; the others, and the unfinished, stay as they are.

    computed: cells judged anew. reused: the other finished ones. A cell in which nothing could be judged any more
    keeps its old records and is a failure. Raises UserError where no cell is finished.
    """
    finished = [cell for cell in {c.hash: c for c in plan.cells}.values() if directory.cell(cell.hash).finished()]
    if not finished:
        raise UserError(f"no cell of {directory.path} is finished: leave --rescore out, so that they are computed.")
    failures: dict[str, str] = {}
    judged = 0
    with directory.lock():
        for cell in finished:
            benchmark = registry.create("benchmarks", cell.plugin, cell.config)
            if not isinstance(benchmark, Rescorable | Judged):
                continue
            listener.started(cell, 0)
            failure = _rescore(cell, benchmark, directory, source)
            listener.finished(cell, failure)
            if failure:
                failures[called(cell)] = failure
            else:
                judged += 1
    return Outcome(judged, len(finished) - judged - len(failures), failures)


def _rescore(cell: Cell, benchmark: Rescorable | Judged, directory: RunDirectory, source: Source) -> str:
    """Publish the cell's new records; why that cannot be, or ""."""
    store = directory.cell(cell.hash)
    held = store.records()
    again = benchmark.rescore(cell.items, held) if isinstance(benchmark, Rescorable) else held
    records = [checked(record) for record in with_grades(benchmark, cell.items, again, source)]
    if records and all(record.error for record in records):
        return f"every item failed, the first with: {records[0].error}"
    policy = directory.artefact(cell.node.hash) or cell.node.artefact
    if isinstance(policy, PolicySpec):
        ideals = [source.ideal(cell.plugin, item, policy) for item in cell.items]
        records = [with_ideal(record, ideal) for record, ideal in zip(records, ideals, strict=True)]
    summary = store.summary() or {}
    store.publish(records, {**summary, "errors": sum(bool(record.error) for record in records), "rescored": True})
    return ""
