"""Letters of words: of what is shown exactly one fits what is asked, and that one's letter is given."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from itertools import chain, combinations
from random import Random

from cai_eval.lab.documents import choices, lines, pairs
from cai_eval.lab.world import make_world
from cai_eval.lettered import label

WORLD = make_world()
DRAWN = [kind.draw(WORLD, Random(number)) for kind in (choices, pairs, lines) for number in range(300)]
BLOCKS = [block for text in DRAWN for block in text.split("\n\n")]
QUESTION = re.compile(r"Question: Which is (.*)\?\nChoices:\n((?: \([A-E]\) \w+\n)+)Answer: (\([A-E]\))")
#: how a line is asked for: its word again, its word or kind with a colon, or a rule
STATED = {"line": re.compile(r"- (.+)"), "cue": re.compile(r"(.+):"), "rule": re.compile(r"Rule: .* has (.*):")}


def fits(wanted: str, words: list[str]) -> bool:
    """Whether the words are what is wanted: a word, "a kind" of which they have one, or "no kind" of theirs."""
    article, _, kind = wanted.rpartition(" ")
    if not article:
        return wanted in words
    return bool(set(words) & set(choices.CLASSES[kind])) == (article == "a")


def asked() -> Iterator[tuple[str, str, list[list[str]], int]]:
    """Every letter that is asked for: in which form, by what, of which words, and the letter's number."""
    for block in BLOCKS:
        if question := QUESTION.fullmatch(block):
            wanted, options, letter = question.groups()
            shown = re.findall(r"(\([A-E]\)) (\w+)", options)
            yield "question", wanted, [[word] for _, word in shown], [each for each, _ in shown].index(letter)
            continue
        left = block.split("\n")
        shown = []
        while left and (
            line := re.fullmatch(rf"- ([\w ]+)\.? {re.escape(label(len(shown)))}", left[0])
            or re.fullmatch(rf" {re.escape(label(len(shown)))} (\w+)", left[0])
        ):
            shown.append(line[1].split(" "))
            del left[0]
        for line in left:
            stated, letter = line[:-4], line[-3:]
            form, wanted = next(
                (name, m[1]) for name, form in reversed(STATED.items()) if (m := form.fullmatch(stated))
            )
            yield form, wanted, shown, [label(number) for number in range(5)].index(letter)


ASKED = list(asked())


def test_exactly_what_fits_is_chosen() -> None:
    for form, wanted, shown, letter in ASKED:
        assert [number for number, words in enumerate(shown) if fits(wanted, words)] == [letter], (form, wanted, shown)


def test_every_form_asks_for_words_for_kinds_and_for_what_lacks_them() -> None:
    found = Counter((form, wanted.split(" ")[0] if " " in wanted else "word") for form, wanted, _, _ in ASKED)
    kinds = ("word", "a", "no")
    expected = {(form, kind) for form in ("line", "cue", "rule") for kind in kinds}
    assert set(found) == expected | {("question", "word"), ("question", "a")}
    assert min(found.values()) > 30


def test_no_letter_is_right_more_often_than_another() -> None:
    for size in (2, 3, 4, 5):
        letters = Counter(letter for _, _, shown, letter in ASKED if len(shown) == size)
        assert len(letters) == size
        assert max(letters.values()) < 1.35 * letters.total() / size


def test_kinds_share_no_word() -> None:
    named = [*choices.CLASSES.values(), WORLD.names]
    assert not any(set(one) & set(other) for one, other in combinations(named, 2))
    assert len(set(chain(*named))) == sum(map(len, named))
