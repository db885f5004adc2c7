"""Transcripts: what is rendered is read back, contexts end where they should, mistakes name their line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cai_eval.dialogue import (
    SEPARATOR,
    STOPS,
    Prompt,
    Turn,
    awaiting_reply,
    continuation,
    exchange,
    parse_prompt,
    parse_turns,
    render,
)
from cai_eval.errors import UserError

LINES = st.text(st.characters(codec="utf-8", exclude_characters="\n"), max_size=20)
TEXTS = (
    st.lists(LINES, min_size=1, max_size=4)
    .map(lambda lines: "\n".join(lines).strip())
    .filter(lambda text: text and not any(_is_markup(line) for line in text.split("\n")))
)


def _is_markup(line: str) -> bool:
    return line.startswith(("Human:", "Assistant:")) or line.strip() == SEPARATOR


@st.composite
def conversations(draw: st.DrawFn) -> tuple[Turn, ...]:
    """Pairs of a human's and an assistant's turn."""
    texts = draw(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=3))
    return tuple(t for human, reply in texts for t in (Turn("Human", human), Turn("Assistant", reply)))


@given(conversations())
def test_a_conversation_is_read_back(turns: tuple[Turn, ...]) -> None:
    assert parse_turns(render(turns)) == turns


@given(st.one_of(st.just(""), TEXTS), st.lists(conversations(), min_size=1, max_size=4))
def test_a_prompt_is_read_back(opening: str, talks: list[tuple[Turn, ...]]) -> None:
    prompt = Prompt(opening, tuple(talks))
    assert parse_prompt(prompt.render()) == prompt
    assert parse_prompt(prompt.render() + "\n") == prompt
    assert parse_prompt(prompt.render().removesuffix(SEPARATOR)) == prompt


@given(conversations(), st.integers(1, 3))
def test_fewer_conversations_are_a_prefix_of_more(talk: tuple[Turn, ...], count: int) -> None:
    prompt = Prompt("Introduction.", (talk,) * 4)
    assert prompt.render(count + 1).startswith(prompt.render(count) + "\n\nHuman:")
    assert len(parse_prompt(prompt.render(count)).conversations) == count


@given(conversations(), TEXTS)
def test_a_context_never_ends_in_a_blank_and_a_stop_string_marks_the_next_turn(talk, question) -> None:
    context = awaiting_reply([*talk, Turn("Human", question)])
    assert context.endswith("\n\nAssistant:")
    transcript = context + continuation("Yes.") + "\n\nHuman: And?"
    assert transcript.removeprefix(context).index(STOPS[0]) == len(" Yes.")


def test_the_two_formats_of_a_question() -> None:
    assert exchange(" Why? \n", "plain") == "Why?"
    assert exchange(" Why? \n", "dialogue") == "Human: Why?\n\nAssistant:"
    assert continuation("\tBecause. ") == " Because."


def test_role_words_inside_a_line_open_no_turn() -> None:
    turns = parse_turns("Human: Who is\nthe Human: here?\n\nAssistant: Human:kind.")
    assert [t.text for t in turns] == ["Who is\nthe Human: here?", "Human:kind."]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no conversation"),
        ("Only an opening.\n", "no conversation"),
        ("Opening.\n\n-----\n", "no conversation"),
        ("Opening.\n\nHuman: A\n\nHuman: B\n", "line 5: the Human speaks twice"),
        ("Human:\n\nAssistant: B", "line 1: the Human's turn is empty"),
        ("Human: A\n\nAssistant: B\n\n-----\n\n-----\n\nHuman: A\n\nAssistant: B", "line 6.*empty"),
        ("Human: A\n\nAssistant: B\n\n-----\nHuman: C\n", "line 6.*before the assistant has answered"),
        ("Human: A\n\nAssistant: B\n-----\nStray.\n\nHuman: C\n", "line 5: expected a turn"),
    ],
)
def test_a_malformed_prompt_names_the_line(text: str, message: str) -> None:
    with pytest.raises(UserError, match=f"mine.txt.*{message}"):
        parse_prompt(text, "mine.txt")
