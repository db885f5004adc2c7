"""What is a target, and that batches hold every example once an epoch."""

from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import save_model
from transformers import AutoTokenizer

from cai_eval.contracts import Request
from cai_eval.dialogue import Conversation, Turn, awaiting_reply, continuation
from cai_eval.errors import UserError
from cai_eval.inference.encoding import Encoder
from cai_eval.testing.toys import byte_tokenizer
from cai_eval.training import data
from cai_eval.training.data import conversations, dialogue_examples, example_batches, text_examples

TALK: Conversation = (
    Turn("Human", "Why does bread rise?"),
    Turn("Assistant", "Yeast makes gas."),
    Turn("Human", "And then: why not fall?"),
    Turn("Assistant", "The dough holds it."),
)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return AutoTokenizer.from_pretrained(save_model(tmp_path_factory.mktemp("tiny")))


def learnt(tokenizer: Any, example: data.Example) -> str:
    """The targets as text."""
    text: str = tokenizer.decode(example.ids[example.targets])
    return text


@pytest.mark.parametrize("toy", [True, False])
def test_targets_are_the_answers_and_one_end(toy: bool, tokenizer: Any) -> None:
    chosen = byte_tokenizer() if toy else tokenizer
    (example,) = dialogue_examples(chosen, [TALK], 512)
    end = chosen.eos_token
    assert learnt(chosen, example) == f" Yeast makes gas. The dough holds it.{end}"
    assert (example.ids[example.targets] == chosen.eos_token_id).sum() == 1
    assert not example.targets[0]


def test_training_and_scoring_cut_at_the_same_tokens(tokenizer: Any) -> None:
    (example,) = dialogue_examples(tokenizer, [TALK], 512)
    request = Request(awaiting_reply(TALK[:3]), continuation(TALK[3].text))
    (scored,) = Encoder(tokenizer).requests([request])
    assert tuple(example.ids[:-1]) == scored.ids
    assert np.flatnonzero(example.targets[scored.start :]).tolist() == list(range(len(example.ids) - scored.start))


def test_an_answer_that_speaks_of_turns_stays_one_answer(tokenizer: Any) -> None:
    talk = (Turn("Human", "Who writes?"), Turn("Assistant", "Notes: the Human: and the rest"))
    (example,) = dialogue_examples(tokenizer, [talk], 512)
    assert learnt(tokenizer, example) == f" Notes: the Human: and the rest{tokenizer.eos_token}"


def test_rows_come_in_two_forms() -> None:
    text = "Human: Why does bread rise?\n\nAssistant: Yeast makes gas."
    messages = [
        {"role": "user", "content": "Why does bread rise? "},
        {"role": "assistant", "content": "Yeast makes gas."},
    ]
    assert conversations([{"text": text}, {"messages": messages}]) == [TALK[:2], TALK[:2]]


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({"prompt": "a"}, "row 1: expected"),
        ({"text": "Human: Why?"}, "row 1: the conversation does not end with the assistant"),
        ({"text": "Why?"}, "row 1, line 1: expected a turn"),
        ({"messages": []}, "row 1: the conversation does not end"),
        ({"messages": [{"role": "system", "content": "Be kind."}]}, "row 1: a message needs a role"),
        ({"messages": [{"role": "user", "content": " "}]}, "content that is not empty"),
    ],
)
def test_other_rows_are_refused(row: dict[str, Any], problem: str) -> None:
    with pytest.raises(UserError, match=problem):
        conversations([row])


def test_an_empty_file_is_refused() -> None:
    with pytest.raises(UserError, match="no conversation"):
        conversations([])


def test_what_does_not_fit_is_refused_and_never_cut(tokenizer: Any) -> None:
    with pytest.raises(UserError, match=r"row 2 has .* tokens and the model takes 30"):
        dialogue_examples(tokenizer, [TALK[:2], TALK], 30)


@settings(deadline=None)
@given(words=st.lists(st.sampled_from(["bread", "rises.", "\n\nHuman:", "é"]), max_size=40), length=st.integers(2, 50))
def test_windows_predict_every_token_of_a_text_once(words: list[str], length: int) -> None:
    chosen = byte_tokenizer()
    text = " ".join(words)
    examples = text_examples(chosen, [text], length)
    assert max(map(len, examples)) <= length
    predicted = [int(i) for e in examples for i in e.ids[e.targets]]
    assert chosen.decode(predicted) == text + chosen.eos_token


@settings(deadline=None)
@given(lengths=st.lists(st.integers(2, 40), min_size=1, max_size=20), rows=st.integers(1, 9), seed=st.integers(0, 5))
def test_every_epoch_holds_every_example_once(lengths: list[int], rows: int, seed: int) -> None:
    examples = [data.Example(np.full(n, i + 1), np.arange(n) > 0) for i, n in enumerate(lengths)]
    batches = example_batches(examples, rows, seed)
    epochs = 3
    seen: Counter[int] = Counter()
    for step in range(epochs * len(examples) // rows):
        micro = batches(step)
        taken = [int(i) for batch in micro for i in batch["input_ids"][:, 0]]
        assert len(taken) == rows
        assert all(torch.equal(a["input_ids"], b["input_ids"]) for a, b in zip(micro, batches(step), strict=True))
        seen.update(taken)
    assert set(seen.values()) <= set(range(epochs + 1))
    if (epochs * len(examples)) % rows == 0:
        assert set(seen.values()) == {epochs}


def test_micro_batches_hold_a_bounded_number_of_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "MICRO_TOKENS", 30)
    examples = [data.Example(np.ones(n, dtype=np.int64), np.ones(n, dtype=np.bool_)) for n in (5, 40, 9, 14, 10, 2)]
    micro = example_batches(examples, 6, 0)(0)
    assert [tuple(batch["input_ids"].shape) for batch in micro] == [(1, 40), (2, 14), (3, 9)]
    assert sum(int(batch["targets"].sum()) for batch in micro) == 80
