"""The counting demonstration: the loss of each number, behind a prompt, after fine-tuning, after distillation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

import pandas as pd
from pydantic import BaseModel

from cai_eval.contracts import Figure, PaperFigure, Results, Table
from cai_eval.pages import charts, lettering, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

BENCHMARK = "counting"
PROMPTED, TUNED = "count-prompt", "fine-tuned"  #: what the paper compares


def losses(results: Results) -> pd.DataFrame:
    """One row for each number under each intervention, of the largest model: intervention, rung, cell, number, loss."""
    cells = results.cells[results.cells["benchmark"] == BENCHMARK].rename_axis("cell").reset_index()
    cells = cells[cells["parameters"] == cells["parameters"].max()][["cell", "intervention", "rung"]]
    records = results.records[results.records["metric"] == "loss"].astype({"cell": str, "item": str})
    frame = cells.astype({"cell": str}).merge(records[["cell", "item", "value"]], on="cell")
    frame = frame.assign(number=frame["item"].astype(int)).rename(columns={"value": "loss"})
    order = {name: place for place, name in enumerate(results.interventions)}
    frame = frame.groupby(["intervention", "rung", "number"], as_index=False).agg({"cell": "first", "loss": "mean"})
    return frame.sort_values(["intervention", "number"], key=lambda column: column.map(order).fillna(column))


def draw(results: Results) -> Figure:
    """Loss against number."""
    frame = losses(results)
    return Figure(
        name="counting",
        title="Askell et al. 2021, figure 26: counting on from 63",
        caption=f"Loss of each number, nats, of the {frame['rung'].iloc[0]} model. Nothing stands before the first but "
        "the prompt, where there is one; before the others stand those from the first on. Mean over seeds.",
        figure=_drawn(results, frame),
        data=frame,
    )


class Counting:
    """Loss against number, at the largest size."""

    name: ClassVar[str] = "counting"
    title: ClassVar[str] = "Counting on"
    papers: ClassVar[tuple[PaperFigure, ...]] = (
        PaperFigure("askell-2021", "26R", "counting on from 63", ((BENCHMARK, PROMPTED), (BENCHMARK, TUNED)), draw),
    )

    class Config(BaseModel, frozen=True, extra="forbid"):
        """Nothing to choose."""

    def __init__(self, config: Config) -> None:
        self.config = config

    def draw(self, results: Results) -> Iterator[Figure | Table]:
        """Nothing where nobody has counted."""
        if BENCHMARK in results.metrics:
            yield draw(results)


@style.house()
def _drawn(results: Results, frame: pd.DataFrame) -> Canvas:
    titles = {name: results.interventions.get(name, name) for name in frame["intervention"].unique()}
    looks = style.series(list(results.interventions))
    margins = style.Margins(right=lettering.room_for(list(titles.values())))
    figure, (ax,) = style.panels(style.COLUMN, 1, 1, margins=margins)
    lettering.heading(ax, "Counting on from 63", "loss of the number, nats")
    ax.set_yscale("log")
    labels = []
    for name, title in titles.items():
        rows = frame[frame["intervention"] == name]
        ax.plot(rows["number"], rows["loss"], color=looks[name].colour, marker=looks[name].marker, markersize=3)
        end = float(rows["number"].iloc[-1]), float(rows["loss"].iloc[-1])
        labels.append(lettering.EndLabel(*end, title, looks[name].colour))
    ax.set_xlabel("number")
    ax.autoscale_view()
    ticks = charts.log_ticks(*ax.get_ylim())
    ax.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.set_yticks([], minor=True)
    lettering.label_ends(ax, labels)
    return figure
