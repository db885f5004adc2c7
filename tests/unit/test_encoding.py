"""Requests → ids: joint encoding behind prefixes, for three kinds of tokenizer."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from cai_eval.contracts import Prefix, Request
from cai_eval.errors import UserError
from cai_eval.inference.encoding import Encoder

TEXT = "A wide river ran past the mill, and the ferry crossed it.\n\nHuman: Why “so”?\n\nAssistant: It is.\n\n-----"
CONTEXTS = ("Human: Is it?\n\nAssistant:", "the end", " led by a blank", "\tindented", "“Quoté” 42:", "\n\nlines", "é")


def gpt_neox(data_dir: Path) -> Any:
    return PreTrainedTokenizerFast(tokenizer_file=str(data_dir / "tokenizers/20B_tokenizer.json"))


def llama(data_dir: Path) -> Any:
    return AutoTokenizer.from_pretrained(data_dir / "stories260K_hf")


def joining(_: Path | None = None) -> Any:
    """Without a start-of-text token; its splitter, as Qwen's, joins punctuation with the line ends after it."""
    tokenizer = Tokenizer(models.BPE())
    splitter = Regex(r" ?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(splitter, "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator([TEXT, "Yes.\n\nthe end\n\n"] * 50, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer)


@pytest.fixture(params=[gpt_neox, llama, joining], ids=lambda make: make.__name__, scope="module")
def tokenizer(request: pytest.FixtureRequest) -> Any:
    return request.param(None if request.param is joining else request.getfixturevalue("data_dir"))


def prefix_of(tokenizer: Any, text: str, separator: str = "\n\n") -> Prefix:
    return Prefix(tuple(tokenizer(text)["input_ids"]), text, "", separator)


@pytest.mark.parametrize("text", [TEXT, TEXT * 12, "Yes.", "Yes"])
@pytest.mark.parametrize("separator", ["\n\n", " ", ""])
def test_behind_a_prefix_all_is_as_in_the_joint_encoding(tokenizer: Any, text: str, separator: str) -> None:
    encoder = Encoder(tokenizer, prefix_of(tokenizer, text, separator))
    for context, ids in zip(CONTEXTS, encoder.prompts(CONTEXTS), strict=True):
        assert encoder.head + ids == tuple(tokenizer(text + separator + context)["input_ids"])
    if len(text) > 1000:
        assert len(encoder.head) > 100  # what is encoded again is short


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(context=st.text(max_size=30), continuation=st.text(min_size=1, max_size=12))
def test_any_text_behind_a_prefix_is_as_in_the_joint_encoding(tokenizer: Any, context: str, continuation: str) -> None:
    encoder = Encoder(tokenizer, prefix_of(tokenizer, TEXT))
    (encoded,) = encoder.requests([Request(context, continuation)])
    assert encoder.head + encoded.ids == tuple(tokenizer(TEXT + "\n\n" + context + continuation)["input_ids"])
    assert 0 <= encoded.start < len(encoded.ids)


@pytest.mark.parametrize(("context", "continuation"), [("The capital is", " Paris"), ("The capital is  ", "Paris")])
def test_lm_evals_rule_without_prefix(tokenizer: Any, context: str, continuation: str) -> None:
    (encoded,) = Encoder(tokenizer).requests([Request(context, continuation)])
    assert encoded.ids == tuple(tokenizer(context + continuation)["input_ids"])
    assert encoded.start == len(tokenizer("The capital is")["input_ids"])


def test_an_empty_context_stands_for_the_start_of_text(data_dir: Path) -> None:
    tokenizer = llama(data_dir)
    (encoded,) = Encoder(tokenizer).requests([Request("", "Once upon")])
    assert encoded.ids == tuple(tokenizer("Once upon")["input_ids"])
    assert encoded.start == 1
    assert Encoder(tokenizer).prompts([""]) == [(tokenizer.bos_token_id,)]


def test_an_empty_context_falls_back_on_the_end_of_text_token() -> None:
    tokenizer = joining()
    with pytest.raises(UserError, match="bos_token"):
        Encoder(tokenizer).requests([Request("", "the")])
    tokenizer.add_special_tokens({"eos_token": "<end>"})
    (encoded,) = Encoder(tokenizer).requests([Request(" ", "the")])
    assert encoded == ((tokenizer.eos_token_id, *tokenizer(" the")["input_ids"]), 1)


@pytest.mark.parametrize("continuation", ["Human: No", "the", " yes", "42"])
def test_after_an_empty_context_the_separator_is_not_scored(tokenizer: Any, continuation: str) -> None:
    encoder = Encoder(tokenizer, prefix_of(tokenizer, TEXT))
    (encoded,) = encoder.requests([Request("", continuation)])
    assert tokenizer.decode(encoded.ids[encoded.start :]).strip() == continuation.strip()


def test_a_continuation_that_merges_with_its_context_keeps_a_token() -> None:
    tokenizer = joining()
    tokenizer.add_special_tokens({"bos_token": "<start>"})
    (encoded,) = Encoder(tokenizer).requests([Request("th", "e")])
    assert encoded == ((tokenizer.bos_token_id, *tokenizer("the")["input_ids"]), 1)
    with pytest.raises(ValueError, match="empty"):
        Encoder(tokenizer).requests([Request("the", "")])


def test_a_prefix_cut_inside_a_word_keeps_its_ids(tokenizer: Any) -> None:
    ids = tuple(tokenizer("An extraordinary unfathomability")["input_ids"])[:-1]
    encoder = Encoder(tokenizer, Prefix(ids, tokenizer.decode(ids)))
    (after,) = encoder.prompts(["Human: Why?"])
    assert (encoder.head + after)[: len(ids)] == ids
    assert tokenizer.decode((encoder.head + after)[len(ids) :]) == "\n\nHuman: Why?"


def test_a_prefix_cut_inside_a_character_keeps_its_ids() -> None:
    tokenizer = joining()
    ids = tuple(tokenizer("the end of a café")["input_ids"])[:-1]
    for separator in ("\n\n", ""):
        encoder = Encoder(tokenizer, Prefix(ids, tokenizer.decode(ids), separator=separator))
        assert encoder.head == ids
        for context, after in zip(CONTEXTS, encoder.prompts(CONTEXTS), strict=True):
            assert tokenizer.decode(after) == separator + context


def test_a_tokenizer_without_a_safe_anchor_encodes_all_jointly(tokenizer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Encoder, "_is_joint", lambda *_: False)
    encoder = Encoder(tokenizer, prefix_of(tokenizer, TEXT))
    assert len(encoder.head) <= 1
    for context, ids in zip(CONTEXTS, encoder.prompts(CONTEXTS), strict=True):
        assert encoder.head + ids == tuple(tokenizer(TEXT + "\n\n" + context)["input_ids"])


def test_tokens_are_counted_behind_the_prefix(tokenizer: Any) -> None:
    encoder = Encoder(tokenizer, prefix_of(tokenizer, TEXT))
    (ids,) = encoder.prompts(["the end"])
    joint = len(tokenizer(TEXT + "\n\nthe end")["input_ids"])
    assert encoder.behind_prefix(ids) == joint - len(tokenizer(TEXT)["input_ids"])


def test_equal_texts_are_encoded_once(tokenizer: Any) -> None:
    calls: list[int] = []

    def counting(texts: Any, **settings: Any) -> Any:
        calls.append(len(texts) if isinstance(texts, list) else 1)
        return tokenizer(texts, **settings)

    encoder = Encoder(counting)
    calls.clear()
    encoder.requests([Request("Which?", " A"), Request("Which?", " B"), Request("Which?", " A")])
    assert calls == [3]
