"""Elo of policies that answered the same prompts: helpfulness against harmlessness, and both against size.

All policies of all sizes play in one pool, so that a point is worth the same in every panel (Bai et al. 2022b, §3.3).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

import pandas as pd
from pydantic import BaseModel, Field

from cai_eval.contracts import Figure, PaperFigure, Results, Table
from cai_eval.pages.text import slug
from cai_eval.statistics.elo import joined

from . import bai_2022_cai, frontier
from .matches import QUALITIES, SOURCE, matches
from .policies import paths
from .ratings import Rated, first_title, ratings


class Elo:
    """See the module."""

    name: ClassVar[str] = "elo"
    title: ClassVar[str] = "Elo"
    papers: ClassVar[tuple[PaperFigure, ...]] = bai_2022_cai.RATINGS

    class Config(BaseModel, frozen=True, extra="forbid"):
        """benchmark: whose answers play, by its name in the suite. anchor: the policy at 0, at the largest size.

        level, resamples: of the intervals.
        """

        benchmark: str = "answers"
        anchor: str = "sl-cai"
        level: float = Field(default=0.95, gt=0, lt=1)
        resamples: int = Field(default=500, ge=100)

    def __init__(self, config: Config) -> None:
        self.config = config

    def draw(self, results: Results) -> Iterator[Figure | Table]:
        """For each judge: the frontier at the largest size, and ratings against size; then the table of all."""
        config = self.config
        if config.benchmark not in results.metrics:
            return
        played = list(matches(results, config.benchmark))
        rateable = [match for match in played if joined(match.shares)]
        frame = ratings(results, rateable, Rated(config.anchor, config.level, config.resamples))
        known = paths(results)
        for judge, rated in frame.groupby("judge", sort=False):
            name = "source" if judge == SOURCE else slug(str(judge))
            caption = frontier.told(rated, str(judge), config.level)
            if rated["quality"].nunique() == len(QUALITIES):
                across = frontier.on_both(rated)
                yield Figure(
                    name=f"frontier-{name}",
                    title="Helpfulness against harmlessness",
                    caption=f"{caption} A line joins a policy with what it was before and during its training.",
                    figure=frontier.plane(results, across, frontier.trained(known, across["intervention"])),
                    data=across,
                )
            finals = rated[rated["intervention"].isin(list(known))]
            yield Figure(
                name=f"elo-{name}",
                title="Elo against size",
                caption=f"Higher is better. {caption}",
                figure=frontier.against_size(results, finals),
                data=finals,
            )
        if not frame.empty:
            left = [f"{match.judge} ({match.quality})" for match in played if match not in rateable]
            yield _table(results, frame, config.level, left)


def _table(results: Results, frame: pd.DataFrame, level: float, left: Sequence[str]) -> Table:
    table = pd.DataFrame(
        {
            "judge": frame["judge"],
            "quality": frame["quality"],
            "model": frame["rung"],
            "policy": [first_title(results, name) for name in frame["intervention"]],
            "Elo": frame["value"],
            "low": frame["low"],
            "high": frame["high"],
            "prompts": frame["prompts"],
            "clusters": frame["clusters"],
            "seeds": frame["seeds"],
            "above": frame["anchor"],
        }
    )
    return Table(
        name="elo",
        title="Elo of every policy",
        caption=f"Points above the policy named last, with {level * 100:g} % intervals of that difference. 100 points: "
        "preferred 64 times in 100. Half a win is added to each side of every pair, so that who always wins has a "
        "finite rating: the largest gaps are too small rather than too large."
        + (f" Left out, for they compared some policies with no others: {', '.join(left)}." if left else ""),
        frame=table,
        formats=dict.fromkeys(("Elo", "low", "high"), "{:+.0f}"),
    )
