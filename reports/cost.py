"""What an intervention costs to run: tokens, cache and time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import pandas as pd
from pydantic import BaseModel

from cai_eval.contracts import Figure, PaperFigure, Results, Table
from cai_eval.pages import charts, style


class Cost:
    """Seconds an item against size, and the table of tokens, cache and time."""

    name: ClassVar[str] = "cost"
    title: ClassVar[str] = "What prompting costs"
    papers: ClassVar[tuple[PaperFigure, ...]] = ()

    class Config(BaseModel, frozen=True, extra="forbid"):
        """Nothing to choose."""

    def __init__(self, config: Config) -> None:
        self.config = config

    def draw(self, results: Results) -> Iterator[Figure | Table]:
        """A figure where time was taken, and the table."""
        if results.cells.empty:
            return
        frame = costs(results)
        timed = frame[frame["milliseconds an item"].notna()]
        if not timed.empty:
            yield _figure(results, timed)
        yield Table(
            name="cost",
            title="Tokens, cache and time",
            caption="Sums over benchmarks. prefix: tokens before every request, the largest of the benchmarks; tokens: "
            "sent behind it; cache: keys and values of the prefix, held once however large the batch; time: on "
            "the machine named under provenance, the prefix included.",
            frame=frame.drop(columns=["cell"]).assign(intervention=frame["intervention"].map(results.interventions)),
            formats={
                "parameters": "{:,}",
                "cache MiB": "{:.2f}",
                "seconds": "{:.1f}",
                "milliseconds an item": "{:.1f}",
            },
        )


def costs(results: Results) -> pd.DataFrame:
    """One row for each model and intervention. Time an item counts those alone that were timed."""
    cells = results.cells.assign(cell=results.cells.index)
    cells["timed"] = cells.get("timed_items", cells["items"])
    frame = (
        cells.groupby(["parameters", "rung", "model", "intervention"], sort=False, observed=True)
        .agg(
            prefix=("prefix_tokens", "max"),
            tokens=("tokens", "sum"),
            cache=("cache_bytes", "max"),
            items=("items", "sum"),
            seconds=("seconds", "sum"),
            timed=("timed", "sum"),
            cell=("cell", "first"),
        )
        .reset_index()
        .sort_values("parameters", kind="stable")
    )
    frame["cache MiB"] = frame["cache"] / 2**20
    frame["milliseconds an item"] = 1000 * frame["seconds"] / frame["timed"].where(frame["timed"] > 0)
    return frame.drop(columns=["cache", "timed", "model"]).rename(columns={"rung": "model"})


@style.house()
def _figure(results: Results, frame: pd.DataFrame) -> Figure:
    titles = results.interventions
    margins = style.Margins(right=style.room_for(list(titles.values())))
    figure, (ax,) = style.panels(style.COLUMN, 1, 1, margins=margins)
    column = "milliseconds an item"
    style.heading(ax, "Time", f"{column}, all benchmarks")
    charts.value_axis(ax, "milliseconds", log=True)
    charts.against_size(ax, frame, titles, (column, column, column))
    return Figure(
        name="cost",
        title="Time an item against size",
        caption="Scored with the shared prefix computed once. One run each: these times have no interval.",
        figure=figure,
        data=frame,
    )
