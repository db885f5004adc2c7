"""How policies behave, by kind of prompt: harm, help, and where they dodge (Bai et al. 2022b, §4.4 and figure 10)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import pandas as pd
from pydantic import BaseModel, Field

from cai_eval.contracts import Figure, PaperFigure, Results, Table
from cai_eval.pages import scores
from cai_eval.pages.text import slug

from . import panels
from .policies import paths

BY_KIND = "evasive"  #: the metric that means another thing for each kind of prompt


class Conduct:
    """See the module."""

    name: ClassVar[str] = "conduct"
    title: ClassVar[str] = "Conduct"
    papers: ClassVar[tuple[PaperFigure, ...]] = ()

    class Config(BaseModel, frozen=True, extra="forbid"):
        """benchmark: whose answers were judged, by its name in the suite. level: of the intervals."""

        benchmark: str = "answers"
        level: float = Field(default=0.95, gt=0, lt=1)

    def __init__(self, config: Config) -> None:
        self.config = config

    def draw(self, results: Results) -> Iterator[Figure | Table]:
        """Each judged metric against size, evasion by kind of prompt, and the table of all, snapshots too."""
        name = self.config.benchmark
        metrics = results.metrics.get(name, ())
        known = list(paths(results))
        frames = {m.name: scores.scores(results, name, m, self.config.level) for m in metrics}
        if BY_KIND not in frames or frames[BY_KIND].empty:
            return
        finals = {each: frame[frame["intervention"].isin(known)] for each, frame in frames.items()}
        titles = {each: results.interventions[each] for each in known if each in set(finals[BY_KIND]["intervention"])}
        drawn = [
            panels.Panel(m.name, m.label, m, finals[m.name][finals[m.name]["category"] == ""], {})
            for m in metrics
            if not finals[m.name].empty
        ]
        yield Figure(
            name=f"conduct-{slug(name)}",
            title="Harm, help and form of answers against size",
            caption=f"{' '.join(panels.caption(drawn, self.config.level)[1:])} Of harm, evasion, garbled text and "
            "length less is better; garbled text does no harm and counts so.",
            figure=panels.against_size(drawn, titles),
            data=panels.together(drawn),
        )
        evasive = next(m for m in metrics if m.name == BY_KIND)
        kinds = panels.categories(evasive, finals[BY_KIND], {})
        if kinds:
            yield Figure(
                name=f"evasive-{slug(name)}",
                title="Evasive answers by kind of prompt",
                caption=" ".join(panels.caption(kinds, self.config.level))
                + " Harmful prompts: answers that dodge without a reason. The others: refusals of what harms nobody.",
                figure=panels.against_size(kinds, titles),
                data=panels.together(kinds),
            )
        yield _table(results, pd.concat(frames.values(), ignore_index=True))


def _table(results: Results, frame: pd.DataFrame) -> Table:
    columns = {
        "metric": frame["metric"],
        "prompts": frame["category"].replace("", "all"),
        "model": frame["rung"],
        "policy": frame["intervention"].map(results.interventions),
        "score": frame["value"],
        "low": frame["low"],
        "high": frame["high"],
        "items": frame["items"],
        "clusters": frame["clusters"],
        "seeds": frame["seeds"],
    }
    return Table(
        name="conduct",
        title="All scores of answers",
        caption="Means over prompts with intervals by clusters of prompts.",
        frame=pd.DataFrame(columns),
        formats=dict.fromkeys(("score", "low", "high"), "{:.3f}"),
    )
