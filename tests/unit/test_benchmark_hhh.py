import json
import math
import re
from collections import Counter

import pytest
from toy_policy import ToyPolicy

from cai_eval.benchmarks.hhh import HHH
from cai_eval.contracts import Request
from cai_eval.data import PublishedSource
from cai_eval.errors import UserError
from cai_eval.testing import RowsSource, check_benchmark

WRAPPED = "###The instruction to evaluate:\n{}\n\n###Response to evaluate:\n{}\n\n###Score Rubrics:\n[any]"


def file_row(query: str, good: str, bad: str, category: str = "honest") -> dict:
    ends = {"chosen_instruction": good, "rejected_instruction": bad}
    return {"source": category} | {key: WRAPPED.format(query, answer) for key, answer in ends.items()}


def hub_row(query: str, good: str, bad: str, category: str = "honest", right: int = 0) -> dict:
    choices = [good, bad] if right == 0 else [bad, good]
    labels = [int(index == right) for index in range(2)]
    return {"configuration": category, "input": query, "targets": {"choices": choices, "labels": labels}}


MULTI = "Why is it so?\n\nAssistant:  Why is what so?\n\nHuman:  The sky."
TEXTS = [("What is up?", "The sky.", "Nothing."), (MULTI, "It scatters light.", "No idea.")]


def source(rows: list[dict]) -> RowsSource:
    return RowsSource({"hhh_alignment": rows})


def test_keeps_the_promises_of_a_benchmark():
    rows = [file_row(f"Question {i}?", f"Good {i}.", f"Bad {i}.", category) for i, category in enumerate("abcabca")]
    for scoring in ("mi", "sum", "mean"):
        check_benchmark("hhh", {"scoring": scoring}, source=source([*rows, file_row(*TEXTS[1])]))


def benchmark(**config) -> HHH:
    return HHH(HHH.Config(**config))


def evaluate(rule, rows, format="plain", **config):
    policy, hhh = ToyPolicy(rule, format), benchmark(**config)
    return list(hhh.evaluate(policy, hhh.items(source(rows)))), policy.requests


def test_file_and_hub_give_the_same_items():
    of_file = benchmark().items(source([file_row(*texts) for texts in TEXTS]))
    of_hub = benchmark().items(source([hub_row(*texts, right=i) for i, texts in enumerate(TEXTS)]))
    assert of_file == of_hub
    assert of_file[0].data == {**dict(zip(("query", "good", "bad"), TEXTS[0], strict=True)), "matched": False}


def test_a_row_without_the_schema_is_named():
    rows = [file_row(*TEXTS[0]), {"source": "honest", "chosen_instruction": "", "rejected_instruction": ""}]
    with pytest.raises(UserError, match="row 2"):
        benchmark().items(source(rows))


def test_plain_requests():
    _, requests = evaluate(lambda _: [-1.0], [file_row(*TEXTS[0])])
    assert requests == [
        Request("What is up?", "\n\nThe sky."),
        Request("What is up?", "\n\nNothing."),
        Request("", "The sky."),
        Request("", "Nothing."),
    ]


def test_dialogue_requests_keep_the_turns():
    _, requests = evaluate(lambda _: [-1.0], [file_row(*TEXTS[1])], "dialogue")
    asked = "Human: Why is it so?\n\nAssistant: Why is what so?\n\nHuman: The sky.\n\nAssistant:"
    assert requests == [
        Request(asked, " It scatters light."),
        Request(asked, " No idea."),
        Request("Assistant:", " It scatters light."),
        Request("Assistant:", " No idea."),
    ]


def by_table(table):
    return lambda request: table[bool(request.context), request.continuation.strip()]


def test_each_scoring_is_what_the_paper_calls_it():
    # better answer: likelier given the query than alone, yet less likely in sum and likelier a token
    table = {
        (True, "The sky."): [-1.5, -1.5, -1.5],  # sum −4.5, mean −1.5
        (True, "Nothing."): [-2.0, -2.0],  # sum −4, mean −2
        (False, "The sky."): [-3.0, -3.0, -3.0],  # MI 4.5
        (False, "Nothing."): [-2.5, -2.5],  # MI 1
    }
    (record,), _ = evaluate(by_table(table), [file_row(*TEXTS[0])])
    assert record.scores == {"accuracy": 1, "accuracy_mi": 1, "accuracy_sum": 0, "accuracy_mean": 1, "margin": 3.5}
    assert record.answer == record.reference == "The sky."
    matched = {**hub_row(*TEXTS[0]), "matched": True, "cluster": "the sky"}
    (record,), _ = evaluate(by_table(table), [matched])
    assert (record.scores["accuracy"], record.scores["margin"], record.cluster) == (0, -0.5, "the sky")
    (record,), _ = evaluate(by_table(table), [file_row(*TEXTS[0])], scoring="sum")
    assert record.scores["margin"] == -0.5
    assert record.answer == "Nothing."
    assert record.details["logprobs"] == [-4.5, -4.0]


@pytest.mark.parametrize("scoring", ["mi", "sum", "mean"])
def test_the_configured_scoring_is_primary(scoring):
    assert [m.name for m in benchmark(scoring=scoring).metrics() if m.primary] == [f"accuracy_{scoring}"]


def test_a_constant_ties_and_a_nan_is_no_credit():
    (tie,), _ = evaluate(lambda _: [-1.0], [file_row(*TEXTS[0])])
    assert tie.scores["accuracy_mi"] == 0.5
    assert tie.answer == "(a tie)"
    (failed,), _ = evaluate(lambda _: [math.nan], [file_row(*TEXTS[0])])
    assert failed.error
    assert not failed.scores


def test_published_file(data_dir):
    items = benchmark().items(PublishedSource(data_dir))
    assert Counter(item.category for item in items) == {"honest": 61, "helpful": 59, "harmless": 58, "other": 43}
    assert len({item.id for item in items}) == 221
    assert len({item.cluster for item in items}) == 102
    assert len({item.cluster for item in items if item.category == "honest"}) == 19
    pairs = (data_dir / "hhh_alignment" / "hhh_alignment_pairs.jsonl").read_text(encoding="utf-8")
    unwrapped = [json.loads(line) for line in pairs.split("\n") if line]
    assert [(item.data["query"], item.data["good"], item.data["bad"]) for item in items] == [
        (row["input"], row["chosen"], row["rejected"]) for row in unwrapped
    ]


@pytest.mark.parametrize("format", ["plain", "dialogue"])
def test_published_items_are_all_asked(data_dir, format):
    hhh = benchmark()
    policy = ToyPolicy(format=format)
    records = list(hhh.evaluate(policy, hhh.items(PublishedSource(data_dir))))
    assert not [record.error for record in records if record.error]
    assert {record.scores["accuracy_mi"] for record in records} == {0.5}
    if format == "dialogue":
        turns = [re.findall(r"^(?:Human|Assistant):", r.context, re.M) for r in policy.requests if r.context]
        assert all(turn[-1] == "Assistant:" for turn in turns)
        assert max(map(len, turns)) > 2  # several queries are conversations
