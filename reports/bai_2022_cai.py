"""The figures of Bai et al. 2022b (Constitutional AI) that records can draw: the paper's axes and series.

The paper gives its curves as pictures only, so there is nothing to draw in grey behind. Where it shows the scores of a
preference model that people trained, a laboratory has the grades themselves: harm, from 0 to 4, lower is better.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from cai_eval.contracts import Figure, Metric, PaperFigure, Results
from cai_eval.errors import UserError
from cai_eval.pages import charts, lettering, scores, style
from cai_eval.pages.scores import LEVEL
from cai_eval.statistics.calibration import BINS

from . import courses, diagrams, frontier
from .labels import labels
from .matches import QUALITIES, matches
from .policies import Path, paths
from .ratings import Rated, first_title, ratings
from .rounds import revised, rounds

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

PAPER = "bai-2022-cai"
ANSWERS = "answers"
POLICIES = ("helpful-rlhf", "hh-rlhf", "sl-cai", "rl-cai", "rl-cai-cot")
REINFORCED = ("helpful-rlhf", "hh-rlhf", "rl-cai", "rl-cai-cot")
ANCHOR = "sl-cai"
RESAMPLES = 500

LETTERED: Mapping[str, str] = {
    "hhh-lettered": "asked at once",
    "hhh-lettered-cot": "chain of thought",
    "hhh-lettered-cot-5": "five chains of thought",
}
Drawn = tuple["Canvas", pd.DataFrame, str]  #: the drawing, its numbers, and how to read it


def _figure(number: str, title: str, needs: Sequence[tuple[str, str]], draw: Callable[[Results], Drawn]) -> PaperFigure:
    def made(results: Results) -> Figure:
        canvas, data, caption = draw(results)
        heading = f"Bai et al. 2022b, figure {number}: {title}"
        return Figure(f"{PAPER}-{number}", heading, caption, canvas, data)

    return PaperFigure(PAPER, number, title, tuple(needs), made)


# Elo -------------------------------------------------------------------------------------------------


def _rated(results: Results) -> tuple[pd.DataFrame, str]:
    """Ratings by the first judge that there is: the source, or else a preference model. Raises UserError."""
    played = list(matches(results, ANSWERS))
    if not played:
        raise UserError("nobody has judged the answers: run `cai-eval judge`, or import votes with `cai-eval votes`.")
    judge = played[0].judge
    mine = [match for match in played if match.judge == judge]
    return ratings(results, mine, Rated(ANCHOR, LEVEL, RESAMPLES)), judge


def _chosen(results: Results, names: Sequence[str]) -> dict[str, Path]:
    return {name: path for name, path in paths(results).items() if name in names}


def _plane(results: Results) -> Drawn:
    rated, judge = _rated(results)
    across = frontier.on_both(rated)
    caption = f"{frontier.told(rated, judge, LEVEL)} A line joins a policy with what it was before and during training."
    return frontier.plane(results, across, _chosen(results, POLICIES)), across, caption


def _sizes(results: Results) -> Drawn:
    rated, judge = _rated(results)
    shown = rated[rated["intervention"].isin(POLICIES)]
    return frontier.against_size(results, shown), shown, frontier.told(shown, judge, LEVEL)


def _training(results: Results) -> Drawn:
    rated, judge = _rated(results)
    largest = rated[rated["parameters"] == rated["parameters"].max()]
    panels = [
        courses.Panel(
            quality.capitalize(),
            "Elo",
            "answers learnt from",
            "",
            _courses(results, largest[largest["quality"] == quality]),
        )
        for quality in QUALITIES
        if (largest["quality"] == quality).any()
    ]
    return courses.draw(panels), courses.together(panels), frontier.told(largest, judge, LEVEL)


def _courses(results: Results, rows: pd.DataFrame) -> list[courses.Course]:
    """A curve along training for each policy that was reinforced. rows: of one size, one for each intervention."""
    known = rows.set_index("intervention")
    found = []
    for look, (name, path) in enumerate(_chosen(results, REINFORCED).items()):
        points = [(point, seen) for point, seen in path.points if point in known.index]
        course = known.loc[[point for point, _ in points]].assign(x=[seen for _, seen in points])
        if points:
            found.append(courses.Course(first_title(results, name), course.reset_index(), look))
    return found


def _harm(results: Results) -> Drawn:
    metric = _metric(results, ANSWERS, "harm")
    frame = scores.scores(results, ANSWERS, metric, LEVEL)
    largest = frame[(frame["parameters"] == frame["parameters"].max()) & (frame["category"] == "")]
    quantity = "harm of an answer to a harmful prompt, 0 to 4"
    size = style.size_label(largest["parameters"].iloc[0])
    panel = courses.Panel(f"{size} parameters", quantity, "answers learnt from", "grades", _courses(results, largest))
    caption = f"Lower is better. Bars: {LEVEL:.0%} intervals by clusters of prompts. {scores.reach(largest)}"
    return courses.draw([panel]), courses.together([panel]), caption


def _metric(results: Results, benchmark: str, name: str) -> Metric:
    for metric in results.metrics[benchmark]:
        if metric.name == name:
            return metric
    raise UserError(f"the run's {benchmark} does not record {name}: raise 'rounds', or run the suite's own.")


# Revisions -------------------------------------------------------------------------------------------


def judged(results: Results, figure: PaperFigure) -> bool:
    """Whether the revisions that the figure shows have grades; so it is where it shows none."""
    return all(not rounds(results, [name]).empty for name, _ in figure.needs if revised(results.metrics[name]))


def _by_rounds(results: Results, curves: Mapping[str, str], *, split: str) -> Drawn:
    """Harm against rounds. curves: benchmark → label. split: what a curve is for, "size" or "benchmark"."""
    frame = rounds(results, list(curves)).rename(columns={"round": "x"})
    if frame.empty:
        raise UserError("nobody has judged the revisions: a source that knows grades is needed (--ladder lab).")
    quantity, across = "harm of an answer to a harmful prompt, 0 to 4", "revisions"
    sizes = sorted(frame["parameters"].unique())
    if split == "size":
        groups = [
            courses.Course(f"{style.size_label(size)}", _ordered(frame[frame["parameters"] == size]), look)
            for look, size in enumerate(sizes)
        ]
        panels = [courses.Panel("by size", quantity, across, "grades", groups)]
    else:
        panels = [
            courses.Panel(
                f"{style.size_label(size)} parameters",
                quantity,
                across,
                "grades",
                [
                    courses.Course(label, _ordered(rows), look)
                    for look, (name, label) in enumerate(curves.items())
                    if not (rows := frame[(frame["benchmark"] == name) & (frame["parameters"] == size)]).empty
                ],
            )
            for size in sizes
        ]
    caption = (
        "A policy's answers to harmful prompts that no training has seen, and its own revisions of them. Lower is "
        f"better; garbled text does no harm and counts so. Bars: {LEVEL:.0%} intervals by clusters of prompts. "
        f"{scores.reach(frame)}"
    )
    return courses.draw(panels), courses.together(panels), caption


def _ordered(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.sort_values("x")


# The 438 comparisons ---------------------------------------------------------------------------------


def _lettered(metric: str) -> Callable[[Results], Drawn]:
    def draw(results: Results) -> Drawn:
        known = {name: label for name, label in LETTERED.items() if name in results.metrics}
        frames = [scores.scores(results, name, _metric(results, name, metric), LEVEL) for name in known]
        frame = pd.concat(frames, ignore_index=True)
        base = scores.base_intervention(results)
        frame = frame[(frame["intervention"] == base) & (frame["category"] == "")]
        drawn = frame.assign(intervention=frame["benchmark"], label="")
        canvas = _against_size(drawn, known, _metric(results, next(iter(known)), metric))
        caption = (
            "The pretrained model reads both answers and names a letter; both orders are asked and averaged. "
            f"Bars: {LEVEL:.0%} intervals by clusters. {scores.reach(frame)}"
        )
        return canvas, drawn, caption

    return draw


@style.house()
def _against_size(frame: pd.DataFrame, titles: Mapping[str, str], metric: Metric) -> Canvas:
    margins = style.Margins(right=lettering.room_for([*titles.values(), "chance"]))
    figure, (ax,) = style.panels(style.COLUMN * 1.2, 1, 1, margins=margins)
    lettering.heading(ax, "Lettered comparisons", metric.label)
    charts.value_axis(ax, metric.unit)
    charts.against_size(ax, frame, titles, level=(0.5, "chance"))
    return figure


def _calibration(results: Results) -> Drawn:
    said = labels(results, "hhh-lettered", scores.base_intervention(results))
    canvas, frame = diagrams.by_size(said, "Labels of AI feedback", LEVEL, BINS)
    return canvas, frame, diagrams.reliability_caption(LEVEL, BINS)


RATINGS = (
    _figure("2", "helpfulness against harmlessness Elo", [(ANSWERS, name) for name in POLICIES], _plane),
    _figure("3", "Elo against size", [(ANSWERS, name) for name in POLICIES], _sizes),
    _figure("8", "Elo along reinforcement learning", [(ANSWERS, name) for name in REINFORCED], _training),
    _figure("10", "absolute harmfulness along reinforcement learning", [(ANSWERS, n) for n in REINFORCED], _harm),
)
CRITIC = "pretrained"
PRINCIPLES = {
    "revisions-1-principle": "one principle",
    "revisions-4-principles": "four principles",
    "revisions": "all principles",
}
REVISIONS = (
    _figure(
        "5",
        "harm against the number of revisions",
        [("revisions", CRITIC)],
        lambda results: _by_rounds(results, {"revisions": "revised"}, split="size"),
    ),
    _figure(
        "6",
        "harm against the number of revisions, by the number of principles",
        [(name, CRITIC) for name in PRINCIPLES],
        lambda results: _by_rounds(results, PRINCIPLES, split="benchmark"),
    ),
    _figure(
        "7",
        "revisions with and without critiques",
        [("revisions", CRITIC), ("revisions-direct", CRITIC)],
        lambda results: _by_rounds(
            results, {"revisions": "critiqued", "revisions-direct": "direct"}, split="benchmark"
        ),
    ),
)
FEEDBACK = (
    _figure("4", "accuracy on the new comparisons", [("hhh-lettered", "none")], _lettered("accuracy_new")),
    _figure("9", "calibration of AI labels", [("hhh-lettered", "none")], _calibration),
    _figure("11", "accuracy on the original comparisons", [("hhh-lettered", "none")], _lettered("accuracy_original")),
)
