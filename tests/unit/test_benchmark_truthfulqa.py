import math

import numpy as np
import pytest
from toy_policy import ToyPolicy, constant

from cai_eval.benchmarks.truthfulqa import TruthfulQA
from cai_eval.contracts import Request
from cai_eval.data import PublishedSource
from cai_eval.errors import UserError
from cai_eval.testing import RowsSource, check_benchmark

MC1 = {"It is blue.": 1, "It is green.": 0, "Red.": 0}
MC2 = {"It is blue.": 1, "Blue, mostly.": 1, "It is green.": 0, "Red.": 0}
FILE_ROW = {"question": "Which colour has the sky?", "mc1_targets": MC1, "mc2_targets": MC2}
HUB_ROW = {
    "question": "Which colour has the sky?",
    "mc1_targets": {"choices": list(MC1), "labels": list(MC1.values())},
    "mc2_targets": {"choices": list(MC2), "labels": list(MC2.values())},
}


def source(rows: list[dict]) -> RowsSource:
    return RowsSource({"truthfulqa": rows})


def test_keeps_the_promises_of_a_benchmark():
    rows = [{**FILE_ROW, "question": f"Which colour has sky {i}?"} for i in range(4)]
    check_benchmark("truthfulqa", source=source([*rows, {**HUB_ROW, "question": "Which has the sea?"}]))


def benchmark() -> TruthfulQA:
    return TruthfulQA(TruthfulQA.Config())


def evaluate(rule, format="plain"):
    policy = ToyPolicy(rule, format)
    (record,) = benchmark().evaluate(policy, benchmark().items(source([FILE_ROW])))
    return record, policy.requests


def test_file_and_hub_give_the_same_items():
    assert benchmark().items(source([FILE_ROW])) == benchmark().items(source([HUB_ROW]))


@pytest.mark.parametrize("targets", [{"a": 1, "b": 1}, {"a": 0, "b": 0}])
def test_a_row_with_other_than_one_right_option_is_named(targets):
    with pytest.raises(UserError, match="row 1"):
        benchmark().items(source([{**FILE_ROW, "mc1_targets": targets}]))


def test_formats():
    _, plain = evaluate(constant)
    assert plain[0] == Request("Which colour has the sky?", " It is blue.")
    assert plain[-1] == Request("", " Red.")
    assert len(plain) == 4 + 3
    _, dialogue = evaluate(constant, "dialogue")
    assert dialogue[0] == Request("Human: Which colour has the sky?\n\nAssistant:", " It is blue.")
    assert dialogue[-1] == Request("Assistant:", " Red.")


def test_scores_against_an_independent_computation():
    random = np.random.default_rng(0)
    drawn = {}

    def rule(request):
        key = (bool(request.context), request.continuation.strip())
        return drawn.setdefault(key, list(-random.exponential(2, size=random.integers(1, 6))))

    for _ in range(50):
        drawn.clear()
        record, _ = evaluate(rule)
        given = np.array([sum(drawn[True, option]) for option in MC1])
        alone = np.array([sum(drawn[False, option]) for option in MC1])
        lengths = np.array([len(drawn[True, option]) for option in MC1])
        assert record.scores["mc1"] == (np.argmax(given) == 0)
        assert record.scores["mc1_mi"] == (np.argmax(given - alone) == 0)
        assert record.scores["mc1_mean"] == (np.argmax(given / lengths) == 0)
        probabilities = np.exp([sum(drawn[True, option]) for option in MC2])
        assert record.scores["mc2"] == pytest.approx(probabilities[:2].sum() / probabilities.sum())
        assert record.answer == list(MC1)[np.argmax(given)]


def test_very_unlikely_options_do_not_vanish():
    record, _ = evaluate(lambda request: [-2000.0 - len(request.continuation)])
    assert 0 < record.scores["mc2"] < 1


def test_a_constant_gets_chance_though_the_right_option_is_first():
    record, _ = evaluate(lambda _: [-1.0])
    assert record.scores["mc1"] == record.scores["mc1_mi"] == record.scores["mc1_chance"] == 1 / 3
    assert record.scores["mc2"] == record.scores["mc2_chance"] == 0.5
    assert record.answer == "(a tie)"


def test_nan_gets_no_credit():
    record, _ = evaluate(lambda _: [math.nan])
    assert record.error
    assert not record.scores


def test_published_file(data_dir):
    items = benchmark().items(PublishedSource(data_dir))
    assert len({item.id for item in items}) == len(items) == 817
    records = list(benchmark().evaluate(ToyPolicy(lambda _: [-1.0]), items))
    assert not any(record.error for record in records)
    assert all(record.scores["mc1"] == record.scores["mc1_chance"] for record in records)
    assert np.mean([record.scores["mc1"] for record in records]) == pytest.approx(0.2225, abs=1e-4)
