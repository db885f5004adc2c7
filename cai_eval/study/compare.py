"""Runs against each other: the same rung, intervention, benchmark and item in both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from cai_eval import statistics
from cai_eval.contracts import Results
from cai_eval.errors import UserError
from cai_eval.pages.scores import primary
from cai_eval.study.results import load_results

KEY = ["rung", "intervention", "seed", "benchmark"]


@dataclass(frozen=True)
class Comparison:
    """changes: one row for each cell that both runs have. lacking: the cells that one of the two runs lacks."""

    changes: pd.DataFrame
    lacking: tuple[str, ...]


def compare_runs(runs: Sequence[Path]) -> Comparison:
    """Each later run against the first, by the primary metrics. The changes are one family of tests.

    Their columns: run, rung, intervention, seed, benchmark, metric, before, after (means on the shared items), change
    (after − before), low, high (95 %), p (two-sided sign-flip by cluster), p_adjusted, detectable (least change found
    with 80 % power at the level shared among the rows), items. Raises UserError where no item is shared.
    """
    first = load_results(runs[:1])
    others = {run: load_results([run]) for run in runs[1:]}
    pairs = [pair for run, other in others.items() for pair in _pairs(run, first, other)]
    if not pairs:
        raise UserError("the runs share no item of any cell: compare runs of the same models, suite and data.")
    rows = [_row(about, before, after, 0.05 / len(pairs)) for about, before, after in pairs]
    frame = pd.DataFrame(rows)
    frame.insert(frame.columns.get_loc("p") + 1, "p_adjusted", statistics.benjamini_hochberg(frame["p"].to_numpy()))
    ours = _cells(first).keys()
    lacking = [
        f"{rung}, {intervention}, {benchmark} (seed {seed}) is only in {runs[0] if key in ours else run}"
        for run, other in others.items()
        for key in sorted(ours ^ _cells(other).keys())
        for rung, intervention, seed, benchmark in [key]
    ]
    return Comparison(frame, tuple(dict.fromkeys(lacking)))


def _pairs(run: Path, first: Results, other: Results) -> list[tuple[dict[str, Any], pd.DataFrame, pd.DataFrame]]:
    theirs = _cells(other)
    pairs = []
    for key, cell in _cells(first).items():
        if key not in theirs:
            continue
        metric = primary(first.metrics[key[3]]).name
        before, after = _scores(first, cell, metric), _scores(other, theirs[key], metric)
        shared = before.index.intersection(after.index)
        if len(shared):
            about = {"run": run.name, **dict(zip(KEY, key, strict=True)), "metric": metric}
            pairs.append((about, before.loc[shared], after.loc[shared]))
    return pairs


def _cells(results: Results) -> dict[tuple[Any, ...], str]:
    """Where a study has them → cells."""
    cells: dict[tuple[Any, ...], str] = results.cells.reset_index().set_index(KEY)["cell"].to_dict()
    return cells


def _scores(results: Results, cell: str, metric: str) -> pd.DataFrame:
    rows = results.records[(results.records["cell"] == cell) & (results.records["metric"] == metric)]
    return rows.set_index(rows["item"].astype(str))[["cluster", "value"]]


def _row(about: dict[str, Any], before: pd.DataFrame, after: pd.DataFrame, alpha: float) -> dict[str, Any]:
    clusters = pd.factorize(before["cluster"])[0]
    new, old = after["value"].to_numpy(float), before["value"].to_numpy(float)
    change = statistics.difference_interval(new, old, clusters)
    return {
        **about,
        "before": old.mean(),
        "after": new.mean(),
        "change": change.value,
        "low": change.low,
        "high": change.high,
        "p": statistics.sign_flip(new - old, clusters),
        "detectable": statistics.minimum_detectable_effect(new - old, clusters, alpha=alpha),
        "items": len(old),
    }
