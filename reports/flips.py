"""How many items an intervention turned from right to wrong, and from wrong to right; the page lists them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import ClassVar

import pandas as pd
from pydantic import BaseModel

from cai_eval.contracts import PaperFigure, Results, Table
from cai_eval.pages.changes import LOST, SAME, WON, base_cells, changes
from cai_eval.pages.scores import base_intervention


class Flips:
    """One table; each row leads to its items."""

    name: ClassVar[str] = "flips"
    title: ClassVar[str] = "Items that flipped"
    papers: ClassVar[tuple[PaperFigure, ...]] = ()

    class Config(BaseModel, frozen=True, extra="forbid"):
        """Nothing to choose."""

    def __init__(self, config: Config) -> None:
        self.config = config

    def draw(self, results: Results) -> Iterator[Table]:
        """Counts by each benchmark's primary metric, where that is a share of right answers."""
        found = changes(results, base_cells(results))
        if not found:
            return
        cells = results.cells.loc[list(found)]
        counts = pd.DataFrame([Counter(each.values()) for each in found.values()], columns=[LOST, WON, SAME])
        counts = counts.fillna(0).astype(int).set_index(cells.index)
        frame = pd.DataFrame(
            {
                "benchmark": cells["benchmark"],
                "model": cells["rung"],
                "M parameters": cells["parameters"] / 1e6,
                "intervention": cells["intervention"].map(results.interventions),
                "items": counts.sum(axis=1),
                LOST: counts[LOST],
                WON: counts[WON],
                "won − lost": counts[WON] - counts[LOST],
                "cell": cells.index,
            }
        )
        yield Table(
            name="flips",
            title=f"Won and lost against {results.interventions[base_intervention(results)]}",
            caption="Items of both cells whose score by the primary metric moved by half or more. Two cells with equal "
            "scores may still differ in many items.",
            frame=frame.reset_index(drop=True),
            formats={"M parameters": "{:,.4g}", "won − lost": "{:+d}"},
        )
