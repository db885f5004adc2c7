import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_policy import ToyPolicy, constant

from cai_eval.contracts import Item, Record, Request
from cai_eval.scoring import NotScored, put_items, score_items, share_of_best

ITEMS = [Item(name, name, "", {}) for name in ("a", "bb", "ccc")]


def ask(item: Item) -> list[Request]:
    return [Request(item.id, " yes"), Request(item.id, " no no")]


def judge(item: Item, asked, scored) -> Record:
    assert list(asked) == ask(item)
    return Record(item.id, item.cluster, scores={"total": sum(score.total for score in scored)})


def test_one_call_for_the_batch_and_each_item_its_own_answers():
    policy = ToyPolicy(lambda request: [-len(request.context)] * len(request.continuation.split()))
    records = list(score_items(policy, ITEMS, ask, judge))
    assert [record.item for record in records] == ["a", "bb", "ccc"]
    assert [record.scores["total"] for record in records] == [-3, -6, -9]
    assert policy.requests == [request for item in ITEMS for request in ask(item)]


def test_no_items_no_records():
    assert list(score_items(ToyPolicy(), [], ask, judge)) == []


@pytest.mark.parametrize("value", [math.nan, -math.inf])
def test_a_log_probability_that_is_not_finite_gets_no_credit(value):
    policy = ToyPolicy(lambda request: [value] if request.context == "bb" else constant(request))
    records = list(score_items(policy, ITEMS, ask, judge))
    assert [bool(record.error) for record in records] == [False, True, False]
    assert not records[1].scores


def test_an_item_that_does_not_fit_costs_itself_alone():
    records = list(score_items(ToyPolicy(longest=8), ITEMS, ask, judge))
    assert [bool(record.error) for record in records] == [False, False, True]
    assert records[2].error == "too long for a toy"


@pytest.mark.parametrize("step", ["ask", "judge"])
def test_an_item_that_raises_costs_itself_alone(step):
    def failing(function):
        def wrapped(item, *rest):
            if item.id == "bb":
                raise KeyError("what")
            return function(item, *rest)

        return wrapped

    steps = {"ask": ask, "judge": judge}
    steps[step] = failing(steps[step])
    records = list(score_items(ToyPolicy(), ITEMS, **steps))
    assert [record.error for record in records] == ["", "KeyError: 'what'", ""]


def test_answers_may_be_anything_and_a_judge_may_decline():
    def upper(item, questions, answers):
        if item.id == "bb":
            raise NotScored("no opinion")
        return Record(item.id, item.cluster, answer=answers[0])

    records = list(put_items(ITEMS, lambda item: [item.id], lambda ids: [i.upper() for i in ids], upper))
    assert [(record.answer, record.error) for record in records] == [("A", ""), ("", "no opinion"), ("CCC", "")]


@given(st.lists(st.floats(-1e4, 0), min_size=1, max_size=8))
def test_credit_is_shared_out_once(values):
    assert sum(share_of_best(values, right) for right in range(len(values))) == pytest.approx(1)


def test_ties_share_credit():
    assert share_of_best([-2.0, -2.0, -3.0], 0) == share_of_best([-2.0, -2.0, -3.0], 1) == 0.5
    assert share_of_best([-2.0, -2.0, -3.0], 2) == 0
    assert share_of_best([-2.0, -2.0 + 1e-9], 0) == 0.5
    assert share_of_best([-2.0, -2.0 + 1e-4], 0) == 0
