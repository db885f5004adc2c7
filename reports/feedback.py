"""Revision and AI feedback: what critiques do to answers, and how far a choice by a principle can be trusted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from pydantic import BaseModel

from cai_eval.contracts import Figure, PaperFigure, Results, Table
from cai_eval.pages.text import slug

from . import bai_2022_cai, reliability

LABELLED = "p_right"  #: the score of a benchmark whose records hold labels of AI feedback


class Feedback:
    """See the module."""

    name: ClassVar[str] = "feedback"
    title: ClassVar[str] = "Revision and AI feedback"
    papers: ClassVar[tuple[PaperFigure, ...]] = (*bai_2022_cai.REVISIONS, *bai_2022_cai.FEEDBACK)

    class Config(BaseModel, frozen=True, extra="forbid"):
        """Nothing to choose."""

    def __init__(self, config: Config) -> None:
        pass

    def draw(self, results: Results) -> Iterator[Figure | Table]:
        """Harm against revisions where the run has them judged; reliability of the labels of each feedback model."""
        held = set(zip(results.cells["benchmark"], results.cells["intervention"], strict=True))
        for figure in self.papers:
            if set(figure.needs) <= held and bai_2022_cai.judged(results, figure):
                yield figure.draw(results)
        for benchmark, metrics in results.metrics.items():
            if not any(metric.name == LABELLED for metric in metrics):
                continue
            cells = results.cells[results.cells["benchmark"] == benchmark]
            for intervention, rows in cells.groupby("intervention", sort=False):
                labels = [reliability.Labels.of(results, str(cell)) for cell in rows.index]
                yield Figure(
                    name=f"labels-{slug(benchmark)}-{slug(str(intervention))}",
                    title=f"{benchmark}: labels of {results.interventions[str(intervention)]}",
                    caption=reliability.CAPTION,
                    figure=reliability.diagram(labels),
                    data=reliability.table(labels),
                )
