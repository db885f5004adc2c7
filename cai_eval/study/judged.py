"""Grades of free answers: a benchmark keeps the texts, the source of its prompts says what people would think of them.

Kept apart from `evaluate`, so that answers can be judged anew without a model (`cai-eval run --rescore`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol, runtime_checkable

from cai_eval.contracts import Item, Record, Source


@runtime_checkable
class Judged(Protocol):
    """A benchmark whose records hold answers that a source may know how to judge."""

    def judged(self, item: Item, record: Record, source: Source) -> Record:
        """The record with the scores that follow from `source.judge`; the same record where the source knows none."""
        ...


def with_grades(benchmark: Any, items: Iterable[Item], records: Iterable[Record], source: Source) -> list[Record]:
    """The records, judged where the benchmark asks for it; one that holds an error stays as it is."""
    if not isinstance(benchmark, Judged):
        return list(records)
    pairs = zip(items, records, strict=True)
    return [record if record.error else benchmark.judged(item, record, source) for item, record in pairs]
