"""Revision and AI feedback: what critiques do to answers, and how far a choice between answers can be trusted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from pydantic import BaseModel, Field

from cai_eval.contracts import Figure, PaperFigure, Results, Table
from cai_eval.pages import scores
from cai_eval.pages.text import slug
from cai_eval.statistics.calibration import BINS

from . import bai_2022_cai, diagrams, letters, panels
from .labels import labels

LABELLED = "p_right"  #: the score of a benchmark whose records hold labels of AI feedback
CHOICE = "accuracy"  #: the primary metric of a benchmark whose items are two answers


class Feedback:
    """See the module."""

    name: ClassVar[str] = "feedback"
    title: ClassVar[str] = "Revision and AI feedback"
    papers: ClassVar[tuple[PaperFigure, ...]] = (*bai_2022_cai.REVISIONS, *bai_2022_cai.FEEDBACK)

    class Config(BaseModel, frozen=True, extra="forbid"):
        """level: of the intervals."""

        level: float = Field(default=0.95, gt=0, lt=1)

    def __init__(self, config: Config) -> None:
        self.config = config

    def draw(self, results: Results) -> Iterator[Figure | Table]:
        """The paper's figures that the run allows; how often each model chooses right; whether its labels come true."""
        held = set(zip(results.cells["benchmark"], results.cells["intervention"], strict=True))
        for figure in self.papers:
            if set(figure.needs) <= held and bai_2022_cai.judged(results, figure):
                yield figure.draw(results)
        for benchmark, metrics in results.metrics.items():
            if scores.primary(metrics).name == CHOICE:
                yield from self._choices(results, benchmark)
        for benchmark, metrics in results.metrics.items():
            if any(metric.name == LABELLED for metric in metrics):
                yield from self._labels(results, benchmark)
        yield from letters.table(results)

    def _choices(self, results: Results, benchmark: str) -> Iterator[Figure]:
        """Accuracy against size, by category where there are several."""
        metric = scores.primary(results.metrics[benchmark])
        frame = scores.scores(results, benchmark, metric, self.config.level)
        if frame.empty:
            return
        alone = panels.Panel(benchmark, metric.label, metric, frame[frame["category"] == ""], {})
        drawn = panels.categories(metric, frame, {}) or [alone]
        present = set(frame["intervention"])
        yield Figure(
            name=f"choices-{slug(benchmark)}",
            title=f"{benchmark}: how often the better answer is chosen",
            caption=" ".join(panels.caption(drawn, self.config.level)),
            figure=panels.against_size(drawn, {n: t for n, t in results.interventions.items() if n in present}),
            data=panels.together(drawn),
        )

    def _labels(self, results: Results, benchmark: str) -> Iterator[Figure]:
        """A reliability diagram for each model that labelled."""
        asked = results.cells.loc[results.cells["benchmark"] == benchmark, "intervention"]
        for intervention in asked.unique():
            said = labels(results, benchmark, intervention)
            canvas, frame = diagrams.by_size(said, "Labels of AI feedback", self.config.level, BINS)
            yield Figure(
                name=f"labels-{slug(benchmark)}-{slug(intervention)}",
                title=f"{benchmark}: labels of {results.interventions[intervention]}",
                caption=diagrams.reliability_caption(self.config.level, BINS),
                figure=canvas,
                data=frame,
            )
