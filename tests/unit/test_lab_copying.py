"""Documents to be copied from: what repeats, what is recalled, what counts on, and whose manners go on."""

import re
from random import Random

import pytest

from cai_eval.lab.chance import SPLITS, share, split
from cai_eval.lab.documents import counting, manners, recall, repeats
from cai_eval.lab.documents.bindings import length
from cai_eval.lab.world import make_world

WORLD = make_world()


def drawn(module, count: int) -> list[str]:
    rng = Random(1)
    return [module.draw(WORLD, rng) for _ in range(count)]


@pytest.mark.parametrize("module", [recall, repeats, counting, manners])
def test_a_document_depends_on_its_generator_alone(module) -> None:
    assert drawn(module, 50) == drawn(module, 50)


def test_chance_is_uniform_and_the_same_everywhere() -> None:
    numbers = [share("part", n) for n in range(10_000)]
    assert sum(numbers) / 10_000 == pytest.approx(0.5, abs=0.015)
    assert all(0 <= number < 1 for number in numbers)
    assert share("a", "b") != share("ab")
    assert share("part", 1) == pytest.approx(0.4048627006475298, abs=1e-15)


def test_splits_have_their_shares() -> None:
    found = [split("pair", n) for n in range(10_000)]
    shares = {name: found.count(name) / 10_000 for name in SPLITS}
    assert shares == pytest.approx({"pretraining": 0.75, "post": 0.1, "validation": 0.05, "test": 0.1}, abs=0.015)


def test_short_lengths_are_as_likely_as_long_ones() -> None:
    rng = Random(1)
    lengths = [length(rng, 7) for _ in range(9000)]
    for low, high in ((1, 1), (2, 3), (4, 7)):
        assert sum(low <= each <= high for each in lengths) / 9000 == pytest.approx(1 / 3, abs=0.03)


def test_a_repeated_sequence_comes_whole() -> None:
    for text in drawn(repeats, 300):
        items = re.split(r"[\s,]+", text)
        assert any(items == items[:size] * (len(items) // size) for size in range(1, len(items) // 2 + 1))


def pairs_of(text: str) -> list[tuple[str, str]]:
    """Every key and value of a list to be recalled, in any of its surfaces."""
    return [tuple(re.split(r" got | has |: | ", each)) for each in re.split(r"\n|, |\. ", text.removesuffix("."))]


def test_every_key_keeps_its_value() -> None:
    for text in drawn(recall, 300):
        pairs = pairs_of(text)
        assert len(set(pairs)) == len({key for key, _ in pairs}) <= recall.MOST_PAIRS
        assert len(pairs) > len(set(pairs))


def test_lists_hold_no_pair_under_test() -> None:
    assert {split(*pair) for text in drawn(recall, 500) for pair in pairs_of(text)} == {"pretraining"}


def test_counting_misses_no_number() -> None:
    texts = drawn(counting, 300)
    for text in texts:
        numbers = [int(number) for number in re.findall(r"\d+", text.rpartition(":")[2])]
        assert numbers == list(range(numbers[0], numbers[-1] + 1))
        assert 1 <= numbers[0] < numbers[-1] <= counting.LAST
    assert any(text.startswith("1, 2, 3, ") and " 71" in text for text in texts)
