"""Drawings of Elo ratings: helpfulness against harmlessness, and both against size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from cai_eval.contracts import Results
from cai_eval.pages import charts, lettering, scores, style

from .matches import QUALITIES, SOURCE
from .policies import Path
from .ratings import first_title

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

ENDS = ("value", "low", "high")


@style.house()
def plane(results: Results, across: pd.DataFrame, paths: Mapping[str, Path]) -> Canvas:
    """Helpfulness across, harmlessness upwards. across: rows of `on_both`."""
    names = [first_title(results, name) for name in paths]
    margins = style.Margins(right=lettering.room_for(names))
    figure, (ax,) = style.panels(1.35 * style.COLUMN, 1, 1, height=2.6, margins=margins)
    lettering.heading(ax, f"{style.size_label(across['parameters'].iloc[0])} parameters", "harmlessness Elo")
    looks, rows, labels = style.series(list(paths)), across.set_index("intervention"), []
    for name, path in sorted(
        paths.items(), key=lambda each: -len(each[1].points)
    ):  # starts lie above what begins there
        points = [point for point in path.names if point in rows.index]
        if not points:
            continue
        x, y = (rows.loc[points, f"{quality} value"].to_numpy(float) for quality in QUALITIES)
        across_ends, up_ends = (rows.loc[points, [f"{q} low", f"{q} high"]].to_numpy(float).T for q in QUALITIES)
        style.curve(ax, x, y, up_ends[0], up_ends[1], looks[name], rows.loc[points, "cell"].tolist())
        ax.hlines(y, across_ends[0], across_ends[1], color=looks[name].colour, linewidth=0.8, alpha=0.75, zorder=2)
        labels.append(lettering.EndLabel(x[-1], y[-1], first_title(results, name), looks[name].colour))
    ax.grid(axis="x")
    ax.set_xlabel("helpfulness Elo")
    ax.margins(0.06)
    ax.autoscale_view()
    lettering.label_ends(ax, labels)
    return figure


@style.house()
def against_size(results: Results, rated: pd.DataFrame) -> Canvas:
    """A panel for each quality; a curve for each intervention of `rated`."""
    titles = {n: first_title(results, n) for n in results.interventions if (rated["intervention"] == n).any()}
    qualities = [quality for quality in QUALITIES if (rated["quality"] == quality).any()]
    margins = style.Margins(right=lettering.room_for(list(titles.values())))
    figure, axes = style.panels(style.PAGE, 1, len(qualities), height=1.9, margins=margins)
    for ax, quality in zip(axes, qualities, strict=True):
        lettering.heading(ax, quality.capitalize(), "Elo")
        charts.against_size(ax, rated[rated["quality"] == quality], titles, ENDS)
    return figure


def on_both(rated: pd.DataFrame) -> pd.DataFrame:
    """One row for each policy of the largest size that is rated on both: "helpfulness value", "harmlessness low", …"""
    largest = rated[rated["parameters"] == rated["parameters"].max()]
    parts = []
    for quality in QUALITIES:
        rows = largest[largest["quality"] == quality].set_index("intervention")
        parts.append(rows[list(ENDS)].add_prefix(f"{quality} "))
    about = largest.drop_duplicates("intervention").set_index("intervention")
    return about[["rung", "parameters", "cell", "seeds", "anchor"]].join(parts, how="inner").reset_index()


def told(rated: pd.DataFrame, judge: str, level: float) -> str:
    """A caption's sentences on what the points are, whose judgement, and what the bars speak of."""
    by = "the grades that the source of the prompts gives" if judge == SOURCE else f"the judge {judge}"
    prompts = " and ".join(
        f"{rows['prompts'].iloc[0]} prompts ({rows['clusters'].iloc[0]} clusters) for {quality}"
        for quality, rows in rated.groupby("quality", sort=False)
    )
    return (
        f"Elo points above {rated['anchor'].iloc[0]}, all policies of all sizes against each other, by {by}; only "
        f"differences mean anything. Bars: {level * 100:g} % intervals of the difference to that policy, over "
        f"{prompts}, drawn again jointly for all policies. {scores.reach(rated)}"
    )


def trained(paths: Mapping[str, Path], present: Sequence[str]) -> dict[str, Path]:
    """The paths of which a point is there."""
    return {name: path for name, path in paths.items() if set(path.names) & set(present)}
