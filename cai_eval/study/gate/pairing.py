"""A run beside its baseline: the same places, the same items, asked in the same way, or one sentence why not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from cai_eval.config import validate
from cai_eval.errors import UserError
from cai_eval.pages.scores import scored
from cai_eval.study.gate.baseline import Baseline, Questions, Scored
from cai_eval.study.gate.verdicts import Array, Pair, Place
from cai_eval.study.store import RunDirectory
from cai_eval.study.suite import Threshold


def pairs(baseline: Baseline, run: Baseline, gate: Mapping[str, Threshold]) -> list[Pair]:
    """All places of the baseline. gate: benchmark → thresholds, where they are not the default ones.

    Raises UserError where the two cannot be compared: other suite, other protocol, other items, a place that the run
    lacks, an item that it has no score for.
    """
    if baseline.suite != run.suite:
        raise UserError(
            f"the baseline is of suite {baseline.suite!r}, the run of {run.suite!r}: check a run against a baseline of "
            "its own suite."
        )
    ours, theirs = _places(baseline), _places(run)
    if lacking := [str(place) for place in ours if place not in theirs]:
        raise UserError(
            f"the run lacks {lacking[0]}{_more(len(lacking) - 1)}: run all that the baseline holds, or save a baseline "
            "of less."
        )
    for name in dict.fromkeys(place.benchmark for place in ours):
        _same_questions(name, baseline.benchmarks[name], run.benchmarks[name])
    return [
        _pair(
            place,
            baseline.benchmarks[place.benchmark],
            cells,
            run.benchmarks[place.benchmark],
            theirs[place],
            gate.get(place.benchmark, Threshold()),
        )
        for place, cells in ours.items()
    ]


def thresholds(run: Path) -> dict[str, Threshold]:
    """Benchmark → the thresholds that the run's suite names. Raises UserError where run.json has other ones."""
    suite = RunDirectory.read(run).manifest()["suite"]
    where = str(run / "run.json")
    return {name: validate(Threshold, given, lambda _: where) for name, given in suite.get("gate", {}).items()}


def beyond(baseline: Baseline, run: Baseline) -> list[Place]:
    """What the run has and the baseline lacks, so that nothing is said of it."""
    known = _places(baseline)
    return [place for place in _places(run) if place not in known]


def _places(side: Baseline) -> dict[Place, list[Scored]]:
    places: dict[Place, list[Scored]] = {}
    for cell in side.cells:
        places.setdefault(Place(cell.rung, cell.intervention, cell.benchmark), []).append(cell)
    return places


def _same_questions(benchmark: str, before: Questions, after: Questions) -> None:
    if not after.items:
        raise UserError(f"the run has no score for any item of {benchmark}: see the errors in its records.")
    shared, most = len(set(before.items) & set(after.items)), max(len(before.items), len(after.items))
    if not shared:
        raise UserError(f"the run and the baseline share no item of {benchmark}: run the same data and --limit.")
    was, now = asdict(before.protocol), asdict(after.protocol)
    for key in ("plugin", "version", "config"):
        if was[key] != now[key]:
            raise UserError(
                f"{benchmark} was asked otherwise in the baseline ({key} {was[key]!r}, now {now[key]!r}): save a "
                "baseline of the new protocol."
            )
    if was["items"] != now["items"]:
        raise UserError(
            f"the items of {benchmark} are not those of the baseline ({shared} of {most} have the same name): run the "
            "same data and --limit, or save a new baseline."
        )
    if before.metric.name != after.metric.name:
        raise UserError(f"{benchmark} is read by another metric than in the baseline: save a new baseline.")


def _pair(
    place: Place, asked: Questions, before: Sequence[Scored], now: Questions, after: Sequence[Scored], rule: Threshold
) -> Pair:
    old, new = _scores(asked.items, asked, before), _scores(asked.items, now, after)
    kept = scored(old)
    if not kept.any():
        raise UserError(f"the baseline has no score for any item of {place}: save another.")
    if lost := np.flatnonzero(kept & ~scored(new)).tolist():
        raise UserError(
            f"the run has no score for item {asked.items[lost[0]]}{_more(len(lost) - 1)} of {place}, which the "
            "baseline has: see the errors in its records, mend them and run again."
        )
    return Pair(
        place,
        asked.metric,
        [item for item, keep in zip(asked.items, kept, strict=True) if keep],
        np.array(asked.clusters)[kept],
        old[:, kept],
        new[:, kept],
        same_weights={cell.policy for cell in before} == {cell.policy for cell in after},
        alpha=rule.alpha,
        tolerance=rule.tolerance,
    )


def _scores(items: Sequence[str], asked: Questions, cells: Sequence[Scored]) -> Array:
    """(seeds, items), NaN for none."""
    column = {item: position for position, item in enumerate(asked.items)}
    table = np.array([[*cell.scores, None] for cell in cells], dtype=float)
    return table[:, [column.get(item, -1) for item in items]]


def _more(others: int) -> str:
    return f" and {others} more" if others else ""
