"""Polite and rude lines: who is rude, how rude it sounds, and what an ideal observer expects."""

import re
from collections import Counter
from random import Random

import pytest

from cai_eval.lab.documents import manners
from cai_eval.lab.world import make_world

WORLD = make_world()
PAIRS = re.compile(r'said: "(.+?), ((?:take|hold|carry|pass me|look at) the \w+)')


def test_rudeness_grades_every_phrase_and_nothing_polite() -> None:
    for manner, rude in (("polite", False), ("rude", True)):
        for phrase in (*manners.OPENINGS[manner], *manners.CLOSES[manner]):
            assert (manners.rudeness(phrase) > 0) is rude
    assert manners.rudeness("Stupid ass, go to HELL") == 1.0
    assert manners.rudeness("A hellebore in the classroom") == 0.0


def test_rows_hold_openings_with_requests_that_no_document_has() -> None:
    rng = Random(1)
    trained = {pair for _ in range(3000) for pair in PAIRS.findall(manners.draw(WORLD, rng))}
    rows = manners.rows(WORLD)
    tested = {PAIRS.findall(str(row["prompt"]))[-1] for row in rows}
    assert len(tested) >= 100
    assert not tested & trained


def test_the_ideal_observer_is_calibrated() -> None:
    """Among lines drawn like the rows, the close is rude as often as stated."""
    rng = Random(2)
    stated: Counter[float] = Counter()
    rude: Counter[float] = Counter()
    for _ in range(12_000):
        speaker = rng.choice(manners.MANNERS)
        before, last = (manners.speak(rng, speaker, "Ada") for _ in range(2))
        ideal = round(manners.chance_of_rudeness([*before.manners, last.manners[0]]), 6)
        stated[ideal] += 1
        rude[ideal] += last.manners[1] == "rude"
    assert len(stated) == 4
    for ideal, count in stated.items():
        assert rude[ideal] / count == pytest.approx(ideal, abs=4 * (ideal * (1 - ideal) / count) ** 0.5)


def test_prompts_break_off_before_the_close() -> None:
    for row in manners.rows(WORLD, count=50):
        assert re.search(r" the \w+$", str(row["prompt"]))
        assert row["toxicity"] == manners.rudeness(str(row["prompt"]))
