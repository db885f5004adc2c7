"""What was learnt from, for people to read: answers, critiques, revisions, labels, and what the policies then say.

Of each data set that a run made, the first rows at the largest size, whole; of the answers to test prompts, those of
all policies side by side; and how many labels of people, or of the source in their place, went into each policy.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, ClassVar

import pandas as pd
from pydantic import BaseModel, Field

from cai_eval.contracts import PaperFigure, Record, Results, Table, Trained
from cai_eval.pages.text import slug

from .policies import paths
from .ratings import first_title

GRADES = ("helpful", "harm", "evasive", "garbled")
WATCHED = "held_out"  #: an input of PPO that it does not learn from


class Chains:
    """See the module."""

    name: ClassVar[str] = "chains"
    title: ClassVar[str] = "What was learnt from"
    papers: ClassVar[tuple[PaperFigure, ...]] = ()

    class Config(BaseModel, frozen=True, extra="forbid"):
        """rows: of each data set. prompts: of each kind, whose answers are shown. benchmark: that holds the answers."""

        rows: int = Field(default=20, ge=1)
        prompts: int = Field(default=3, ge=1)
        benchmark: str = "answers"

    def __init__(self, config: Config) -> None:
        self.config = config

    def draw(self, results: Results) -> Iterator[Table]:
        """A table for each data set, one of answers, one of labels."""
        top = max((made.parameters for made in results.trained), default=0)
        largest = {m.intervention: m for m in results.trained if m.parameters == top and m.seed == 0}
        for name, made in largest.items():
            if made.kind == "dataset":
                yield self._rows(name, made)
        answers = list(self._answers(results))
        if answers:
            yield Table(
                name="said",
                title="What the policies say",
                caption="The first sample of each policy of the largest size to prompts that no training has seen, "
                "with its grades where the source knows them.",
                frame=pd.DataFrame(answers),
            )
        counts = [_labels(results, name, largest) for name in paths(results) if name in largest]
        if counts:
            yield Table(
                name="labels",
                title="Labels that each policy was trained on",
                caption="Comparisons by people, or by the source's grades in their place, and by AI feedback, of all "
                "the data sets that a policy or its reward was made from, and the revised dialogues it was fine-tuned "
                "on. Each counts once, whatever it was used for.",
                frame=pd.DataFrame(counts),
            )

    def _rows(self, name: str, made: Trained) -> Table:
        shown = list(islice((_told(row) for row in _last(_read(made))), self.config.rows))
        return Table(
            name=f"rows-{slug(name)}",
            title=f"{name}: rows of {made.rung}",
            caption=f"The first {len(shown)} of them, made by {made.trainer}; the data set holds them whole.",
            frame=pd.DataFrame(shown).fillna(""),
        )

    def _answers(self, results: Results) -> Iterator[dict[str, str]]:
        cells = results.cells[results.cells["benchmark"] == self.config.benchmark]
        if cells.empty:
            return
        cells = cells[cells["parameters"] == cells["parameters"].max()].drop_duplicates("intervention")
        drawn = [name for name in paths(results) if (cells["intervention"] == name).any()]
        by = {
            name: {r.item: r for r in results.details(str(cells.index[cells["intervention"] == name][0]))}
            for name in drawn
        }
        taken: Counter[str] = Counter()
        for item, record in by[drawn[0]].items() if drawn else ():
            taken[record.category] += 1
            if taken[record.category] <= self.config.prompts:
                said = {first_title(results, name): _said(told[item]) for name, told in by.items() if item in told}
                yield {"kind": record.category, "prompt": record.prompt, **said}


def _read(made: Trained) -> Iterator[Mapping[str, Any]]:
    """The rows of a data set."""
    artefact = json.loads((made.folder / "artefact.json").read_text(encoding="utf-8"))["artefact"]
    with open(made.folder / artefact["path"], encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def _last(rows: Iterator[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Of consecutive rows that tell of more and more rounds of one chain, the last."""
    before: Mapping[str, Any] | None = None
    for row in rows:
        if before is not None and (row.get("round", 0) <= before.get("round", 0) or row["prompt"] != before["prompt"]):
            yield before
        before = row
    if before is not None:
        yield before


def _told(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of a chain or of a comparison, as columns."""
    if "chain" in row:
        rounds = [
            f"{n}. {step['principle']}\n{step['critique']}\n→ {step['revision']}"
            for n, step in enumerate(row["chain"], 1)
        ]
        return {
            "kind": row["kind"],
            "prompt": row["prompt"],
            "answer": row["answer"],
            "critiques and revisions": "\n".join(rounds),
        }
    if {"first", "second", "label"} <= row.keys():
        told = {name: row.get(name, "") for name in ("prompt", "first", "second", "label", "principle", "by")}
        thoughts = [text for verdicts in row.get("verdicts", {}).values() for v in verdicts for text in v["reasonings"]]
        return {**told, "reasonings, in both orders": "\n".join(thoughts)} if any(thoughts) else told
    return {name: value for name, value in row.items() if isinstance(value, str | int | float)}


def _said(record: Record) -> str:
    """A first sample and its grades."""
    if record.error:
        return record.error
    sample = record.details["samples"][0]
    grades = sample.get("grades", {})
    told = ", ".join(f"{name} {grades[name]:g}" for name in GRADES if grades.get(name))
    return f"{sample['text']}\n({told})" if told else str(sample["text"])


def _labels(results: Results, policy: str, made: Mapping[str, Trained]) -> dict[str, Any]:
    """How many labels stand behind a policy, by who gave them."""
    by: Counter[str] = Counter()
    for name in _behind(policy, made):
        if made[name].kind == "dataset":
            by.update("revised" if "chain" in row else row.get("by", "") for row in _read(made[name]))
    return {
        "policy": first_title(results, policy),
        "by people": by["human"],
        "by the source": by["oracle"],
        "by AI feedback": by["ai"],
        "dialogues": by["revised"],
    }


def _behind(policy: str, made: Mapping[str, Trained]) -> Sequence[str]:
    """What a policy was made from, directly or not, each once; what was only watched meanwhile left no trace in it."""
    found: list[str] = []
    left = [policy]
    while left:
        name = left.pop()
        if name in made and name not in found:
            found.append(name)
            inputs = made[name].inputs.items()
            left += [reference.partition("@")[0] for slot, reference in inputs if slot != WATCHED]
    return found
