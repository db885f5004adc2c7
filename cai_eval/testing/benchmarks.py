"""What a benchmark promises."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cai_eval.contracts import Benchmark, Item, Metric, Policy, Published, Record, Scorer, Source
from cai_eval.study.judged import with_grades
from cai_eval.testing.promises import build, is_json, promise
from cai_eval.testing.toys import ConstantPolicy, NaNPolicy, RandomPolicy, ToyPolicy, ToyScorer

Subject = Policy | Scorer
BATCH = 3  #: small, so that a few items make several batches


def check_benchmark(plugin: type | str, config: Mapping[str, Any] | None = None, *, source: Source) -> None:
    """Raise AssertionError where a benchmark, a class or a registered name, breaks a promise.

    source: where its rows come from; a dozen rows are enough, a published file also works.
    """
    benchmark: Benchmark = build("benchmarks", plugin, config or {})
    _check_class(benchmark)
    metrics = _check_metrics(benchmark)
    items = _check_items(benchmark, build("benchmarks", plugin, config or {}), source)
    for subject in _subjects(benchmark, RandomPolicy):
        records = _evaluate(benchmark, subject, items)
        _check_records(metrics, items, with_grades(benchmark, items, records, source))
        _check_batches(benchmark, subject, items, records)
    for subject in _subjects(benchmark, NaNPolicy):
        _check_nan(metrics, with_grades(benchmark, items, _evaluate(benchmark, subject, items), source))
    for subject in _subjects(benchmark, ConstantPolicy):
        _check_constant(metrics, with_grades(benchmark, items, _evaluate(benchmark, subject, items), source))


def _subjects(benchmark: Benchmark, toy: Callable[..., ToyPolicy]) -> list[Subject]:
    subjects: list[Subject] = []
    if "policy" in benchmark.accepts:
        subjects += [toy("plain"), toy("dialogue")]
    if "scorer" in benchmark.accepts:
        subjects.append(ToyScorer(toy("plain")))
    return subjects


def _check_class(benchmark: Benchmark) -> None:
    name = type(benchmark).__name__
    promise(isinstance(benchmark.version, str) and benchmark.version, f"{name}.version must be a text, such as '1'")
    promise(
        isinstance(benchmark.data, tuple) and all(isinstance(data, Published) for data in benchmark.data),
        f"{name}.data must be a tuple of Published",
    )
    promise(
        benchmark.accepts and frozenset(benchmark.accepts) <= {"policy", "scorer"},
        f"{name}.accepts must be a frozenset of 'policy', 'scorer' or both",
    )


def _check_metrics(benchmark: Benchmark) -> dict[str, Metric]:
    metrics = list(benchmark.metrics())
    names = [metric.name for metric in metrics]
    promise(len(set(names)) == len(names), f"two metrics share a name: {names}")
    primary = [metric.name for metric in metrics if metric.primary]
    promise(len(primary) == 1, f"exactly one metric must be primary, not {primary}")
    for metric in metrics:
        promise(metric.label, f"the metric {metric.name!r} needs a label for the plots' axes")
        if isinstance(metric.chance, int | float):
            promise(math.isfinite(metric.chance), f"the chance of {metric.name!r} must be finite")
    return {metric.name: metric for metric in metrics}


def _check_items(benchmark: Benchmark, again: Benchmark, source: Source) -> list[Item]:
    items = benchmark.items(source)
    promise(items, "items() must give at least one item")
    seen: set[str] = set()
    for item in items:
        promise(item.id and isinstance(item.id, str), f"an item's id must be a text: {item.id!r}")
        promise(item.id not in seen, f"two items share the id {item.id!r}: comparisons are paired by it")
        seen.add(item.id)
        promise(
            item.cluster and isinstance(item.cluster, str), f"item {item.id!r} needs a cluster (its own id will do)"
        )
        promise(isinstance(item.category, str), f"the category of item {item.id!r} must be a text")
        promise(is_json(item.data), f"the data of item {item.id!r} must be JSON (no tuples, sets or NaN)")
    promise(again.items(source) == items, "items() must give the same items, in the same order, every time")
    return items


def _evaluate(benchmark: Benchmark, subject: Subject, items: Sequence[Item]) -> list[Record]:
    before = copy.deepcopy(items)
    records = list(benchmark.evaluate(subject, items))
    promise(items == before, "evaluate() must not change the items")
    promise(
        [record.item for record in records] == [item.id for item in items],
        "evaluate() must give one record for each item, in order",
    )
    return records


def _check_records(metrics: Mapping[str, Metric], items: Sequence[Item], records: Sequence[Record]) -> None:
    known = set(metrics) | {metric.chance for metric in metrics.values() if isinstance(metric.chance, str)}
    for item, record in zip(items, records, strict=True):
        where = f"the record of item {item.id!r}"
        promise(
            (record.cluster, record.category) == (item.cluster, item.category),
            f"{where} must keep the item's cluster and category",
        )
        strangers = sorted(set(record.scores) - known)
        promise(not strangers, f"{where} has scores {strangers} that metrics() does not name")
        promise(not (record.error and record.scores), f"{where} has an error and scores; it may have one of them")
        promise(record.error or record.scores, f"{where} has neither scores nor an error")
        promise(
            all(isinstance(value, int | float) and math.isfinite(value) for value in record.scores.values()),
            f"{where} must have finite scores: {dict(record.scores)}",
        )
        promise(is_json(dict(record.scores)) and is_json(dict(record.details)), f"{where} must survive JSON")
        texts = (record.prompt, record.answer, record.reference, record.error)
        promise(all(isinstance(text, str) for text in texts), f"{where}: prompt, answer, reference, error are texts")
        for metric in metrics.values():
            if metric.name in record.scores and isinstance(metric.chance, str):
                promise(
                    metric.chance in record.scores,
                    f"{where} needs the score {metric.chance!r}, the chance of {metric.name!r}",
                )
    scored = {name for record in records for name in record.scores}
    unscored = sorted(name for name, metric in metrics.items() if metric.primary and name not in scored)
    promise(not unscored, f"no item has a score for the primary metric {unscored}")


def _check_batches(benchmark: Benchmark, subject: Subject, items: Sequence[Item], whole: Sequence[Record]) -> None:
    parts: list[Record] = []
    for start in range(0, len(items), BATCH):
        parts += benchmark.evaluate(subject, items[start : start + BATCH])
    promise(parts == list(whole), "evaluate() must give the same records in batches as all at once")
    promise(
        list(benchmark.evaluate(subject, items)) == list(whole), "evaluate() must give the same records a second time"
    )
    promise(list(benchmark.evaluate(subject, [])) == [], "evaluate() of no items must give no records")


def _check_nan(metrics: Mapping[str, Metric], records: Sequence[Record]) -> None:
    for record in records:
        if record.error:
            promise(not record.scores, f"the record of item {record.item!r} has an error and scores")
            continue
        for name in record.scores.keys() & metrics.keys():
            value = record.scores[name]
            promise(
                metrics[name].higher_is_better and value == 0,
                f"a model that computes NaN gets {name!r} = {value} on item {record.item!r}: make it an error record",
            )


def _check_constant(metrics: Mapping[str, Metric], records: Sequence[Record]) -> None:
    for metric in metrics.values():
        scored = [record for record in records if metric.name in record.scores]
        if metric.chance is None or not scored:
            continue
        sign = 1 if metric.higher_is_better else -1
        chances = [
            record.scores[metric.chance] if isinstance(metric.chance, str) else metric.chance for record in scored
        ]
        value = math.fsum(record.scores[metric.name] for record in scored) / len(scored)
        chance = math.fsum(chances) / len(scored)
        promise(
            sign * (value - chance) < 1e-9,
            f"a model that finds everything equally probable gets {metric.name!r} = {value:.4g}, chance is "
            f"{chance:.4g}: ties must share the credit",
        )
