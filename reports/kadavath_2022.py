"""The figures of Kadavath et al. 2022 that records can draw, of the untouched models.

A laboratory's facts have families with other ideals; the figure shows the first by name, the fair ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import pandas as pd

from cai_eval.contracts import Figure, PaperFigure, Results
from cai_eval.errors import UserError
from cai_eval.pages.scores import LEVEL
from cai_eval.statistics.calibration import BINS

from . import diagrams
from .forecasts import Forecasts, forecast_by, forecasts, measured

PAPER = "kadavath-2022"
PLAIN = "none"
RESAMPLES = 500

Drawing = Callable[[Results, str, Sequence[Forecasts]], Figure]


def _verdicts(results: Results, title: str, found: Sequence[Forecasts]) -> Figure:
    """Of the largest model, as in the paper."""
    return diagrams.histograms(title, found[-1:])


def _kept(results: Results, title: str, found: Sequence[Forecasts]) -> Figure:
    return diagrams.kept(title, found, LEVEL)


def _chart(results: Results, title: str, found: Sequence[Forecasts]) -> Figure:
    canvas, frame = diagrams.by_size(found, title, LEVEL, BINS)
    caption = diagrams.reliability_caption(LEVEL, BINS)
    return Figure(f"{PAPER}-4L", f"{title}: calibration chart", caption, canvas, frame)


def _errors(results: Results, title: str, found: Sequence[Forecasts]) -> Figure:
    frame = pd.DataFrame([measured(each, LEVEL, RESAMPLES, BINS) for each in found])
    return diagrams.errors(results, title, frame, LEVEL)


def _drawn(drawing: Drawing, benchmark: str, results: Results) -> Figure:
    if not forecast_by(results.metrics[benchmark]):
        raise UserError(f"the run's {benchmark} records no probabilities: take the benchmark calibration or p-true.")
    cells = results.cells[results.cells["intervention"] == PLAIN]
    plain = replace(results, cells=cells, interventions={PLAIN: results.interventions[PLAIN]})
    families = forecasts(plain, benchmark)
    category = min(families)
    return drawing(plain, f"{benchmark}, {category}" if category else benchmark, families[category])


FIGURES = tuple(
    PaperFigure(PAPER, number, title, ((benchmark, PLAIN),), partial(_drawn, drawing, benchmark))
    for number, title, benchmark, drawing in (
        ("1L", "P(True) of right and wrong answers", "p-true", _verdicts),
        ("1R", "Accuracy of answers judged true", "p-true", _kept),
        ("4L", "Calibration chart of lettered answers", "lettered", _chart),
        ("4R", "ECE against size", "lettered", _errors),
    )
)
