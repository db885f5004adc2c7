"""The laboratory's stories: what fixes the last word, what must not, and what is held out."""

from collections import Counter
from random import Random

import pytest

from benchmarks.lambada import passage, told_passage
from benchmarks.lambada import split as last_word
from cai_eval.lab.chance import split
from cai_eval.lab.documents import stories
from cai_eval.lab.documents.bindings import bind
from cai_eval.lab.documents.stories import Story
from cai_eval.lab.tokenizer import learn
from cai_eval.lab.world import make_world

WORLD = make_world()


def told(count: int, bindings: int = 4) -> list[Story]:
    rng = Random(1)
    return [stories.tell(WORLD, rng, bindings) for _ in range(count)]


def words(sentence: str) -> list[str]:
    return sentence.removesuffix(".").split()


def mentioned(story: Story) -> list[str]:
    """Values in the order in which they are mentioned before the last sentence."""
    return [word for text in story.sentences[:-1] for word in words(text) if word in story.pairs.values()]


def test_a_document_depends_on_its_generator_alone() -> None:
    assert [stories.draw(WORLD, Random(seed)) for seed in range(20)] == [
        stories.draw(WORLD, Random(seed)) for seed in range(20)
    ]


def test_the_last_word_belongs_to_the_key_named_just_before_it() -> None:
    for story in told(300):
        key, value = story.pair
        assert story.pairs[key] == value == words(story.sentences[-1])[-1]
        assert key in words(story.sentences[-1])


def test_distance_is_where_the_pair_stood_last() -> None:
    for story in told(300):
        apart = [n for n, text in enumerate(reversed(story.sentences)) if set(story.pair) <= set(words(text))]
        assert apart[:2] == [0, story.distance]


def test_every_pair_is_told_before_it_is_recalled() -> None:
    for story in told(300):
        for (key, value), sentence in zip(story.pairs.items(), story.sentences, strict=False):
            assert {key, value} <= set(words(sentence))


@pytest.mark.parametrize("guess", ["first", "last", "most frequent"])
def test_no_shortcut_beats_guessing_among_the_values(guess: str) -> None:
    """At 4 bindings guessing is right in .25; the bound is 4 standard errors above it."""
    right = 0
    for story in (everything := told(4000)):
        seen = mentioned(story)
        choice = {"first": seen[0], "last": seen[-1], "most frequent": Counter(seen).most_common(1)[0][0]}[guess]
        right += choice == story.pair[1]
    assert right / len(everything) < 0.25 + 4 * (0.25 * 0.75 / 4000) ** 0.5


def test_values_are_of_one_kind() -> None:
    for story in told(300):
        kinds = [
            theme.values for theme in stories.themes(WORLD.people) if set(story.pairs.values()) <= set(theme.values)
        ]
        assert kinds


@pytest.mark.parametrize("of", ["pretraining", "post", "validation", "test"])
def test_a_story_has_pairs_of_its_own_split_only(of: stories.Split) -> None:
    rng = Random(2)
    for bindings in stories.BINDINGS:
        story = stories.tell(WORLD, rng, bindings, of)
        assert len(story.pairs) == bindings
        assert {split(*pair) for pair in story.pairs.items()} == {of}


def test_rows_are_new_graded_and_in_the_published_schema() -> None:
    rows = stories.rows(WORLD)
    texts = {str(row["text"]) for row in rows}
    assert len(texts) == len(rows) == 1000
    assert Counter(row["bindings"] for row in rows) == dict.fromkeys(stories.BINDINGS, 200)
    assert len({row["distance"] for row in rows}) >= 8
    assert all(last_word(row)[1].isalpha() for row in rows)
    rng = Random(3)
    assert not texts & {stories.draw(WORLD, rng).removesuffix(".") for _ in range(2000)}
    assert not texts & {str(row["text"]) for row in stories.rows(WORLD, of="validation")}


def test_some_are_told_by_an_assistant() -> None:
    rng = Random(4)
    share = sum("\n\nAssistant: With pleasure" in stories.draw(WORLD, rng) for _ in range(2000)) / 2000
    assert share == pytest.approx(stories.IN_DIALOGUE, abs=0.02)


def test_bound_pairs_share_no_value() -> None:
    bound = bind(Random(5), "abcdefgh", "123456789", 6)
    assert len(bound) == len(set(bound.values())) == 6


@pytest.fixture(scope="module")
def tokenizer():
    rng = Random(6)
    return learn(stories.draw(WORLD, rng) for _ in range(500))


@pytest.mark.parametrize("wrap", [passage, told_passage])
def test_the_last_word_begins_with_a_token_of_its_own(tokenizer, wrap) -> None:
    for text, word in map(last_word, stories.rows(WORLD, count=100)):
        context = wrap(text, [])
        apart = tokenizer.encode(context).ids + tokenizer.encode(f" {word}").ids
        assert tokenizer.encode(f"{context} {word}").ids == apart
