"""Numbers from the papers, to be drawn in grey behind the user's own.

Each CSV file holds one paper's figures: paper, figure, panel, series, parameters, value, how_read, source.
"""

from __future__ import annotations

from functools import cache
from importlib import resources

import pandas as pd

#: (benchmark, metric) → figure and panel of Askell et al. 2021 that measured the same thing.
SCORES = {
    ("hhh", "accuracy_mi"): ("2", "L"),
    ("truthfulqa", "mc1"): ("6", "R sum"),
    ("truthfulqa", "mc1_mi"): ("6", "R MI"),
    ("lambada", "accuracy"): ("7", "L"),
}
CATEGORIES = {("hhh", "accuracy_mi"): ("6", "L")}
SHORT = {
    "no intervention": "none",
    "full prompt": "prompt",
    "HHH prompt": "prompt",
    "context distilled": "distilled",
}
TAXES = {("lambada", "accuracy"): ("7", "R")}

Curves = dict[str, pd.DataFrame]  #: label → rows (parameters, value) by size


@cache
def askell_2021() -> pd.DataFrame:
    """Figures 2, 6 and 7 of Askell et al. 2021."""
    with resources.files(__name__).joinpath("askell-2021.csv").open(encoding="utf-8") as file:
        return pd.read_csv(file, dtype={"figure": str})


def scores(benchmark: str, metric: str) -> Curves:
    """The paper's score curves for a benchmark and metric; none where it did not measure that."""
    return _panel(SCORES.get((benchmark, metric)))


def categories(benchmark: str, metric: str) -> dict[str, Curves]:
    """Category → the paper's curve (full prompt)."""
    return {name: {"A21 prompt": rows} for name, rows in _series(CATEGORIES.get((benchmark, metric))).items()}


def taxes(benchmark: str, metric: str) -> Curves:
    """The paper's tax curves, positive where the base is better: the paper plots the negative."""
    curves = _panel(TAXES.get((benchmark, metric)))
    return {label: rows.assign(value=-rows["value"]) for label, rows in curves.items()}


def _panel(panel: tuple[str, str] | None) -> Curves:
    return {f"A21 {SHORT.get(name, name)}": rows for name, rows in _series(panel).items()}


def _series(panel: tuple[str, str] | None) -> Curves:
    if panel is None:
        return {}
    frame = askell_2021()
    frame = frame[(frame["figure"] == panel[0]) & (frame["panel"] == panel[1])].sort_values("parameters")
    return {str(name): rows for name, rows in frame.groupby("series", sort=False)}
