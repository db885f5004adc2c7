"""Accuracy of preference models against the comparisons that they have learnt from (Bai et al. 2022a, figure 7)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pandas as pd

from cai_eval.contracts import Figure, Results
from cai_eval.pages import charts, lettering, style
from cai_eval.training.log import read_log

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

TRAINER = "preference-model"
ROOM = 0.02  #: between the curves and the ends of the axis
COLUMNS = ["intervention", "rung", "parameters", "comparisons", "accuracy", "held_out"]


def learning(results: Results) -> pd.DataFrame:
    """One row for each evaluation in a first training (COLUMNS).

    comparisons: read so far, those of a second epoch again. accuracy: on `held_out` comparisons that are not learnt
    from.
    """
    rows = []
    for made in results.trained:
        counts = made.folder / "comparisons.json"
        if made.trainer == TRAINER and made.seed == 0 and counts.is_file():
            there = json.loads(counts.read_text(encoding="utf-8"))
            a_step = min(int(made.config["rows"]), there["trained"])
            rows += [
                (
                    *(made.intervention, made.rung, made.parameters, entry["step"] * a_step),
                    *(entry["evaluation"]["accuracy"], there["held_out"]),
                )
                for entry in read_log(made.folder / "log.jsonl")
                if "evaluation" in entry and entry["step"]
            ]
    return pd.DataFrame(rows, columns=COLUMNS)


def figure(results: Results, frame: pd.DataFrame) -> Figure:
    """A panel for each preference model, a curve for each size. frame: of `learning`, not empty."""
    least = frame["held_out"].min()
    return Figure(
        name="learning",
        title="Accuracy against comparisons learnt from",
        caption=f"On {least:,} comparisons of other prompts or more: were these independent, a standard error "
        f"would be {0.5 / least**0.5:.1%} or less. Chance is 50 %. A point is a state of one training whose learning "
        "rate falls to nought at its end; a whole training on as few comparisons would end elsewhere.",
        figure=_drawn(results, frame),
        data=frame,
    )


@style.house()
def _drawn(results: Results, frame: pd.DataFrame) -> Canvas:
    names = frame["intervention"].unique().tolist()
    looks = style.series([style.size_label(size) for size in sorted(frame["parameters"].unique())])
    canvas, axes = style.grid(len(names), margins=style.Margins(right=lettering.room_for(list(looks))))
    low, high = min(0.5, frame["accuracy"].min()), frame["accuracy"].max()
    for ax, name in zip(axes, names, strict=True):
        lettering.heading(ax, results.interventions.get(name, name), "accuracy, comparisons held out")
        charts.value_axis(ax, "fraction")
        ax.set_ylim(low - ROOM, high + ROOM)
        ax.set_xscale("log")
        ends = []
        for _, rows in frame[frame["intervention"] == name].groupby("rung", sort=False):
            look = looks[style.size_label(rows["parameters"].iloc[0])]
            x, y = rows["comparisons"].to_numpy(float), rows["accuracy"].to_numpy(float)
            ax.plot(x, y, color=look.colour, marker=look.marker, markersize=3)
            ends.append(lettering.EndLabel(x[-1], y[-1], look.name, look.colour))
        ax.set_xlabel("comparisons learnt from")
        ax.autoscale_view()
        ticks = charts.log_ticks(*ax.get_xlim())
        ax.set_xticks(ticks, [f"{tick:,.0f}" for tick in ticks])
        ax.set_xticks([], minor=True)
        lettering.label_ends(ax, ends)
    return canvas
