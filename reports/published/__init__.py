"""Numbers from the papers, to be drawn in grey behind the user's own.

Each CSV file holds the figures and tables of one paper: paper, figure, panel, series; x_name and x, a number or a word;
y_name and value; how_read and source. Fractions are fractions, losses are in nats.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import NamedTuple

import pandas as pd

Curves = dict[str, pd.DataFrame]  #: label → rows (parameters, value, how_read, source) by size


class Panel(NamedTuple):
    """Where curves against size stand. series: the only one that is meant, or all."""

    paper: str
    figure: str
    panel: str
    series: str = ""


#: (benchmark, metric) → what measured the same thing.
SCORES = {
    ("hhh", "accuracy_mi"): Panel("askell-2021", "2", "L"),
    ("truthfulqa", "mc1"): Panel("askell-2021", "6", "R sum"),
    ("truthfulqa", "mc1_mi"): Panel("askell-2021", "6", "R MI"),
    ("truthfulqa", "mc1_mean"): Panel("askell-2021", "21", "mean"),
    ("lambada", "accuracy"): Panel("askell-2021", "7", "L"),
    ("lm-eval:lambada_openai", "acc"): Panel("askell-2021", "7", "L", "no intervention"),
}
CATEGORIES = {("hhh", "accuracy_mi"): Panel("askell-2021", "6", "L")}
TAXES = {("lambada", "accuracy"): Panel("askell-2021", "7", "R")}
LABELS = {"askell-2021": "A21"}
SHORT = {
    "no intervention": "none",
    "full prompt": "prompt",
    "HHH prompt": "prompt",
    "context distilled": "distilled",
    "fine-tuned on the prompt": "fine-tuned",
    "2 examples alone": "2 examples",
    "context distilled, 2 more examples": "distilled, 2",
    "fine-tuned on the prompt, 2 more examples": "fine-tuned, 2",
}


@cache
def numbers(paper: str) -> pd.DataFrame:
    """Every number of a paper, a row each; texts are "" where there is nothing to say."""
    with resources.files(__name__).joinpath(f"{paper}.csv").open(encoding="utf-8") as file:
        return pd.read_csv(file, dtype=str, keep_default_na=False).astype({"value": float})


def curves(panel: Panel | None) -> Curves:
    """The curves of a panel against size, none of none; labelled "A21 prompt"."""
    label = LABELS[panel.paper] if panel else ""
    return {f"{label} {SHORT.get(name, name)}": rows for name, rows in _series(panel).items()}


def scores(benchmark: str, metric: str) -> Curves:
    """The paper's score curves for a benchmark and metric; none where it did not measure that."""
    return curves(SCORES.get((benchmark, metric)))


def categories(benchmark: str, metric: str) -> dict[str, Curves]:
    """Category → the paper's curve (full prompt)."""
    return {name: {"A21 prompt": rows} for name, rows in _series(CATEGORIES.get((benchmark, metric))).items()}


def taxes(benchmark: str, metric: str) -> Curves:
    """The paper's tax curves, positive where the base is better: the paper plots the negative."""
    found = curves(TAXES.get((benchmark, metric)))
    return {label: rows.assign(value=-rows["value"]) for label, rows in found.items()}


def _series(panel: Panel | None) -> Curves:
    if panel is None:
        return {}
    frame = numbers(panel.paper)
    frame = frame[(frame["figure"] == panel.figure) & (frame["panel"] == panel.panel)]
    frame = frame[frame["x_name"] == "parameters"]
    rows = frame.assign(parameters=frame["x"].astype(float)).sort_values("parameters")
    return {str(name): own for name, own in rows.groupby("series", sort=False) if panel.series in ("", name)}
