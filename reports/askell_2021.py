"""The figures of Askell et al. 2021 that records can draw: the paper's axes and series, its own values in grey."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

from cai_eval.contracts import Figure, Metric, PaperFigure, Results
from cai_eval.errors import UserError
from cai_eval.pages import scores, taxes
from cai_eval.pages.scores import LEVEL

from . import panels, published

PAPER = "askell-2021"
PLAIN, PROMPT, DISTILLED, TUNED = "none", "hhh-prompt", "context-distillation", "fine-tune"
TWO = ("two-conversations", "context-distillation-two", "fine-tune-two")  #: behind two conversations of the prompt
SERIES = (PLAIN, PROMPT, DISTILLED)  #: of most figures
COLOURED = (*SERIES, TUNED, *TWO)  #: all, in the order of their colours
UNPROMPTED = (PLAIN, DISTILLED)


@dataclass(frozen=True)
class Measured:
    """One panel: what is measured, and where the paper's own curves stand (figure, panel; one series, or all).

    series: the interventions that it shows.
    """

    title: str
    benchmark: str
    metric: str
    place: tuple[str, ...]
    series: tuple[str, ...] = SERIES

    @property
    def curves(self) -> published.Curves:
        return published.curves(published.Panel(PAPER, *self.place))


Drawing = Callable[[Measured, Metric, Results], list[panels.Panel]]


def score(part: Measured, metric: Metric, results: Results) -> list[panels.Panel]:
    """A curve for each intervention of the panel."""
    frame = scores.scores(results, part.benchmark, metric)
    frame = frame[(frame["category"] == "") & frame["intervention"].isin(part.series)]
    return [panels.Panel(part.title, metric.label, metric, frame, part.curves)]


def by_category(part: Measured, metric: Metric, results: Results) -> list[panels.Panel]:
    """A panel for each category, where the paper has a curve for each in one: with intervals these would not part."""
    frame = scores.scores(results, part.benchmark, metric)
    frame = frame[frame["intervention"].isin(part.series)]
    return panels.categories(metric, frame, {name.split()[-1]: {name: rows} for name, rows in part.curves.items()})


def difference(part: Measured, metric: Metric, results: Results) -> list[panels.Panel]:
    """Changed minus plain, item by item: as the paper plots it, a loss is negative."""
    frame = taxes.taxes(results, {part.benchmark: metric}, PLAIN)
    frame = frame[frame["intervention"].isin(part.series)]
    ends = {"value": -frame["tax"], "low": -frame["high"], "high": -frame["low"]}
    frame = frame.assign(category="", **ends, chance=float("nan"), ideal=float("nan"))
    quantity = f"{metric.label}, points above {results.interventions[PLAIN]}"
    return [panels.Panel(part.title, quantity, metric, frame, part.curves, difference="no difference")]


def _figure(
    number: str, title: str, interventions: Sequence[str], *parts: Measured, drawing: Drawing = score
) -> PaperFigure:
    """interventions: without which there is nothing to draw."""
    needs = dict.fromkeys((part.benchmark, name) for part in parts for name in interventions)

    def draw(results: Results) -> Figure:
        known = [(part, metric) for part in parts if (metric := _metric(part, results)) is not None]
        if not known:
            raise UserError(f"the run's {parts[0].benchmark} does not record {parts[0].metric}: set its config so.")
        return _drawn(
            number, title, [panel for part, metric in known for panel in drawing(part, metric, results)], results
        )

    return PaperFigure(PAPER, number, title, tuple(needs), draw)


def _metric(part: Measured, results: Results) -> Metric | None:
    return next((metric for metric in results.metrics[part.benchmark] if metric.name == part.metric), None)


def _drawn(number: str, title: str, drawn: Sequence[panels.Panel], results: Results) -> Figure:
    grey = [rows.assign(series=label) for panel in drawn for label, rows in panel.overlay.items()]
    read = "; ".join(sorted({how for rows in grey for how in rows["how_read"]}))
    source = f"Grey: Askell et al. 2021 (A21, {grey[0]['source'].iloc[0]}), other models, read from {read}."
    return Figure(
        name=f"{PAPER}-{number}",
        title=f"Askell et al. 2021, figure {number}: {title}",
        caption=" ".join([*panels.caption(drawn, LEVEL), source]),
        figure=panels.against_size(drawn, {name: results.interventions.get(name, name) for name in COLOURED}),
        data=pd.concat([panels.together(drawn), *grey], ignore_index=True),
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
        Measured("HHH by category", "hhh", "accuracy_mi", ("6", "L"), (PROMPT,)),
        drawing=by_category,
    ),
    _figure(
        "6R",
        "TruthfulQA MC1 against size",
        (PLAIN,),
        Measured("TruthfulQA, MC1", "truthfulqa", "mc1", ("6", "R sum"), UNPROMPTED),
        Measured("TruthfulQA, MC1", "truthfulqa", "mc1_mi", ("6", "R MI"), UNPROMPTED),
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
        "20L",
        "HHH accuracy against size, fine-tuned on the prompt too",
        (*SERIES, TUNED),
        Measured("HHH", "hhh", "accuracy_mi", ("20", "L"), (*SERIES, TUNED)),
    ),
    _figure(
        "20R",
        "HHH accuracy against size, behind two conversations",
        (PROMPT, *TWO),
        Measured("HHH, two conversations in the context", "hhh", "accuracy_mi", ("20", "R"), (PROMPT, *TWO)),
    ),
    _figure(
        "21",
        "TruthfulQA MC1 by log-probability a token, against size",
        (PLAIN,),
        Measured("TruthfulQA, MC1", "truthfulqa", "mc1_mean", ("21", "mean"), UNPROMPTED),
    ),
    _figure(
        "25",
        "LAMBADA accuracy of the plain model against size",
        (PLAIN,),
        Measured("LAMBADA", "lm-eval:lambada_openai", "acc", ("25", "", "0-shot, nicely formatted"), (PLAIN,)),
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
