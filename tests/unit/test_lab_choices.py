"""Letters of words: of what is shown exactly one fits what is asked, and that one's letter is given."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, combinations, takewhile
from math import sqrt
from random import Random

import pytest

from cai_eval.lab.documents import choices
from cai_eval.lab.rules import FRAMES, RULES
from cai_eval.lab.world import make_world
from cai_eval.lettered import label

WORLD = make_world()
TEXTS = [choices.draw(WORLD, Random(number)) for number in range(600)]
BLOCKS = [block for text in TEXTS for block in text.split("\n\n")]
LETTERS = [label(number) for number in range(5)]
QUESTION = re.compile(r"Question: Which is (.*)\?\nChoices:\n((?: \([A-E]\) \w+\n)+)Answer: (\([A-E]\))")
#: how a letter is asked for: by what stood before it, by that with a colon, or by a rule
STATED = {"rule": re.compile(r"Rule: .* has (.*):"), "cue": re.compile(r"(.*):"), "again": re.compile(r"- (.*)")}


@dataclass(frozen=True)
class Asked:
    """wanted: a word, "a kind" or "no kind". shown: the words of each line. letter: the number of the one given."""

    form: str
    wanted: str
    shown: list[list[str]]
    letter: int

    @property
    def way(self) -> str:
        return self.wanted.split(" ")[0] if " " in self.wanted else "word"

    def fits(self, words: list[str]) -> bool:
        if self.way == "word":
            return self.wanted in words
        return bool(set(words) & set(choices.CLASSES[self.wanted.split(" ")[1]])) == (self.way == "a")


def read(block: str) -> Iterator[Asked]:
    """Every letter that a block asks for: what is shown comes first, its letters in order."""
    if question := QUESTION.fullmatch(block):
        wanted, options, letter = question.groups()
        assert re.findall(r"\([A-E]\)", options) == LETTERS[: options.count("\n")]
        yield Asked("question", wanted, [[word] for word in re.findall(r"\w{2,}", options)], LETTERS.index(letter))
        return
    lines = block.split("\n")
    given = [LETTERS.index(re.findall(r" (\([A-E]\))", line)[0]) for line in lines]
    shown = [re.findall(r"\w{2,}", lines[n]) for n, _ in takewhile(lambda pair: pair[0] == pair[1], enumerate(given))]
    for line, number in list(zip(lines, given, strict=True))[len(shown) :]:
        stated = line.removesuffix(f" {LETTERS[number]}")
        form, found = next((form, found) for form, each in STATED.items() if (found := each.fullmatch(stated)))
        yield Asked(form, found[1], shown, number)


ASKED = [asked for block in BLOCKS for asked in read(block)]


def test_exactly_what_fits_is_chosen() -> None:
    for asked in ASKED:
        assert [number for number, words in enumerate(asked.shown) if asked.fits(words)] == [asked.letter], asked


def test_every_form_asks_for_words_for_kinds_and_for_what_lacks_them() -> None:
    found = Counter((asked.form, asked.way) for asked in ASKED)
    of_lines = {(form, way) for form in STATED for way in ("word", "a", "no")}
    assert set(found) == of_lines | {("question", "word"), ("question", "a")}
    assert min(found.values()) > 100


@pytest.mark.parametrize("form", ["rule", "cue"])
def test_kinds_are_asked_for_more_often_than_their_lack(form: str) -> None:
    """Only lines are asked for so."""
    ways = Counter(asked.way for asked in ASKED if asked.form == form)
    for way, share in (("word", choices.BY_WORD), ("a", choices.BY_KIND), ("no", choices.BY_LACK)):
        assert ways[way] / ways.total() == pytest.approx(share, abs=4 * sqrt(share / ways.total()))


@pytest.mark.parametrize("way", ["word", "a", "no"])
def test_no_letter_is_right_more_often_than_another(way: str) -> None:
    for size in (2, 3, 4, 5) if way != "no" else (2,):
        letters = Counter(asked.letter for asked in ASKED if (asked.way, len(asked.shown)) == (way, size))
        equal = letters.total() / size
        assert sorted(letters) == list(range(size))
        assert all(abs(count - equal) < 4 * sqrt(equal) for count in letters.values())


def test_lines_are_as_short_and_as_long_as_is_said() -> None:
    sizes = {len(words) for asked in ASKED for words in asked.shown}
    assert sizes == set(range(1, choices.LONGEST + 1))


def test_kinds_share_no_word() -> None:
    named = [*choices.CLASSES.values(), WORLD.names]
    assert not any(set(one) & set(other) for one, other in combinations(named, 2))
    assert len(set(chain(*named))) == sum(map(len, named))


def test_nothing_is_said_of_what_is_named() -> None:
    """Harms, requests, facts and stories under test leave no trace: names stand in lists, and nothing else does."""
    text = re.sub(r"\([A-E]\)", "", "\n".join(BLOCKS))
    said = set(re.findall(r"\w+", text)) - {*WORLD.names, *chain(*choices.CLASSES.values()), *choices.CLASSES}
    frames = "Question: Which is a? Choices: Answer: Rule: has no"
    assert said <= set(re.findall(r"\w+", " ".join((frames, *FRAMES))))
    assert {hazard.name for hazard in WORLD.hazards if hazard.split == "test"} & set(re.findall(r"\w+", text))


def test_no_rule_of_answers_is_stated() -> None:
    stated = set(re.findall(r"Rule: (.*):", "\n".join(BLOCKS)))
    assert len(stated) > 100
    assert not {f"{rule}." for rule in stated} & {
        text for rule in RULES.values() for text in (*rule.wordings, *rule.tested)
    }
