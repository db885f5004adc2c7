"""The figures of Askell et al. 2021 that records can draw: the paper's axes and series, its own values in grey."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from cai_eval.contracts import Figure, Metric, PaperFigure, Results
from cai_eval.errors import UserError
from cai_eval.pages import scores, taxes
from cai_eval.pages.scores import LEVEL

from . import panels, published

PAPER = "askell-2021"
PLAIN, PROMPT, DISTILLED = "none", "hhh-prompt", "context-distillation"
SERIES = (PLAIN, PROMPT, DISTILLED)  #: of the paper, in the order of their colours


@dataclass(frozen=True)
class Measured:
    """One panel: what is measured, and where the paper's own curves stand (figure, panel; one series, or all)."""

    title: str
    benchmark: str
    metric: str
    place: tuple[str, ...]

    @property
    def curves(self) -> published.Curves:
        return published.curves(published.Panel(PAPER, *self.place))


Drawing = Callable[[Measured, Metric, Results], panels.Panel]


def score(part: Measured, metric: Metric, results: Results) -> panels.Panel:
    """A curve for each intervention of the paper."""
    frame = scores.scores(results, part.benchmark, metric)
    frame = frame[(frame["category"] == "") & frame["intervention"].isin(SERIES)]
    return panels.Panel(part.title, metric.label, metric, frame, part.curves)


def by_category(part: Measured, metric: Metric, results: Results) -> panels.Panel:
    """Behind the prompt, a curve for each category."""
    frame = scores.scores(results, part.benchmark, metric)
    frame = frame[(frame["category"] != "") & (frame["intervention"] == PROMPT)]
    frame = frame.assign(intervention=frame["category"], label="")
    return panels.Panel(part.title, f"{metric.label}, {results.interventions[PROMPT]}", metric, frame, part.curves)


def difference(part: Measured, metric: Metric, results: Results) -> panels.Panel:
    """Changed minus plain, item by item: as the paper plots it, a loss is negative."""
    frame = taxes.taxes(results, {part.benchmark: metric}, PLAIN)
    frame = frame[frame["intervention"].isin(SERIES)]
    ends = {"value": -frame["tax"], "low": -frame["high"], "high": -frame["low"]}
    frame = frame.assign(category="", **ends, chance=float("nan"), ideal=float("nan"))
    quantity = f"{metric.label}, points above {results.interventions[PLAIN]}"
    return panels.Panel(part.title, quantity, metric, frame, part.curves, difference="no difference")


def _figure(
    number: str, title: str, interventions: Sequence[str], *parts: Measured, drawing: Drawing = score
) -> PaperFigure:
    needs = dict.fromkeys((part.benchmark, name) for part in parts for name in interventions)

    def draw(results: Results) -> Figure:
        drawn = [drawing(part, metric, results) for part in parts if (metric := _metric(part, results)) is not None]
        if not drawn:
            raise UserError(f"the run has {parts[0].benchmark} without {parts[0].metric}: set its config to record it.")
        return _drawn(number, title, drawn, _titles(drawn, results))

    return PaperFigure(PAPER, number, title, tuple(needs), draw)


def _metric(part: Measured, results: Results) -> Metric | None:
    return next((metric for metric in results.metrics[part.benchmark] if metric.name == part.metric), None)


def _titles(drawn: Sequence[panels.Panel], results: Results) -> Mapping[str, str]:
    """The curves' titles in the order of their colours: interventions, or categories."""
    names = panels.together(drawn)["intervention"].unique()
    ordered = [name for name in SERIES if name in names] or list(names)
    return {name: results.interventions.get(name, name) for name in ordered}


def _drawn(number: str, title: str, drawn: Sequence[panels.Panel], titles: Mapping[str, str]) -> Figure:
    rows = [rows.assign(series=label) for panel in drawn for label, rows in panel.overlay.items()]
    read = sorted({how for frame in rows for how in frame["how_read"]})
    grey = f"Grey: Askell et al. 2021 (A21, {rows[0]['source'].iloc[0]}), other models, read from {'; '.join(read)}."
    return Figure(
        name=f"{PAPER}-{number}",
        title=f"Askell et al. 2021, figure {number}: {title}",
        caption=" ".join([*panels.caption(drawn, LEVEL), grey]),
        figure=panels.against_size(drawn, titles),
        data=pd.concat([panels.together(drawn), *rows], ignore_index=True),
    )


HHH = Measured("HHH", "hhh", "accuracy_mi", ("2", "L"))
LAMBADA = Measured("LAMBADA", "lambada", "accuracy", ("7", "L"))

SCORES = (
    _figure("2L", "HHH accuracy against size", (PLAIN, PROMPT), HHH),
    _figure(
        "2R",
        "functions that pass against size",
        (PLAIN, PROMPT),
        Measured("HumanEval", "code", "pass@10", ("2", "R pass@10")),
        Measured("HumanEval", "code", "pass@1", ("2", "R pass@1")),
    ),
    _figure(
        "6L",
        "HHH accuracy by category",
        (PROMPT,),
        Measured("HHH by category", "hhh", "accuracy_mi", ("6", "L")),
        drawing=by_category,
    ),
    _figure(
        "6R",
        "TruthfulQA MC1 against size",
        (PLAIN,),
        Measured("TruthfulQA, MC1", "truthfulqa", "mc1", ("6", "R sum")),
        Measured("TruthfulQA, MC1", "truthfulqa", "mc1_mi", ("6", "R MI")),
    ),
    _figure("7L", "LAMBADA accuracy against size", (PLAIN, PROMPT), LAMBADA),
    _figure(
        "10R",
        "QuixBugs programs that pass against size",
        (PLAIN, PROMPT),
        Measured("QuixBugs", "code:quixbugs", "pass@10", ("10", "R pass@10")),
        Measured("QuixBugs", "code:quixbugs", "pass@1", ("10", "R pass@1")),
    ),
    _figure(
        "21",
        "TruthfulQA MC1 by log-probability a token, against size",
        (PLAIN,),
        Measured("TruthfulQA, MC1", "truthfulqa", "mc1_mean", ("21", "mean")),
    ),
    _figure(
        "25",
        "LAMBADA accuracy of the plain model against size",
        (PLAIN,),
        Measured("LAMBADA", "lm-eval:lambada_openai", "acc", ("25", "", "0-shot, nicely formatted")),
    ),
)
TAXES = (
    _figure(
        "7R",
        "LAMBADA accuracy, aligned minus plain, against size",
        (PLAIN, PROMPT),
        Measured("LAMBADA", "lambada", "accuracy", ("7", "R")),
        drawing=difference,
    ),
)
