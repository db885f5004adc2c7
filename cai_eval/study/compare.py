"""Runs against each other: the same model, intervention, benchmark and item in both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import hypot, isfinite
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import special

from cai_eval import statistics
from cai_eval.contracts import Results
from cai_eval.errors import UserError
from cai_eval.pages import scores
from cai_eval.study.results import load_results
from cai_eval.study.store import RunDirectory

Key = tuple[str, str, str, str]  #: rung, intervention, seed, benchmark
KEY = ["rung", "intervention", "seed", "benchmark"]
ALPHA, POWER = 0.05, 0.8


@dataclass(frozen=True)
class Comparison:
    """changes: one row for each cell that both runs have. notes: what was not compared, or asked otherwise."""

    changes: pd.DataFrame
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Known:
    """What a run knows of one cell. items: clusters and values by item, empty for imported means alone. mean, se: of
    the whole cell, se NaN where nobody says.
    """

    items: pd.DataFrame
    mean: float
    se: float


def compare_runs(runs: Sequence[Path]) -> Comparison:
    """Each later run against the first, by the primary metrics. The changes are one family of tests.

    Rungs of one label belong together, else those of one model, else the only rungs of two runs. Where both runs have
    items, the shared ones are compared in pairs; where one of them has imported means alone, the means are, as if of
    other items, which errs on the side of no change.

    Columns: run, rung, intervention, seed, benchmark, metric, before, after (means of what is compared), change
    (after − before), low, high (95 %), p (two-sided: sign-flip by cluster, or by z where unpaired), p_adjusted,
    detectable (least change found with 80 % power at the level shared among the rows), items, paired. Raises UserError
    where nothing can be compared.
    """
    first, notes = load_results(runs[:1]), list[str]()
    several = len({run.name for run in runs}) < len(runs)  # of one name, in different folders
    found: list[tuple[dict[str, Any], Known, Known]] = []
    for run in runs[1:]:
        other = load_results([run])
        theirs = _cells(other, _same_rungs(first, other))
        ours = _cells(first, {})
        notes += [_only_in(runs[0] if key in ours else run, key) for key in sorted(ours.keys() ^ theirs.keys())]
        notes += _asked_otherwise(runs[0], run, {key[-1] for key in ours.keys() & theirs.keys()})
        for key in (key for key in ours if key in theirs):
            metric = scores.primary(first.metrics[key[-1]]).name
            before, after = _known(first, ours[key], metric), _known(other, theirs[key], metric)
            about = {"run": str(run) if several else run.name, **dict(zip(KEY, key, strict=True)), "metric": metric}
            if _comparable(before, after):
                found.append((about, before, after))
            else:
                notes.append(f"not compared: {_place(key)} has no item in {run} that {runs[0]} has, and no error bar")
    if not found:
        raise UserError("the runs share no item of any cell: compare runs of the same models, suite and data.")
    frame = pd.DataFrame([_row(*each, alpha=ALPHA / len(found)) for each in found])
    frame.insert(frame.columns.get_loc("p") + 1, "p_adjusted", statistics.benjamini_hochberg(frame["p"].to_numpy()))
    return Comparison(frame, tuple(dict.fromkeys(notes)))


def _cells(results: Results, renamed: dict[str, str]) -> dict[Key, str]:
    """Where a study has them → cells; rungs by their new names."""
    table = results.cells.assign(rung=results.cells["rung"].replace(renamed)).reset_index().set_index(KEY)
    cells: dict[Key, str] = table["cell"].to_dict()
    return cells


def _same_rungs(first: Results, other: Results) -> dict[str, str]:
    """Rungs of the other run that go by another label in the first → that label."""
    ours, theirs = (dict[str, str](zip(run.cells["rung"], run.cells["model"], strict=True)) for run in (first, other))
    if len(ours) == len(theirs) == 1:
        return dict(zip(theirs, ours, strict=True))
    by_model: dict[str, str] = {model: rung for rung, model in ours.items()}
    found = {rung: by_model.get(model, rung) for rung, model in theirs.items() if rung not in ours}
    return {rung: label for rung, label in found.items() if label not in theirs}


def _known(results: Results, cell: str, metric: str) -> Known:
    rows = results.records[(results.records["cell"] == cell) & (results.records["metric"] == metric)]
    items = rows.set_index(rows["item"].astype(str))[["cluster", "value"]]
    mean, se = results.cells.loc[cell, "means"].get(metric, (np.nan, np.nan))
    if len(items):
        estimate = statistics.mean_interval(items["value"].to_numpy(float), pd.factorize(items["cluster"])[0])
        mean, se = estimate.value, estimate.se
    return Known(items, float(mean), float(se))


def _comparable(before: Known, after: Known) -> bool:
    if len(before.items) and len(after.items):
        return not before.items.index.intersection(after.items.index).empty
    return isfinite(before.mean + after.mean) and hypot(before.se, after.se) > 0


def _row(about: dict[str, Any], before: Known, after: Known, alpha: float) -> dict[str, Any]:
    shared = before.items.index.intersection(after.items.index)
    measured = _paired(before.items.loc[shared], after.items.loc[shared], alpha) if len(shared) else None
    return {**about, **(measured or _unpaired(before, after, alpha)), "items": len(shared), "paired": bool(len(shared))}


def _paired(before: pd.DataFrame, after: pd.DataFrame, alpha: float) -> dict[str, float]:
    clusters = pd.factorize(before["cluster"])[0]
    new, old = after["value"].to_numpy(float), before["value"].to_numpy(float)
    change = statistics.difference_interval(new, old, clusters)
    return {
        "before": old.mean(),
        "after": new.mean(),
        "change": change.value,
        "low": change.low,
        "high": change.high,
        "p": statistics.sign_flip(new - old, clusters),
        "detectable": statistics.minimum_detectable_effect(new - old, clusters, alpha / 2, POWER),
    }


def _unpaired(before: Known, after: Known, alpha: float) -> dict[str, float]:
    change, se = after.mean - before.mean, hypot(before.se, after.se)
    reach = float(special.ndtri(1 - ALPHA / 2)) * se
    return {
        "before": before.mean,
        "after": after.mean,
        "change": change,
        "low": change - reach,
        "high": change + reach,
        "p": 2 * float(special.ndtr(-abs(change) / se)),
        "detectable": float(special.ndtri(1 - alpha / 2) + special.ndtri(POWER)) * se,
    }


def _only_in(run: Path, key: Key) -> str:
    return f"not compared: {_place(key)} is only in {run}"


def _place(key: Key) -> str:
    rung, intervention, seed, benchmark = key
    return f"{rung}, {intervention}, {benchmark} (seed {seed})"


def _asked_otherwise(first: Path, other: Path, benchmarks: set[str]) -> Iterator[str]:
    """A sentence for each benchmark whose version or config differs: a change of it is not the models' doing alone."""
    one, two = (RunDirectory.read(run).manifest().get("protocols", {}) for run in (first, other))
    for name in sorted(benchmarks & one.keys() & two.keys()):
        for key in ("version", "config"):
            if one[name][key] != two[name][key]:
                yield f"asked otherwise: {name} has {key} {one[name][key]!r} in {first}, {two[name][key]!r} in {other}"
