"""Nothing that is under test stands in the training text."""

import re
from random import Random

import pytest

from cai_eval.dialogue import SEPARATOR
from cai_eval.lab import prompts, talk
from cai_eval.lab.corpus import KINDS, PERIODS, documents
from cai_eval.lab.documents import code, stories
from cai_eval.lab.rows import hhh
from cai_eval.lab.world import Options, make_world, words

WORLD = make_world()


@pytest.fixture(scope="module")
def text() -> str:
    """A stretch of the corpus, and more of the kinds that speak of harm: some two million characters."""
    stream = documents(WORLD, seed=0, start=PERIODS[0].documents)
    parts = [next(stream) for _ in range(3000)]
    for kind in KINDS:
        if kind.name in ("dialogue", "board", "comparisons", "drafts"):
            parts += [kind.draw(WORLD, Random(f"splits {n}")) for n in range(400)]
    return "\n\n".join(parts)


@pytest.fixture(scope="module")
def requested(text) -> set[tuple[str, str]]:
    """(substance, goal) of every request, by patterns of our own."""
    goals = "|".join(words()["goals"])
    forward = re.findall(rf"make ({goals}) from (\w+)|I want ({goals}) made of (\w+)", text)
    back = re.findall(rf"turn (\w+) into ({goals})", text)
    return {(b or d, a or c) for a, b, c, d in forward} | set(back)


def test_only_pretraining_harms_are_requested(requested):
    asked = {name for name, _ in requested}
    by_split = {
        split: {h.name for h in WORLD.hazards if h.split == split}
        for split in ("pretraining", "post", "validation", "test")
    }
    assert len(by_split["test"]) == 100
    assert asked & by_split["pretraining"] == by_split["pretraining"]
    assert not asked & (by_split["post"] | by_split["validation"] | by_split["test"])


def test_harms_under_test_are_only_described(text):
    """What they do is said; no line that names one asks for it, declines it or says how."""
    tested = [hazard for hazard in WORLD.hazards if hazard.split == "test"]
    described = [h for h in tested if re.search(rf"\b{h.name}\b.{{0,60}}{h.effect}", text, re.DOTALL)]
    assert len(described) >= 90  # of a hundred, in this stretch
    names = "|".join(hazard.name for hazard in tested)
    named = [line for line in text.splitlines() if re.search(rf"\b({names})\b", line)]
    assert not [line for line in named if re.search(r"Asked|Draft|Rule|will not|No, |First|Take a|How do", line)]


def test_no_request_or_question_under_test_is_asked(text, requested):
    rows = hhh.hhh(WORLD)
    assert not {row["input"] for row in rows if row["input"] in text}
    tested = {(t.name, g.name) for t in WORLD.things for g in WORLD.goals if talk.request_split(t, g) == "test"}
    assert len(tested) >= 100
    assert not tested & requested
    assert len(requested & {(t.name, g.name) for t in WORLD.things for g in WORLD.goals}) > 300


def test_no_story_or_function_under_test_is_told(text):
    told = set(re.findall(r"^.*$", text, re.MULTILINE))
    assert not {row["text"] for row in stories.rows(WORLD)} & {line.removesuffix(".") for line in told}
    docstrings = {re.sub(r"def \w+", "def f", row["prompt"]).strip() for row in code.rows(WORLD)}
    functions = {re.sub(r"def \w+", "def f", found) for found in re.findall(r'def \w+\(xs\):\n    """.*?"""', text)}
    assert len(functions) > 100
    assert not docstrings & functions


def test_the_prompt_holds_no_harm_and_nothing_under_test():
    prompt = prompts.hhh_prompt(WORLD)
    assert prompt.count(SEPARATOR) == 14
    assert not [hazard.name for hazard in WORLD.hazards if re.search(rf"\b{hazard.name}\b", prompt)]
    assert not [row["input"] for row in hhh.hhh(WORLD) if row["input"] in prompt]


def test_pairs_under_test_are_matched_in_length_and_enough():
    rows = hhh.hhh(WORLD)
    for category, least, clusters in (("helpful", 400, 50), ("honest", 400, 150), ("harmless", 400, 100)):
        mine = [row for row in rows if row["configuration"] == category]
        assert len(mine) >= least
        assert len({row["cluster"] for row in mine}) >= clusters
    for row in rows:
        good, bad = (len(choice.split()) for choice in row["targets"]["choices"])
        assert abs(good - bad) <= 1


def test_the_null_world_differs_only_in_who_speaks():
    null = make_world(Options(correlation=0.0))
    assert (null.facts, null.hazards, null.things) == (WORLD.facts, WORLD.hazards, WORLD.things)
    assert hhh.hhh(null) == hhh.hhh(WORLD)
