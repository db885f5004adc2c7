"""The laboratory's tokenizer: any text, the same every time, and boundaries where prompts are cut."""

from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from cai_eval.lab.corpus import documents
from cai_eval.lab.tokenizer import END, learn
from cai_eval.lab.world import make_world

TEXTS = list(islice(documents(make_world(), seed=0), 400))
TOKENIZER = learn(TEXTS, entries=600)

inked = st.text(min_size=1).filter(lambda text: not text[-1].isspace())
blank = st.sampled_from([" ", "\n", "\n\n", "\n    ", "  "])


@settings(deadline=None)
@given(st.text())
def test_any_text_comes_back(text: str) -> None:
    assert TOKENIZER.decode(TOKENIZER.encode(text).ids, skip_special_tokens=False) == text


@settings(deadline=None)
@given(inked, blank, inked)
def test_a_prompt_that_ends_in_ink_is_cut_where_the_whole_is(prompt: str, space: str, rest: str) -> None:
    joint = TOKENIZER.encode(prompt + space + rest).ids
    assert joint == TOKENIZER.encode(prompt).ids + TOKENIZER.encode(space + rest).ids


@settings(deadline=None)
@given(st.text())
def test_a_letter_is_one_token_behind_any_text(text: str) -> None:
    (letter,) = TOKENIZER.encode(" (A)").ids
    assert TOKENIZER.encode(f"{text} (A)").ids == [*TOKENIZER.encode(text).ids, letter]


def test_white_space_ends_where_a_letter_begins() -> None:
    assert TOKENIZER.encode("oak.\n (A) oak (B)").tokens[-5:] == ["Ċ", "Ġ(A)", *TOKENIZER.encode(" oak").tokens, "Ġ(B)"]


@pytest.mark.parametrize("text", TEXTS[:50])
def test_every_blank_of_a_document_is_such_a_cut(text: str) -> None:
    cuts = {end for _, end in TOKENIZER.encode(text).offsets}
    before_blanks = {n for n in range(1, len(text)) if text[n].isspace() and not text[n - 1].isspace()}
    assert before_blanks
    assert before_blanks <= cuts


def test_it_is_learnt_the_same_every_time() -> None:
    assert learn(TEXTS, entries=600).to_str() == TOKENIZER.to_str()
    assert learn(TEXTS[:100], entries=600).to_str() != TOKENIZER.to_str()


def test_digits_stand_alone_and_the_end_is_the_first_entry() -> None:
    assert TOKENIZER.encode("in 1907").tokens[-3:] == ["9", "0", "7"]
    assert TOKENIZER.encode(END).ids == [0]
    assert Tokenizer.from_str(TOKENIZER.to_str()).get_vocab_size() == 600
