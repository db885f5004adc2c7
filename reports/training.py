"""What PPO logged: reward against the distance from the reference, for the preference model that it was trained on and
for one that it was not (Bai et al. 2022a, figures 4 and 13)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from cai_eval.contracts import Figure, PaperFigure, Results, Table, Trained
from cai_eval.pages import lettering, style
from cai_eval.training.log import read_log

from .policies import PPO
from .ratings import first_title

SIDES = {"reward": "training PM", "held_out": "held-out PM"}
AXES = {"√KL": "sqrt_kl", "KL": "kl"}
SATURATED = 0.9  #: share of its whole rise above which a reward hardly rises any more
FEW = 5  #: updates whose mean counts as one


class Training:
    """See the module. No intervals: a line is one training."""

    name: ClassVar[str] = "training"
    title: ClassVar[str] = "Reinforcement learning"
    papers: ClassVar[tuple[PaperFigure, ...]] = ()

    class Config(BaseModel, frozen=True, extra="forbid"):
        """smooth: updates that a drawn point is the mean of; one update's answers are few."""

        smooth: int = Field(default=5, ge=1)

    def __init__(self, config: Config) -> None:
        self.config = config

    def draw(self, results: Results) -> Iterator[Figure | Table]:
        """For the largest size: reward against √KL, and what else was logged; for all: which law reward follows."""
        logged = logs(results)
        if logged.empty:
            return
        largest = logged[logged["parameters"] == logged["parameters"].max()]
        yield self._rewards(results, largest, best_of(results))
        yield self._courses(results, largest)
        yield _fits(results, logged)

    @style.house()
    def _rewards(self, results: Results, logged: pd.DataFrame, baseline: pd.DataFrame) -> Figure:
        """A panel for each policy, with best-of-n of what it started from."""
        names = list(dict.fromkeys(logged["intervention"]))
        margins = style.Margins(right=lettering.room_for(list(SIDES.values())))
        figure, axes = style.grid(len(names), height=1.3, margins=margins)
        drawn = []
        for ax, name in zip(axes, names, strict=True):
            lettering.heading(ax, first_title(results, name), "mean PM score of an update's answers")
            rows = self._smoothed(logged[logged["intervention"] == name])
            chosen = baseline[(baseline["intervention"] == name) & (baseline["rung"] == logged["rung"].iloc[0])]
            ends = []
            for side, shade in zip(SIDES, ("series-1", "series-2"), strict=True):
                if rows[side].notna().any():
                    ax.plot(rows["sqrt_kl"], rows[side], color=style.colour(shade))
                    last = rows.iloc[-1]
                    ends.append(lettering.EndLabel(last["sqrt_kl"], last[side], SIDES[side], style.colour(shade)))
                    ax.plot(chosen["sqrt_kl"], chosen[side], ":o", color=style.colour(shade), markersize=3)
            ax.set_xlabel("√KL to the reference, nats an answer")
            ax.autoscale_view()
            lettering.label_ends(ax, ends)
            drawn += [rows, chosen]
        return Figure(
            name="reward-kl",
            title="Reward against √KL",
            caption=f"{style.size_label(logged['parameters'].iloc[0])} parameters, seed 0. Each point is the mean of "
            f"{self.config.smooth} updates. Scores of different preference models have no common unit: compare slopes, "
            "and where they part. Dots: the best of several answers, by the training PM, of the policy at its start to "
            "the first update's prompts. One training each: no interval is known.",
            figure=figure,
            data=pd.concat(drawn, ignore_index=True),
        )

    @style.house()
    def _courses(self, results: Results, logged: pd.DataFrame) -> Figure:
        """KL, entropy, length and clipping against updates."""
        quantities = {
            "kl": ("KL to the reference", "nats an answer"),
            "entropy": ("Entropy", "nats a token"),
            "length": ("Length", "tokens an answer"),
            "clipped": ("Clipped", "share of tokens"),
        }
        names = list(dict.fromkeys(logged["intervention"]))
        looks = style.series(names)
        titles = {name: first_title(results, name) for name in names}
        margins = style.Margins(right=lettering.room_for(list(titles.values())))
        figure, axes = style.panels(style.PAGE, 2, 2, height=1.2, margins=margins)
        smoothed = {name: self._smoothed(logged[logged["intervention"] == name]) for name in names}
        for ax, (column, heading) in zip(axes, quantities.items(), strict=True):
            lettering.heading(ax, *heading)
            ends = []
            for name, rows in smoothed.items():
                ax.plot(rows["update"], rows[column], color=looks[name].colour)
                last = rows.iloc[-1]
                ends.append(lettering.EndLabel(last["update"], last[column], titles[name], looks[name].colour))
            ax.set_xlabel("updates")
            ax.autoscale_view()
            lettering.label_ends(ax, ends)
        return Figure(
            name="ppo-courses",
            title="What PPO logged",
            caption=f"{style.size_label(logged['parameters'].iloc[0])} parameters, seed 0; each point is the mean of "
            f"{self.config.smooth} updates. One training each: no interval is known.{_collapses(results, logged)}",
            figure=figure,
            data=pd.concat(smoothed.values(), ignore_index=True),
        )

    def _smoothed(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Means of consecutive updates."""
        group = (rows["update"] - 1) // self.config.smooth
        means = rows.groupby(group).mean(numeric_only=True)
        return means.assign(intervention=rows["intervention"].iloc[0]).reset_index(drop=True)


def _collapses(results: Results, logged: pd.DataFrame) -> str:
    """A sentence on each policy that came to say the same to everybody."""
    first = logged[logged["collapsed"] == 1].groupby("intervention", sort=False)["update"].min()
    return "".join(
        f" {first_title(results, str(name))} collapsed to a few answers for all prompts in update {update}."
        for name, update in first.items()
    )


def _fits(results: Results, logged: pd.DataFrame) -> Table:
    """How far reward on even updates is from a line through that on odd ones, in √KL and in KL, before saturation."""
    rows = []
    for (name, rung), told in logged.groupby(["intervention", "rung"], sort=False):
        rising = told[: _saturates(told["reward"].to_numpy(float))]
        errors = {f"error in {axis}": _line_error(rising[column], rising["reward"]) for axis, column in AXES.items()}
        rows.append({"policy": first_title(results, str(name)), "model": rung, "updates": len(rising), **errors})
    return Table(
        name="reward-laws",
        title="Does reward rise with √KL, or with KL?",
        caption="Root mean square distance, in the preference model's own unit, of the reward on even updates from a "
        f"straight line fitted to the odd ones; updates before the reward first has {SATURATED:.0%} of its whole "
        "rise behind it, five at a time. The smaller of the two names the better law; with few updates neither does.",
        frame=pd.DataFrame(rows),
        formats=dict.fromkeys((f"error in {axis}" for axis in AXES), "{:.3f}"),
    )


def _saturates(reward: NDArray[np.float64]) -> int:
    """Updates before the mean of five first reaches the share of the largest such mean, counted from the start."""
    if reward.size < FEW:
        return int(reward.size)
    means = np.convolve(reward, np.full(FEW, 1 / FEW), "valid")
    level = means[0] + SATURATED * (means.max() - means[0])
    return int(np.argmax(means >= level)) + FEW


def _line_error(x: pd.Series[float], y: pd.Series[float]) -> float:
    """NaN where two points of either half are lacking."""
    across, up = x.to_numpy(float), y.to_numpy(float)
    if across.size < 4 or np.ptp(across[::2]) == 0:
        return float("nan")
    slope, start = np.polyfit(across[::2], up[::2], 1)
    return float(np.sqrt(np.mean((up[1::2] - start - slope * across[1::2]) ** 2)))


def logs(results: Results) -> pd.DataFrame:
    """One row for each update of a first training by PPO: intervention, rung, parameters, update, what was logged."""
    rows = [
        {"intervention": made.intervention, "rung": made.rung, "parameters": made.parameters, "update": update, **told}
        for made in results.trained
        if made.trainer == PPO and made.seed == 0
        for update, told in enumerate(_evaluations(made), 1)
    ]
    frame = pd.DataFrame(rows)
    return frame if frame.empty else frame.reindex(columns=list(dict.fromkeys((*frame, "held_out", "collapsed"))))


def best_of(results: Results) -> pd.DataFrame:
    """One row for each n of best-of-n from the start of a first training by PPO: where it is, and its scores."""
    columns = ["intervention", "rung", "n", "sqrt_kl", *SIDES]
    rows = []
    for made in results.trained:
        path = made.folder / "best-of-n.json"
        if made.trainer == PPO and made.seed == 0 and path.is_file():
            told = pd.DataFrame(json.loads(path.read_text(encoding="utf-8")))
            rows.append(told.assign(intervention=made.intervention, rung=made.rung, sqrt_kl=told["kl"] ** 0.5))
    return pd.concat(rows).reindex(columns=columns) if rows else pd.DataFrame(columns=columns)


def _evaluations(made: Trained) -> Iterator[dict[str, float]]:
    return (entry["evaluation"] for entry in read_log(made.folder / "log.jsonl") if "evaluation" in entry)
