"""How far preference models can be trusted: agreement with the labels by difference of scores, and accuracy as they
learn.

Their accuracy against size is drawn by `scaling`, as of any benchmark.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from pydantic import BaseModel

from cai_eval.contracts import Figure, PaperFigure, Results, Table
from cai_eval.pages.text import slug

from . import bai_2022_rlhf, gaps, learning


class Preferences:
    """See the module."""

    name: ClassVar[str] = "preferences"
    title: ClassVar[str] = "Calibration of preference models"
    papers: ClassVar[tuple[PaperFigure, ...]] = (*bai_2022_rlhf.POLICIES, *bai_2022_rlhf.PREFERENCES)

    class Config(BaseModel, frozen=True, extra="forbid"):
        """Nothing to choose."""

    def __init__(self, config: Config) -> None:
        self.config = config

    def draw(self, results: Results) -> Iterator[Figure | Table]:
        """One figure for each preference model that benchmark `preference` was put to; then how all of them learnt."""
        for name, title in results.interventions.items():
            if curves := gaps.gaps(results, name):
                drawn = [gaps.Panel(title, curves)]
                heading = f"{title}: agreement with the labels, by difference of scores"
                yield Figure(f"gaps-{slug(name)}", heading, gaps.CAPTION, gaps.draw(drawn), gaps.table(drawn))
        learnt = learning.learning(results)
        if not learnt.empty:
            yield learning.figure(results, learnt)
