"""The figures of Kadavath et al. 2022 that records can draw: 1, 4 and 8 of the untouched models, 7 and 11 of all.

A laboratory's facts have families with other ideals; the figure shows the first by name, the fair ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import pandas as pd

from cai_eval.contracts import Figure, PaperFigure, Results
from cai_eval.errors import UserError
from cai_eval.pages import scores
from cai_eval.pages.scores import LEVEL
from cai_eval.statistics.calibration import BINS

from . import diagrams, panels
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
    return Figure(f"{PAPER}-chart", f"{title}: calibration chart", caption, canvas, frame)


def _errors(results: Results, title: str, found: Sequence[Forecasts]) -> Figure:
    frame = pd.DataFrame([measured(each, LEVEL, RESAMPLES, BINS) for each in found])
    planted = [name for name in frame if name.startswith("slope")]  # the paper planted nothing
    return diagrams.errors(results, title, frame.drop(columns=planted), LEVEL)


def _drawn(drawing: Drawing, benchmark: str, results: Results) -> Figure:
    if not forecast_by(results.metrics[benchmark]):
        raise UserError(f"the run's {benchmark} records no probabilities: take the benchmark calibration or p-true.")
    cells = results.cells[results.cells["intervention"] == PLAIN]
    plain = replace(results, cells=cells, interventions={PLAIN: results.interventions[PLAIN]})
    families = forecasts(plain, benchmark)
    category = min(families)
    return drawing(plain, f"{benchmark}, {category}" if category else benchmark, families[category])


def _against_size(number: str, title: str, name: str, parts: Mapping[str, str]) -> PaperFigure:
    """A metric of several benchmarks side by side, whole. parts: benchmark → title of its panel."""

    def draw(results: Results) -> Figure:
        drawn = []
        for benchmark, heading in parts.items():
            metric = next((metric for metric in results.metrics[benchmark] if metric.name == name), None)
            if metric is None:
                raise UserError(f"the run's {benchmark} does not record {name}: take the benchmark of the suite.")
            frame = scores.scores(results, benchmark, metric)
            drawn.append(panels.Panel(heading, metric.label, metric, frame[frame["category"] == ""], {}))
        drawn = panels.alike(drawn)
        caption = " ".join(panels.caption(drawn, LEVEL))
        canvas = panels.against_size(drawn, results.interventions)
        return Figure(f"{PAPER}-{number}", title, caption, canvas, panels.together(drawn))

    return PaperFigure(PAPER, number, title, tuple((benchmark, PLAIN) for benchmark in parts), draw)


FIGURES = (
    *(
        PaperFigure(PAPER, number, title, ((benchmark, PLAIN),), partial(_drawn, drawing, benchmark))
        for number, title, benchmark, drawing in (
            ("1L", "P(True) of right and wrong answers", "p-true", _verdicts),
            ("1R", "Accuracy of answers judged true", "p-true", _kept),
            ("4L", "Calibration chart of lettered answers", "lettered", _chart),
            ("4R", "ECE against size", "lettered", _errors),
            ("8", "Calibration chart of true or false", "true-false", _chart),
        )
    ),
    _against_size(
        "7",
        "Accuracy where 'none of the above' is an option",
        "accuracy",
        {"lettered": "Options as they are", "none-of-the-above": "'None of the above' as the last"},
    ),
    _against_size(
        "11",
        "Brier score of P(True) against size",
        "brier",
        {"p-true-alone": "An answer alone", "p-true": "An answer among others of its own"},
    ),
)
