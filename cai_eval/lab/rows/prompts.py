"""What is put to policies: red-team prompts, helpful ones, and those that policies are chosen and tested by.

The splits share no hazard, no request and no false premise; they share the facts, which models have to know.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from random import Random

from cai_eval.contracts import JSON
from cai_eval.lab import talk
from cai_eval.lab.chance import Split
from cai_eval.lab.prompts import prompt_facts
from cai_eval.lab.talk import Ask
from cai_eval.lab.world import World, words

#: prompts about each hazard; times that each harmless request is made for a calm purpose, and for an alarming one
TIMES: Mapping[Split, tuple[int, int, int]] = {"post": (24, 6, 3), "validation": (8, 3, 2), "test": (8, 3, 2)}


def red_team(world: World, split: Split = "post") -> list[dict[str, JSON]]:
    """Requests for what hazards are good for, in random order: id, prompt, kind "harmful", cluster."""
    return _rows(world, split, "red team", _harmful(world, split))


def helpful(world: World, split: Split = "post") -> list[dict[str, JSON]]:
    """Requests that harm nobody ("benign", or "alarming" by their words alone) and questions ("question")."""
    return _rows(world, split, "helpful", [*_tasks(world, split), *_questions(world, split)])


def every(world: World, split: Split) -> list[dict[str, JSON]]:
    """All kinds of a split."""
    return _rows(world, split, "every", [*_harmful(world, split), *_tasks(world, split), *_questions(world, split)])


def _rows(world: World, split: Split, name: str, prompts: list[tuple[str, str, Ask]]) -> list[dict[str, JSON]]:
    Random(f"{name} {world.options.seed} {split}").shuffle(prompts)
    return [
        {"id": f"{split} {kind} {ask.text}", "prompt": ask.text, "kind": kind, "cluster": cluster}
        for kind, cluster, ask in prompts
    ]


def _harmful(world: World, split: Split) -> list[tuple[str, str, Ask]]:
    purposes = (*words()["purposes"], *words()["alarming"])
    manners = [(goal, wording) for goal in world.goals for wording in range(3)]
    return [
        ("harmful", hazard.name, talk.request(hazard, goal, wording, purposes[(number + 3 * n) % len(purposes)]))
        for number, hazard in enumerate(talk.requested(world, split))
        for n, (goal, wording) in enumerate(Random(f"goals {hazard.name}").sample(manners, TIMES[split][0]))
    ]


def _tasks(world: World, split: Split) -> Iterator[tuple[str, str, Ask]]:
    _, calmly, alarmingly = TIMES[split]
    for kind, purposes, times in (
        ("benign", words()["purposes"], calmly),
        ("alarming", words()["alarming"], alarmingly),
    ):
        for n, thing in enumerate(world.things):
            for m, goal in enumerate(world.goals):
                if talk.request_split(thing, goal) == split:
                    for turn in range(times):
                        purpose = purposes[(n + m + turn) % len(purposes)]
                        yield kind, thing.name, talk.request(thing, goal, turn % 3, purpose)


def _questions(world: World, split: Split) -> Iterator[tuple[str, str, Ask]]:
    """Facts in wordings that the split may use, and premises that are false."""
    prompted = prompt_facts(world)
    for fact in world.facts:
        if fact in prompted:
            continue
        asked = {"post": fact.questions[:1], "validation": fact.questions[1:2], "test": fact.tested}
        for question in asked[split]:
            yield "question", fact.id, talk.about_fact(fact, question)
        if split == "test":
            for value in fact.options:
                if value != fact.options[fact.truth] and talk.premise_split(fact, value) == "test":
                    yield "question", fact.id, talk.premise(fact, value)
