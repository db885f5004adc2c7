"""The top of the page: what each intervention bought and what it cost, at each size, in words and numbers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from cai_eval.contracts import Metric, Results
from cai_eval.pages import html, scores, style, taxes


def headline(results: Results) -> str:
    """Sentences and a table for each intervention; the first one stands open, the others are folded."""
    names = results.interventions
    base = scores.base_intervention(results)
    measures = {b: scores.primary(metrics) for b, metrics in results.metrics.items()}
    frame = taxes.taxes(results, measures, base)
    if frame.empty:
        return "<p>There is no pair of cells to compare: a comparison needs two interventions on the same model.</p>"
    parts: list[str] = []
    for name in names:
        rows = frame[frame["intervention"] == name]
        if not rows.empty:
            content = html.bullets(sentences(rows, measures)) + matrix(rows, measures)
            parts.append(html.folded(f"{names[name]}, against {names.get(base, base)}", content, is_open=not parts))
    return READING + "".join(parts)


READING = (
    "<p>Each entry gives the score without and with the intervention, on the same items, and the difference with its "
    "95 % interval. <b>Bought</b> and <b>cost</b> are said only of differences that a one-sided test by clusters "
    "finds, corrected for the number of comparisons; where none is found, the smallest one that would have been "
    "found four times in five stands beside it.</p>"
)


def sentences(rows: pd.DataFrame, measures: dict[str, Metric]) -> Iterator[str]:
    """One for each benchmark: where it gained and where it lost, from the smallest size to the largest."""
    for benchmark, metric in measures.items():
        found = rows[rows["benchmark"] == benchmark]
        if found.empty:
            continue
        verdicts = [taxes.verdict(row) for row in found.itertuples()]
        said = []
        for kind, verb in (("gain", "bought"), ("loss", "cost")):
            hits = found[[verdict == kind for verdict in verdicts]]
            if len(hits):
                amounts = [amount(metric, abs(tax)) for tax in hits["tax"]]
                sizes = [style.size_label(p) for p in hits["parameters"]]
                said.append(f"{verb} " + ", ".join(f"{a} at {s}" for a, s in zip(amounts, sizes, strict=True)))
        yield f"{benchmark}: " + ("; ".join(said) if said else "no difference found at any size") + "."


def matrix(rows: pd.DataFrame, measures: dict[str, Metric]) -> str:
    """Sizes × benchmarks."""
    shown = [benchmark for benchmark in measures if (rows["benchmark"] == benchmark).any()]
    head = "".join(f"<th>{html.text(b)}<br><small>{html.text(measures[b].label)}</small></th>" for b in shown)
    models = rows.drop_duplicates("model").sort_values("parameters")
    body = ""
    for model in models.itertuples():
        cells = {row.benchmark: row for row in rows[rows["model"] == model.model].itertuples()}
        body += (
            f"<tr><th>{html.text(style.size_label(model.parameters))}<br><small>{html.text(model.rung)}</small></th>"
        )
        body += "".join(_entry(cells.get(benchmark), measures[benchmark]) for benchmark in shown) + "</tr>"
    return (
        f'<div class="scroll"><table class="headline"><thead><tr><th>size</th>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _entry(row: Any, metric: Metric) -> str:
    if row is None:
        return "<td>–</td>"
    change = f"{score(metric, row.base)} → {score(metric, row.changed)}"
    low, high = sorted((-row.high, -row.low)) if row.tax < 0 else (row.low, row.high)
    size = f"{amount(metric, abs(row.tax))} <small>[{_plain(metric, low)}, {_plain(metric, high)}]</small>"
    match taxes.verdict(row):
        case "loss":
            said = f'<span class="loss">cost {size}</span>'
        case "gain":
            said = f'<span class="gain">bought {size}</span>'
        case "at floor":
            said = '<span class="quiet">at floor: the base is not above chance</span>'
        case _:
            said = f'<span class="quiet">none found; {amount(metric, row.detectable)} would have been</span>'
    return f"<td>{change}<br>{said}</td>"


def score(metric: Metric, value: float) -> str:
    """A mean as people read it: 61.3 %, or three digits."""
    return f"{100 * value:.1f} %" if metric.unit == "fraction" else f"{value:.3g}"


def amount(metric: Metric, value: float) -> str:
    """A difference: percentage points of a fraction, else in the metric's unit."""
    return f"{_plain(metric, value)} {'points' if metric.unit == 'fraction' else metric.unit}"


def _plain(metric: Metric, value: float) -> str:
    shown = f"{100 * value:.1f}" if metric.unit == "fraction" else f"{value:.3g}"
    return shown.replace("-", "−")
