import math

import pytest
from pydantic import ValidationError
from toy_policy import ToyPolicy

from cai_eval.benchmarks.lambada import Lambada
from cai_eval.contracts import Request
from cai_eval.data import PublishedSource
from cai_eval.errors import UserError
from cai_eval.testing import RowsSource, check_benchmark

ROWS = [{"text": text} for text in ("Once there was a cat", "He met a\n\ndog", "They went home", "They went home")]


def source(rows: list[dict]) -> RowsSource:
    return RowsSource({"lambada": rows})


@pytest.mark.parametrize("config", [{}, {"cloze": True, "shots": 1}])
def test_keeps_the_promises_of_a_benchmark(config):
    check_benchmark("lambada", config, source=source(ROWS))


def evaluate(rows=ROWS, rule=lambda _: [-1.0, -0.5], format="plain", **config):
    lambada, policy = Lambada(Lambada.Config(**config)), ToyPolicy(rule, format)
    return list(lambada.evaluate(policy, lambada.items(source(rows)))), policy.requests


def test_the_passage_alone():
    records, requests = evaluate()
    assert requests[0] == Request("Once there was a", " cat")
    assert requests[1] == Request("He met", " a\n\ndog")  # lm-eval's reading of the last word
    assert records[0].scores == {"accuracy": 0, "loss": 1.5}
    assert records[0].reference == "cat"


def test_equal_passages_are_two_items_of_one_cluster():
    records, _ = evaluate()
    assert len({record.item for record in records}) == 4
    assert records[2].cluster == records[3].cluster != records[1].cluster


def test_few_shot_cloze():
    records, requests = evaluate(cloze=True, shots=2)
    assert len(records) == 2
    assert requests[0] == Request(
        "Once there was a ____. -> cat\n\nHe met ____. -> a\n\ndog\n\nThey went ____. ->", " home"
    )


def test_few_shot_passages():
    _, requests = evaluate(shots=1)
    assert requests[1] == Request("Once there was a cat\n\nThey went", " home")


def test_in_a_dialogue_the_assistant_tells_the_passage():
    _, requests = evaluate(format="dialogue")
    turns = requests[0].context.split("\n\n")
    assert turns[0].startswith("Human: ")
    assert turns[1].startswith("Assistant: ")
    assert turns[2] == "Once there was a"
    assert requests[0].continuation == " cat"
    _, requests = evaluate(format="dialogue", shots=1)
    assert requests[0].context.count("Human: ") == 2


def test_in_a_dialogue_the_human_asks_for_the_word_of_a_cloze():
    _, requests = evaluate(format="dialogue", cloze=True, shots=1)
    assert "Human: Once there was a ____.\n\n" in requests[0].context
    assert "\n\nAssistant: cat\n\nHuman: He met ____.\n\n" in requests[0].context
    assert requests[0].context.endswith("\n\nAssistant:")


def test_nan_gets_no_credit():
    records, _ = evaluate(rule=lambda _: [math.nan])
    assert all(record.error and not record.scores for record in records)


def test_bad_rows_and_configs_are_refused():
    with pytest.raises(UserError, match="row 2"):
        evaluate(rows=[{"text": "two words"}, {"text": "one"}])
    with pytest.raises(ValidationError):
        Lambada.Config(shots=-1)


def test_published_file(data_dir):
    records = Lambada(Lambada.Config()).items(PublishedSource(data_dir))
    assert len({item.id for item in records}) == len(records) == 5153
    assert len({item.cluster for item in records}) == 5151
    assert sum(any(mark.isspace() for mark in item.data["word"]) for item in records) == 7
