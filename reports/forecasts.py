"""Forecasts and outcomes out of the records of `calibration` and `p-true`, and every measure of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cai_eval import statistics
from cai_eval.contracts import Metric, Record, Results
from cai_eval.data import item_id
from cai_eval.pages import scores
from cai_eval.statistics import Estimate
from cai_eval.statistics import calibration as measures
from cai_eval.statistics.recovery import recovery

Array = NDArray[np.float64]

CONFIDENCE, P_TRUE = "confidence", "p_true"
MOST_CATEGORIES = 4  #: more than these are parts of one measurement, and not measured apart


@dataclass(frozen=True)
class Forecasts:
    """What the cells of one point of a study said about the items of one category.

    about: model, rung, parameters, intervention, label, cell. p, c: (n,) the forecast for each answer, and whether it
    was right. clusters: (n,). every_p, every_c, every_clusters: (m,) the same for every option. planted: (m,) how often
    texts give each option, and ideal: (n,) two rows, the forecasts of somebody who says just that, and whether they
    came true; both empty where nobody knows. tempered: (n,) p at one temperature, fitted where it is not used: on the
    other half of the clusters; temperature: the mean of the two.
    """

    about: Mapping[str, Any]
    p: Array
    c: Array
    clusters: NDArray[np.str_]
    every_p: Array
    every_c: Array
    every_clusters: NDArray[np.str_]
    planted: Array
    ideal: tuple[Array, Array]
    tempered: Array
    temperature: float


NOBODY_KNOWS = (np.empty(0), np.empty(0))


def forecast_by(metrics: Sequence[Metric]) -> str:
    """Which metric of a benchmark is a forecast, "" where none is."""
    names = {metric.name for metric in metrics}
    return next((name for name in (CONFIDENCE, P_TRUE) if name in names), "")


def forecasts(results: Results, benchmark: str) -> dict[str, list[Forecasts]]:
    """Category → points by size, replicates pooled; "" is the whole benchmark, where it has not a few categories."""
    said = forecast_by(results.metrics[benchmark])
    data = scores.item_scores(results, benchmark, said)
    named = [category for category in dict.fromkeys(data.categories) if category]
    found: dict[str, list[Forecasts]] = {}
    for point, about in scores.points(results, data):
        records = [record for cell in data.cells[point] for record in results.details(cell) if said in record.scores]
        for category in named if 1 < len(named) <= MOST_CATEGORIES else [""]:
            kept = [record for record in records if not category or record.category == category]
            if kept:
                found.setdefault(category, []).append(_gathered(about, kept, said))
    return found


def _gathered(about: Mapping[str, Any], records: Sequence[Record], said: str) -> Forecasts:
    p = np.array([record.scores[said] for record in records])
    c = np.array([record.scores["accuracy"] for record in records])
    clusters = np.array([record.cluster for record in records])
    logprobs = [np.array(record.details["logprobs"]) for record in records]
    known = all("planted" in record.details for record in records)
    planted, ideal = np.empty(0), NOBODY_KNOWS
    if said == P_TRUE:
        if known:
            planted = np.array([record.details["planted"] for record in records])
            ideal = planted, c
        warm, temperature = tempered(logprobs, (1 - c).astype(int), clusters)
        first = np.array([each[0] for each in warm])
        return Forecasts(about, p, c, clusters, p, c, clusters, planted, ideal, first, temperature)
    right = np.array([record.details["right"] for record in records])
    hits = [np.arange(each.size) == answer for each, answer in zip(logprobs, right, strict=True)]
    if known:
        shares = [np.array(record.details["planted"]) for record in records]
        planted = np.concatenate(shares)
        came_true = [float(hit[each.argmax()]) for each, hit in zip(shares, hits, strict=True)]
        ideal = np.array([each.max() for each in shares]), np.array(came_true)
    warm, temperature = tempered(logprobs, right, clusters)
    return Forecasts(
        about,
        p,
        c,
        clusters,
        np.concatenate([record.details["probabilities"] for record in records]),
        np.concatenate(hits).astype(float),
        np.repeat(clusters, [each.size for each in logprobs]),
        planted,
        ideal,
        np.array([each.max() for each in warm]),
        temperature,
    )


def tempered(
    logprobs: Sequence[Array], right: NDArray[np.int_], clusters: NDArray[np.str_]
) -> tuple[list[Array], float]:
    """Probabilities at a temperature that was fitted on the other half of the clusters, and the two halves' mean.

    logprobs: of each item's options, nats. right: which of them is right.
    """
    half = np.array([int(item_id(str(cluster)), 16) % 2 for cluster in clusters])
    fitted = []
    for other in (1, 0):
        chosen = np.flatnonzero(half == other).tolist()
        fitted.append(measures.fit_temperature([logprobs[n] for n in chosen], right[chosen]) if chosen else 1.0)
    warm = [np.exp(measures.log_chances(each, fitted[n])) for each, n in zip(logprobs, half, strict=True)]
    return warm, float(np.mean(fitted))


def measured(said: Forecasts, level: float, resamples: int, bins: int) -> dict[str, Any]:
    """A row of every measure: name, and "name low", "name high" where there is an interval."""

    def ece(p: Array, c: Array) -> float:
        return measures.ece(p, c, bins)

    def rms(p: Array, c: Array) -> float:
        return measures.rms(p, c, bins)

    def resampled(statistic: measures.Statistic) -> Estimate:
        return measures.interval(statistic, said.p, said.c, said.clusters, level, resamples)

    found = {
        "accuracy": statistics.mean_interval(said.c, said.clusters, level),
        "ece": resampled(ece),
        "rms": resampled(rms),
        "brier": statistics.mean_interval((said.p - said.c) ** 2, said.clusters, level),
        "log score": resampled(measures.log_score),
        "auroc": resampled(measures.auroc),
        "selective accuracy": resampled(measures.selective_accuracy),
    }
    if said.planted.size and np.ptp(said.planted):
        back = recovery(said.every_p, said.planted, said.every_clusters, level, resamples)
        found |= {"slope": back.slope, "intercept": back.intercept, "share error": back.error}
    null = measures.consistency(said.p, said.c, said.clusters, bins, resamples)
    parts = measures.decomposition(said.p, said.c, bins)
    row: dict[str, Any] = {**said.about, **{name: estimate.value for name, estimate in found.items()}}
    for name, estimate in found.items():
        row |= {f"{name} low": estimate.low, f"{name} high": estimate.high}
    for name in ("ece low", "rms low"):
        row[name] = max(0.0, row[name])
    return row | {
        "ideal ece": measures.ece(*said.ideal, bins) if said.planted.size else np.nan,
        "temperature": said.temperature,
        "ece tempered": measures.ece(said.tempered, said.c, bins),
        "excess": null.excess,
        "square gap": measures.mean_square(said.p, said.c, bins),
        "p": null.p,
        "ece of all options": measures.ece(said.every_p, said.every_c, bins),
        "reliability": parts.reliability,
        "resolution": parts.resolution,
        "uncertainty": parts.uncertainty,
        "items": said.p.size,
        "clusters": np.unique(said.clusters).size,
    }
