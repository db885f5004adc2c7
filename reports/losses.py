"""Loss against step, from the logs that trainers of policies leave beside what they make."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, ClassVar

import pandas as pd
from pydantic import BaseModel, PositiveInt

from cai_eval.contracts import Figure, PaperFigure, Results, Table
from cai_eval.pages import charts, lettering, style
from cai_eval.training.log import read_log

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

LIKELIHOODS = ("context-distillation", "fine-tune")  #: trainers whose loss is in nats a token


class Losses:
    """One panel an intervention, one curve a model."""

    name: ClassVar[str] = "losses"
    title: ClassVar[str] = "How trainings went"
    papers: ClassVar[tuple[PaperFigure, ...]] = ()

    class Config(BaseModel, frozen=True, extra="forbid"):
        """smooth: steps that a point of a curve is the mean of."""

        smooth: PositiveInt = 10

    def __init__(self, config: Config) -> None:
        self.config = config

    def draw(self, results: Results) -> Iterator[Figure | Table]:
        """Nothing where nothing was trained."""
        frame = losses(results)
        if not frame.empty:
            yield Figure(
                name="losses",
                title="Loss against step",
                caption="Nats a token, on what each step learns from: of context distillation the divergence from the "
                f"prompted teacher, of fine-tuning the negative log-likelihood. Mean over {self.config.smooth} steps.",
                figure=_drawn(results, frame, self.config.smooth),
                data=frame,
            )


def losses(results: Results) -> pd.DataFrame:
    """One row for each step of each training: intervention, rung, parameters, seed, step, loss."""
    rows = [
        (made.intervention, made.rung, made.parameters, made.seed, entry["step"], entry["loss"])
        for made in results.trained
        if made.trainer in LIKELIHOODS
        for entry in read_log(made.folder / "log.jsonl")
        if "loss" in entry
    ]
    return pd.DataFrame(rows, columns=["intervention", "rung", "parameters", "seed", "step", "loss"])


@style.house()
def _drawn(results: Results, frame: pd.DataFrame, smooth: int) -> Canvas:
    names = frame["intervention"].unique().tolist()
    looks = style.series([style.size_label(size) for size in sorted(frame["parameters"].unique())])
    figure, axes = style.grid(len(names), margins=style.Margins(right=lettering.room_for(list(looks))))
    for ax, name in zip(axes, names, strict=True):
        lettering.heading(ax, results.interventions.get(name, name), "nats a token")
        _curves(ax, frame[frame["intervention"] == name], looks, smooth)
    return figure


def _curves(ax: Axes, frame: pd.DataFrame, looks: Mapping[str, style.Series], smooth: int) -> None:
    from matplotlib.ticker import MaxNLocator

    ax.set_yscale("log")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    labels = []
    for (size, _), rows in frame.groupby(["parameters", "seed"]):
        label = style.size_label(size)
        loss = rows["loss"].rolling(smooth, center=True, min_periods=1).mean()
        ax.plot(rows["step"], loss, color=looks[label].colour, linewidth=0.9)
        labels.append(
            lettering.EndLabel(float(rows["step"].iloc[-1]), float(loss.iloc[-1]), label, looks[label].colour)
        )
    ax.set_xlabel("step")
    ax.autoscale_view()
    ticks = charts.log_ticks(*ax.get_ylim())
    ax.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.set_yticks([], minor=True)
    lettering.label_ends(ax, labels)
