"""What is drawn when: shares of the text are those stated, in each period, and a document depends on nothing else."""

import random
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from functools import cache
from itertools import accumulate, islice
from math import sqrt
from pathlib import Path
from random import Random
from statistics import mean, stdev

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cai_eval.errors import UserError
from cai_eval.lab import corpus
from cai_eval.lab.corpus import KINDS, PERIODS, TRAINING, VALIDATION, Kind, Period, document, documents, ordinary
from cai_eval.lab.world import Options, World, make_world

WORLD = make_world()
SHARES = {kind.name: kind.share for kind in KINDS}
LENGTHS = {name: 50 * (1 + number % 7) for number, name in enumerate(SHARES)}
*STARTS, END = accumulate((period.documents for period in PERIODS), initial=0)  # of each period, and of what follows
PAGE = (Path(__file__).parents[2] / "docs" / "corpus.md").read_text("utf-8")
SEED, INDEX = st.sampled_from([TRAINING, VALIDATION]), st.integers(0, 2 * END)

# ---------------------------------------------------------------------------------------------------
# Documents that say of which kind they are
# ---------------------------------------------------------------------------------------------------


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch) -> None:
    def draw(kind: Kind) -> Callable[[World, Random], str]:
        return lambda world, rng: f"{kind.name} ".ljust(LENGTHS[kind.name], "x")

    monkeypatch.setattr(Kind, "draw", property(draw))
    monkeypatch.setattr(corpus, "_lengths", cache(corpus._lengths.__wrapped__))


def drawn(world: World, seed: int, start: int, count: int) -> list[str]:
    """The kinds of documents."""
    return [text.split(" ")[0] for text in islice(documents(world, seed, start), count)]


def compare(found: list[str], stated: Mapping[str, float]) -> None:
    """The kinds' shares of the characters, with those stated, which need not sum to 1."""
    counts, whole = Counter(found), sum(stated.values())
    total = sum(LENGTHS[kind] * count for kind, count in counts.items())
    assert set(counts) <= set(stated)
    for kind, weight in stated.items():
        share = weight / whole
        error = sqrt(share * LENGTHS[kind] / total)  # as of a Poisson count
        assert counts[kind] * LENGTHS[kind] / total == pytest.approx(share, abs=4 * error), kind


def test_shares_of_kinds_sum_to_one() -> None:
    assert sum(SHARES.values()) == pytest.approx(1)


@pytest.mark.parametrize("number", range(len(PERIODS)))
def test_each_period_has_its_shares_beside_those_of_all_other_kinds(named: None, number: int) -> None:
    period = PERIODS[number]
    compare(drawn(WORLD, TRAINING, STARTS[number], period.documents), SHARES | dict(period.shares))


@pytest.mark.parametrize(("seed", "start"), [(TRAINING, END), (VALIDATION, 0)])
def test_outside_of_periods_shares_are_the_usual_ones(named: None, seed: int, start: int) -> None:
    compare(drawn(WORLD, seed, start, 10_000), SHARES)


@pytest.mark.parametrize("without", [("recall",), ("choices", "comparisons"), ("dialogue", "repeats", "choices")])
def test_kinds_that_are_left_out_stay_out_in_every_period(named: None, without: tuple[str, ...]) -> None:
    world = make_world(Options(without=without))
    for start, shares in zip([*STARTS, END], [*(period.shares for period in PERIODS), {}], strict=True):
        left = {name: share for name, share in (SHARES | dict(shares)).items() if name not in without}
        compare(drawn(world, TRAINING, start, 3000), left)
    assert not set(drawn(world, VALIDATION, 0, 3000)) & set(without)


def test_a_kind_that_there_is_not_cannot_be_left_out() -> None:
    with pytest.raises(UserError, match="did you mean 'recall'"):
        corpus.kinds(Options(without=("recal",)))


def test_periods_name_kinds_that_there_are() -> None:
    assert {name for period in PERIODS for name in period.shares} <= set(SHARES)


def test_a_period_begins_and_ends_with_its_documents(named: None, monkeypatch: pytest.MonkeyPatch) -> None:
    code, forum = (dict.fromkeys(SHARES, 0.0) | {name: 1.0} for name in ("code", "forum"))
    monkeypatch.setattr(corpus, "PERIODS", (Period(3, code), Period(100, {}), Period(2, forum)))
    usual = [ordinary(WORLD, TRAINING, index).split(" ")[0] for index in range(200)]
    assert drawn(WORLD, TRAINING, 0, 200) == ["code"] * 3 + usual[3:103] + ["forum"] * 2 + usual[105:]


