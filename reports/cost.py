"""What an intervention costs to run: tokens, cache and time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import pandas as pd
from pydantic import BaseModel

from cai_eval.contracts import Figure, PaperFigure, Results, Table
from cai_eval.pages import charts, lettering, scores, style

TIME = "milliseconds an item"


class Cost:
    """Time an item against size, and the table of tokens, cache and time."""

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
        if frame[TIME].notna().any():
            yield _figure(results, frame[frame[TIME].notna()])
        yield _table(results, frame)


def costs(results: Results) -> pd.DataFrame:
    """One row for each model and intervention, over all benchmarks; time counts only the items that were timed.

    prefix: tokens, of the longest. cache: bytes of shared keys and values. times base: time an item over that of
    the study's first intervention on the same model.
    """
    cells = results.cells.assign(cell=results.cells.index)
    cells["timed"] = cells.get("timed_items", cells["items"])
    point = ["parameters", "rung", "model", "intervention"]
    frame = cells.groupby(point, sort=False, observed=True).agg(
        prefix=("prefix_tokens", "max"),
        tokens=("tokens", "sum"),
        cache=("cache_bytes", "max"),
        seconds=("seconds", "sum"),
        timed=("timed", "sum"),
        cell=("cell", "first"),
    )
    frame = frame.reset_index().sort_values("parameters", kind="stable", ignore_index=True)
    frame[TIME] = 1000 * frame["seconds"] / frame["timed"].where(frame["timed"] > 0)
    base = frame[frame["intervention"] == scores.base_intervention(results)].set_index("model")[TIME]
    frame["times base"] = frame[TIME] / frame["model"].map(base)
    return frame


@style.house()
def _figure(results: Results, frame: pd.DataFrame) -> Figure:
    labels = list(charts.curve_labels(frame, results.interventions).values())
    figure, (ax,) = style.panels(style.COLUMN, 1, 1, margins=style.Margins(right=lettering.room_for(labels)))
    lettering.heading(ax, "Time", f"{TIME}, all benchmarks together")
    charts.value_axis(ax, "milliseconds", log=True)
    charts.against_size(ax, frame, results.interventions, (TIME, TIME, TIME))
    return Figure(
        name="cost",
        title="Time an item against size",
        caption="On the machine named under provenance, with the prefix computed once. Each was run once, so these "
        "times have no intervals.",
        figure=figure,
        data=frame,
    )


def _table(results: Results, frame: pd.DataFrame) -> Table:
    table = pd.DataFrame(
        {
            "model": frame["rung"],
            "M parameters": frame["parameters"] / 1e6,
            "intervention": frame["intervention"].map(results.interventions),
            "prefix tokens": frame["prefix"],
            "tokens behind it": frame["tokens"],
            "cache MiB": frame["cache"] / 2**20,
            "seconds": frame["seconds"],
            TIME: frame[TIME],
            "times base": frame["times base"],
        }
    )
    return Table(
        name="cost-table",
        title="Tokens, cache and time",
        caption="Over all benchmarks. The prefix is that of the longest. Cache: keys and values that requests share, "
        "held once however large the batch. Times include the prefix.",
        frame=table,
        formats={
            "M parameters": "{:,.4g}",
            "cache MiB": "{:,.2f}",
            "seconds": "{:,.1f}",
            TIME: "{:,.1f}",
            "times base": "{:.2f}",
        },
    )
