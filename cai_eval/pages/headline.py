"""The top of the page: what each intervention bought and what it cost, at each size, in words and numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from cai_eval.contracts import Metric, Results
from cai_eval.pages import html, missing, scores, style, taxes


def extent(results: Results) -> str:
    """How much was measured, in one line."""
    cells = results.cells
    if cells.empty:
        return "<p>Nothing was measured.</p>"
    recorded = cells["items"][cells.index.isin(results.records["cell"].unique())]  # of others only means are known
    ends = [style.size_label(size) for size in (cells["parameters"].min(), cells["parameters"].max())]
    parts = [
        f"{_count(cells['model'].nunique(), 'model')} ({' to '.join(dict.fromkeys(ends))} non-embedding parameters)",
        _count(cells["intervention"].nunique(), "intervention"),
        _count(cells["benchmark"].nunique(), "benchmark"),
        _count(int(recorded.sum()), "record"),
    ]
    return f'<p class="quiet">{", ".join(parts)}.</p>'


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def laboratory(results: Results) -> str:
    """Where the models come from a laboratory, what that means."""
    if not results.laboratory:
        return ""
    return (
        f'<p class="banner"><b>{html.text(results.laboratory[:1].upper() + results.laboratory[1:])}.</b> '
        "The page tests the method and says nothing of other models.</p>"
    )


def trainings(results: Results) -> str:
    """Where something was trained once at each size, that nobody knows how another training would have come out."""
    runs: dict[str, dict[int, set[tuple[str, int]]]] = {}
    for made in results.trained:
        if made.kind != "dataset":
            sizes = runs.setdefault(made.intervention, {})
            sizes.setdefault(made.parameters, set()).add((made.rung, made.seed))
    once = [name for name, sizes in runs.items() if all(len(each) == 1 for each in sizes.values())]
    if not once:
        return ""
    titles = [results.interventions.get(name, name) for name in once]
    which = "everything" if len(once) == len(runs) else ", ".join(titles)
    return (
        f"<p><b>Training-seed variance not measured</b> ({html.text(which)}: one training at each size). These "
        "intervals speak of these weights, not of the method.</p>"
    )


def headline(results: Results) -> str:
    """Sentences and a table for each intervention; the first one stands open, the others are folded."""
    names = results.interventions
    base = scores.base_intervention(results)
    measures = {b: scores.primary(metrics) for b, metrics in results.metrics.items()}
    frame = taxes.taxes(results, measures, base)
    if frame.empty:
        return "<p>There is no pair of cells to compare: a comparison needs two interventions on the same model.</p>"
    parts: list[str] = []
    shown = False
    for name, title in names.items():
        rows = frame[frame["intervention"] == name]
        if not rows.empty:
            said = "".join(
                f"<li{html.filtered(benchmark=benchmark)}>{html.text(sentence)}</li>"
                for benchmark, sentence in sentences(rows, measures)
            )
            content = f"<ul>{said}</ul>{matrix(rows, measures)}"
            parts.append(html.folded(f"{title}, against {names[base]}", content, not shown, intervention=name))
            shown = True
        elif name != base:
            why = f"{html.text(title)}: nothing to compare; {missing.link('see why')}."
            parts.append(f"<p{html.filtered(intervention=name)}>{why}</p>")
    return READING + "".join(parts)


READING = (
    "<p>Each entry gives the score without and with the intervention, on the same items and the same weights, and "
    "the difference with its 95 % interval. <b>Bought</b> and <b>cost</b> are said only of differences that a "
    "one-sided test by clusters finds after correction for the number of comparisons; where none is found, the "
    "smallest one that would have been found four times in five stands beside it. <b>At floor</b>: the base is not "
    "above chance, so there is nothing to lose.</p>"
)


def sentences(rows: pd.DataFrame, measures: Mapping[str, Metric]) -> Iterator[tuple[str, str]]:
    """Benchmark and sentence: at how many sizes it gained and lost, and how much at the largest of them."""
    for benchmark, metric in measures.items():
        found = rows[rows["benchmark"] == benchmark].sort_values("parameters")
        if found.empty:
            continue
        verdicts = np.array([taxes.verdict(row) for row in found.itertuples()])
        said = []
        for kind, verb in (("gain", "bought"), ("loss", "cost")):
            hits = found[verdicts == kind]
            if len(hits):
                last = hits.iloc[-1]
                said.append(
                    f"{verb} {amount(metric, abs(last['tax']))} at {style.size_label(last['parameters'])}"
                    + (f"; found at {len(hits)} of {len(found)} sizes" if len(found) > 1 else "")
                )
        if not said and (verdicts == "at floor").all():
            said = ["at floor at every size" if len(found) > 1 else "at floor"]
        yield benchmark, f"{benchmark}: " + ("; ".join(said) if said else "no difference found") + "."


def matrix(rows: pd.DataFrame, measures: Mapping[str, Metric]) -> str:
    """Sizes × benchmarks."""
    shown = [benchmark for benchmark in measures if (rows["benchmark"] == benchmark).any()]
    head = "".join(
        f"<th{html.filtered(benchmark=b)}>{html.text(b)}<br><small>{html.text(measures[b].label)}</small></th>"
        for b in shown
    )
    models = rows.drop_duplicates("model").sort_values("parameters")
    body = ""
    for model in models.itertuples():
        cells = {row.benchmark: row for row in rows[rows["model"] == model.model].itertuples()}
        body += (
            f"<tr><th>{html.text(style.size_label(model.parameters))}<br><small>{html.text(model.rung)}</small></th>"
        )
        body += "".join(
            f"<td{html.filtered(benchmark=benchmark)}>{_entry(cells.get(benchmark), measures[benchmark])}</td>"
            for benchmark in shown
        )
        body += "</tr>"
    return (
        f'<div class="scroll"><table class="headline"><thead><tr><th>size</th>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _entry(row: Any, metric: Metric) -> str:
    if row is None:
        return "–"
    scores = f"{score(metric, row.base)} → {score(metric, row.changed)}"
    change = f'<a href="{html.text(style.link(row.cell))}">{scores}</a>'
    low, high = sorted((-row.high, -row.low)) if row.tax < 0 else (row.low, row.high)
    size = f"{amount(metric, abs(row.tax))} <small>[{_plain(metric, low)}, {_plain(metric, high)}]</small>"
    match taxes.verdict(row):
        case "loss":
            said = f'<span class="loss">cost {size}</span>'
        case "gain":
            said = f'<span class="gain">bought {size}</span>'
        case "at floor":
            said = '<span class="quiet">at floor</span>'
        case _:
            said = f'<span class="quiet">none found ({amount(metric, row.detectable)} would be)</span>'
    return f"{change}<br>{said}"


def score(metric: Metric, value: float) -> str:
    """A mean as people read it: 61.3 %, or three digits."""
    return f"{100 * value:.1f} %" if metric.unit == "fraction" else f"{value:.3g}"


def amount(metric: Metric, value: float) -> str:
    """A difference: percentage points of a fraction, else in the metric's unit."""
    return f"{_plain(metric, value)} {'points' if metric.unit == 'fraction' else metric.unit}".rstrip()


def _plain(metric: Metric, value: float) -> str:
    shown = f"{100 * value:.1f}" if metric.unit == "fraction" else f"{value:.3g}"
    return shown.replace("-", "−")
