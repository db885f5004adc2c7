"""How many items an intervention repaired, and how many it broke."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from pydantic import BaseModel

from cai_eval.contracts import Figure, PaperFigure, Results, Table

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure as Canvas


class Changes:
    """Compares every intervention with the first one of the suite, item by item."""

    name: ClassVar[str] = "changes"
    title: ClassVar[str] = "Repaired and broken"
    papers: ClassVar[tuple[PaperFigure, ...]] = ()

    class Config(BaseModel, frozen=True, extra="forbid"):
        """smallest: differences in score up to this size count as none."""

        smallest: float = 1e-6

    def __init__(self, config: Config) -> None:
        self.config = config

    def draw(self, results: Results) -> Iterator[Figure | Table]:
        frame = changes(results, self.config.smallest)
        if frame.empty:
            return
        caption = "Items whose score rose (repaired) or fell (broken) against the first intervention."
        yield Table("changes", "Repaired and broken items", caption, frame, {"repaired": "{:d}", "broken": "{:d}"})
        yield Figure("changes", "Repaired and broken items", caption, bars(frame), frame)


def changes(results: Results, smallest: float) -> pd.DataFrame:
    """One row for each (benchmark, model, intervention) with the counts of items repaired and broken."""
    import pandas as pd

    records = results.records.merge(
        results.cells[["rung", "intervention", "benchmark"]], left_on="cell", right_index=True
    )
    base, *others = results.interventions
    rows = []
    for benchmark, metrics in results.metrics.items():
        primary = next(metric for metric in metrics if metric.primary)
        chosen = records[(records["benchmark"] == benchmark) & (records["metric"] == primary.name)]
        scores = chosen.pivot_table(
            index=["rung", "item"], columns="intervention", values="value", observed=True, sort=False
        )
        for other in others:
            if base not in scores or other not in scores:
                continue
            gain = (scores[other] - scores[base]).dropna() * (1 if primary.higher_is_better else -1)
            for rung, values in gain.groupby(level="rung", sort=False):
                repaired, broken = int((values > smallest).sum()), int((values < -smallest).sum())
                rows.append((benchmark, rung, results.interventions[other], len(values), repaired, broken))
    return pd.DataFrame(rows, columns=["benchmark", "model", "intervention", "items", "repaired", "broken"])


def bars(frame: pd.DataFrame) -> Canvas:
    """Repaired to the right, broken to the left, a row for each row of the frame."""
    from matplotlib.figure import Figure as Canvas

    canvas = Canvas(figsize=(6.9, 0.6 + 0.25 * len(frame)), layout="constrained")
    axes = canvas.add_subplot()
    labels = [f"{row.benchmark}, {row.model}, {row.intervention}" for row in frame.itertuples()]
    axes.barh(labels, frame["repaired"], color="#0072b2", label="repaired")
    axes.barh(labels, -frame["broken"], color="#d55e00", label="broken")
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_xlabel("items")
    axes.legend(frameon=False)
    return canvas
