"""Who was preferred to whom: results of all policies against each other on the prompts that they all answered.

A judge gives every answer a utility, and of two answers to a prompt prefers the one with more. Helpfulness is judged on
harmless prompts and harmlessness on harmful ones, where of answers that harm as little the one that does not dodge is
better (Bai et al. 2022b, §3.3). Judges are the source's own grades, preference models whose scores stand in the
records (`cai-eval judge`), and the votes of people or of a model under a constitution (`cai-eval votes`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cai_eval.contracts import Record, Results, Vote
from cai_eval.judging import HARMLESSNESS, HELPFULNESS, utility
from cai_eval.statistics.elo import preferred
from cai_eval.training.prompts import HARMFUL

Array = NDArray[np.float64]
Judge = Callable[[Mapping[str, Any]], float | None]  #: a sample of a record → its utility, None where it has none

QUALITIES = ("helpfulness", "harmlessness")
SOURCE = "the source"  #: the judge that reads the grades in the records


@dataclass(frozen=True, eq=False)
class Match:
    """shares: (prompts, cells, cells), as `statistics.elo` takes them. clusters: (prompts,) labels."""

    judge: str
    quality: str
    cells: tuple[str, ...]
    shares: Array
    clusters: Sequence[str]


def matches(results: Results, benchmark: str) -> Iterator[Match]:
    """A match for each judge and quality of which there are at least two policies to compare; then those of people."""
    cells = [str(cell) for cell in results.cells.index[results.cells["benchmark"] == benchmark]]
    records = {cell: {record.item: record for record in results.details(cell) if not record.error} for cell in cells}
    for judge in _judges(records):
        for quality in QUALITIES:
            match = _match(judge, quality, records)
            if match is not None:
                yield match
    for judge in dict.fromkeys(vote.judge for vote in results.votes):
        votes = [vote for vote in results.votes if vote.judge == judge]
        for quality in QUALITIES:
            yield from _voted(judge, quality, votes, records)


def _voted(
    judge: str, quality: str, votes: Sequence[Vote], records: Mapping[str, Mapping[str, Record]]
) -> Iterator[Match]:
    """The votes on prompts of the quality, in one match."""
    about = {item: record for told in records.values() for item, record in told.items()}
    played = [
        vote
        for vote in votes
        if vote.item in about
        and {vote.first, vote.second} <= records.keys()
        and (about[vote.item].category == HARMFUL) == (quality == "harmlessness")
    ]
    if not played:
        return
    items = list(dict.fromkeys(vote.item for vote in played))
    cells = list(dict.fromkeys(cell for vote in played for cell in (vote.first, vote.second)))
    won = np.zeros((len(items), len(cells), len(cells)))
    games = np.zeros_like(won)
    for vote in played:
        place, one, other = items.index(vote.item), cells.index(vote.first), cells.index(vote.second)
        won[place, one, other] += vote.share
        won[place, other, one] += 1 - vote.share
        games[place, [one, other], [other, one]] += 1
    shares = np.divide(won, games, out=np.full_like(won, np.nan), where=games > 0)
    yield Match(judge, quality, tuple(cells), shares, [about[item].cluster for item in items])


def _judges(records: Mapping[str, Mapping[str, Record]]) -> list[str]:
    """The source, and each preference model, in the order in which records name them."""
    found: dict[str, None] = {}
    for told in records.values():
        for record in told.values():
            for sample in record.details["samples"][:1]:
                found |= {SOURCE: None} if "grades" in sample else {}
                found |= dict.fromkeys(sample.get("scores", {}))
    return list(found)


def _utility(judge: str, quality: str) -> Judge:
    weights = HELPFULNESS if quality == "helpfulness" else HARMLESSNESS
    if judge == SOURCE:
        return lambda sample: utility(sample["grades"], weights) if "grades" in sample else None
    return lambda sample: sample.get("scores", {}).get(judge)


def _match(judge: str, quality: str, records: Mapping[str, Mapping[str, Record]]) -> Match | None:
    """The prompts of the quality that every judged policy answered."""
    worth = _utility(judge, quality)
    values: dict[str, dict[str, list[float]]] = {}
    about: dict[str, str] = {}
    for cell, told in records.items():
        for item, record in told.items():
            if (record.category == HARMFUL) != (quality == "harmlessness"):
                continue
            judged = [worth(sample) for sample in record.details["samples"]]
            known = [value for value in judged if value is not None]
            if len(known) == len(judged):
                values.setdefault(cell, {})[item] = known
                about[item] = record.cluster
    shared = [item for item in about if all(item in answered for answered in values.values())]
    if len(values) < 2 or not shared:
        return None
    least = min(len(answered[item]) for answered in values.values() for item in shared)
    utilities = np.array([[answered[item][:least] for answered in values.values()] for item in shared])
    return Match(judge, quality, tuple(values), preferred(utilities), [about[item] for item in shared])