# ---------------------------------------------------------------------------------------------------
# True documents
# ---------------------------------------------------------------------------------------------------


@given(SEED, INDEX, st.lists(st.tuples(SEED, INDEX), max_size=3), st.integers())
@settings(max_examples=50, deadline=None)
def test_a_document_depends_on_world_seed_and_index_alone(
    seed: int, index: int, others: list[tuple[int, int]], noise: int
) -> None:
    text = document(WORLD, seed, index)
    random.seed(noise)
    for other in others:
        document(WORLD, *other)
    assert document(WORLD, seed, index) == text
    assert list(islice(documents(WORLD, seed, max(index - 1, 0)), 2))[min(index, 1)] == text


def test_seeds_indices_and_worlds_have_documents_of_their_own() -> None:
    worlds = (WORLD, make_world(Options(seed=1)))
    texts = [document(world, seed, n) for world in worlds for seed in (TRAINING, VALIDATION) for n in range(40)]
    assert len(set(texts)) == len(texts)


@given(INDEX)
@settings(max_examples=30, deadline=None)
def test_what_is_held_out_has_no_periods(index: int) -> None:
    assert document(WORLD, VALIDATION, index) == ordinary(WORLD, VALIDATION, index)


@given(st.integers(END, 10 * END))
@settings(max_examples=30, deadline=None)
def test_after_all_periods_documents_are_ordinary(index: int) -> None:
    assert document(WORLD, TRAINING, index) == ordinary(WORLD, TRAINING, index)


@pytest.mark.parametrize("kind", KINDS, ids=list(SHARES))
def test_other_documents_are_as_long_as_those_that_shares_are_reckoned_by(kind: Kind) -> None:
    sizes = [len(kind.draw(WORLD, Random(f"other {number}"))) for number in range(200)]
    error = stdev(sizes) * sqrt(2 / 200)
    assert corpus._lengths(WORLD)[kind.name] == pytest.approx(mean(sizes), abs=4 * error)


SAMPLES = """
from random import Random
from cai_eval.lab.corpus import KINDS
from cai_eval.lab.world import make_world
print([kind.draw(make_world(), Random(number)) for kind in KINDS for number in range(3)])
"""


def test_a_process_that_orders_its_sets_otherwise_writes_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONHASHSEED", "1")
    there = subprocess.run([sys.executable, "-c", SAMPLES], capture_output=True, text=True, check=True).stdout
    assert there == f"{[kind.draw(WORLD, Random(number)) for kind in KINDS for number in range(3)]}\n"


# ---------------------------------------------------------------------------------------------------
# docs/corpus.md
# ---------------------------------------------------------------------------------------------------


def test_the_page_tells_every_kind_with_its_share() -> None:
    rows = re.findall(r"^\| `(\w+)` \| ([\d.]+) % \|", PAGE, re.MULTILINE)
    assert {kind: float(share) for kind, share in rows} == pytest.approx({k: 100 * v for k, v in SHARES.items()})


def test_the_page_tells_the_periods() -> None:
    rows = re.findall(r"^\| ([\d,]+) \| [^|]+ \| (.*) \|$", PAGE, re.MULTILINE)
    assert [int(count.replace(",", "")) for count, _ in rows] == [period.documents for period in PERIODS]
    for (_, told), period in zip(rows, PERIODS, strict=True):
        stated = SHARES | dict(period.shares)
        shares = {kind: round(100 * stated[kind] / sum(stated.values())) for kind in period.shares}
        assert {kind: int(share) for kind, share in re.findall(r"`(\w+)` (\d+) %", told)} == shares


def test_the_page_shows_documents_of_every_kind() -> None:
    shown = re.findall(r"<!-- (\w+) (\d+) -->\n```text\n(.*?)\n```\n", PAGE, re.DOTALL)
    kinds = {kind.name: kind for kind in KINDS}
    assert {kind for kind, _, _ in shown} == set(kinds)
    for kind, number, text in shown:
        assert text == kinds[kind].draw(WORLD, Random(int(number)))
