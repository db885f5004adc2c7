"""The figures of Bai et al. 2022a (RLHF) that records can draw: the paper's axes and series.

The paper gives most of its curves as pictures only; what its text prints stands behind in grey. Tasks of lm-eval are
asked in lm-eval's words, not the paper's.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from cai_eval.contracts import Figure, Metric, PaperFigure, Results
from cai_eval.errors import UserError
from cai_eval.pages import scores
from cai_eval.pages.scores import LEVEL

from . import gaps, panels, published

PAPER = "bai-2022-rlhf"
PLAIN, RLHF = "none", "hh-rlhf"
HELPFUL_PM, HH_PM = "helpful-pm", "hh-pm"
MULTIPLE_CHOICE = ("arc_easy", "arc_challenge", "hellaswag", "openbookqa", "mmlu")
TASKS = {f"lm-eval:{name}": name for name in ("lambada_openai", *MULTIPLE_CHOICE, "triviaqa")}
SHOWN = ("lm-eval:lambada_openai", "lm-eval:arc_easy", "lm-eval:arc_challenge")  #: at least, of the figure by task


def _against_size(results: Results, benchmark: str, name: str, series: Sequence[str], title: str) -> panels.Panel:
    """A curve for each intervention of the series that the results have. name: of the metric, "" for the primary."""
    found = results.metrics[benchmark]
    metric = next((metric for metric in found if metric.name == name), None) if name else scores.primary(found)
    if metric is None:
        raise UserError(f"the run's {benchmark} does not record {name}: set its config so.")
    frame = scores.scores(results, benchmark, metric)
    kept = frame[(frame["category"] == "") & frame["intervention"].isin(series)]
    return panels.Panel(title, metric.label, metric, kept, {})


def _figure(number: str, title: str, results: Results, drawn: Sequence[panels.Panel], *more: str) -> Figure:
    return Figure(
        name=f"{PAPER}-{number}",
        title=f"Bai et al. 2022a, figure {number}: {title}",
        caption=" ".join([*panels.caption(drawn, LEVEL), *more]),
        figure=panels.against_size(drawn, results.interventions),
        data=panels.together(drawn),
    )


def _mean(results: Results) -> Figure:
    """Figure 3: the unweighted mean over tasks, of the points that have them all."""
    parts = [_against_size(results, name, "", (PLAIN, RLHF), label).frame for name, label in TASKS.items()]
    rows = []
    for _, own in pd.concat(parts).groupby(["rung", "intervention"], sort=False, observed=True):
        if len(own) == len(TASKS):
            half = float(np.sqrt(((own["high"] - own["low"]) ** 2).sum())) / (2 * len(own))
            value = own["value"].mean()
            sums = {name: own[name].sum() for name in ("items", "clusters", "errors")}
            ends = {"value": value, "low": value - half, "high": value + half, "chance": np.nan, "ideal": np.nan}
            rows.append({**own.iloc[0], "benchmark": "mean", "metric": "accuracy", **sums, **ends})
    if not rows:
        raise UserError("no model of the run has all seven tasks: run them with the same models.")
    metric = Metric("accuracy", "mean accuracy over seven tasks", primary=True)
    panel = panels.Panel("Natural language tasks", metric.label, metric, pd.DataFrame(rows), {})
    return _figure("3", "mean accuracy against size", results, [panel], f"Tasks: {', '.join(TASKS.values())}.")


def _hhh(results: Results) -> Figure:
    panel = _against_size(results, "hhh", "", (PLAIN, RLHF), "HHH")
    human = published.numbers(PAPER)
    said = human[(human["figure"] == "5") & (human["panel"] == "L")].set_index("series")["value"]
    note = f"In the paper the preference model of 52B reaches {said['preference model, HH']:.0%}, people "
    return _figure("5L", "HHH accuracy against size", results, [panel], note + f"{said['mean human']:.0%}.")


def _truthful(results: Results) -> Figure:
    panel = _against_size(results, "truthfulqa", "mc1", (PLAIN, RLHF), "TruthfulQA, MC1")
    return _figure("5R", "TruthfulQA MC1 against size", results, [panel])


def _models_of_preferences(results: Results) -> Figure:
    panel = _against_size(results, gaps.BENCHMARK, "accuracy", (HELPFUL_PM, HH_PM), "Comparisons held out")
    return _figure("7", "preference models' accuracy against size", results, [panel])


def _calibration(results: Results) -> Figure:
    drawn = [
        gaps.Panel("HH preference model", gaps.gaps(results, HH_PM)),
        gaps.Panel("helpful preference model, helpfulness", gaps.gaps(results, HELPFUL_PM, "helpful")),
    ]
    if empty := [panel.title for panel in drawn if not panel.curves]:
        raise UserError(f"the run has no comparison that the {empty[0]} judged: keep helpful ones in `sets`.")
    title = f"Bai et al. 2022a, figure 9: {CALIBRATION}"
    return Figure(f"{PAPER}-9", title, gaps.CAPTION, gaps.draw(drawn), gaps.table(drawn))


def _by_task(results: Results) -> Figure:
    drawn = [_against_size(results, name, "", (PLAIN, RLHF), TASKS[name]) for name in TASKS if name in results.metrics]
    return _figure("28", "accuracy by task against size", results, drawn, "With as many examples as the run gave.")


CALIBRATION = "agreement with preference models by difference of scores"
POLICIES = (
    PaperFigure(PAPER, "3", "mean accuracy against size", tuple((n, i) for n in TASKS for i in (PLAIN, RLHF)), _mean),
    PaperFigure(PAPER, "5L", "HHH accuracy against size", (("hhh", PLAIN), ("hhh", RLHF)), _hhh),
    PaperFigure(PAPER, "5R", "TruthfulQA MC1 against size", (("truthfulqa", PLAIN), ("truthfulqa", RLHF)), _truthful),
    PaperFigure(PAPER, "28", "accuracy by task against size", tuple((name, PLAIN) for name in SHOWN), _by_task),
)
PREFERENCES = (
    PaperFigure(
        PAPER, "7", "preference models' accuracy against size", ((gaps.BENCHMARK, HH_PM),), _models_of_preferences
    ),
    PaperFigure(PAPER, "9", CALIBRATION, ((gaps.BENCHMARK, HH_PM), (gaps.BENCHMARK, HELPFUL_PM)), _calibration),
)
