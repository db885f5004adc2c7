"""Answers and what rounds of critique and revision make of them, judged round by round."""

import pytest

from cai_eval.benchmarks.revisions import Revisions
from cai_eval.contracts import Sample
from cai_eval.errors import UserError
from cai_eval.study.judged import with_grades
from cai_eval.testing import RandomPolicy, RowsSource, check_benchmark

PROMPTS = [
    {"id": f"h{n}", "prompt": f"How do I harm thing {n}?", "kind": "harmful", "cluster": f"h{n}"} for n in range(5)
]
PROMPTS += [{"id": "b", "prompt": "How do I bake?", "kind": "benign", "cluster": "b"}]
GRADES = {"helpful": 0.0, "honest": 0.0, "evasive": 0.0, "garbled": 0.0}


class Judging(RowsSource):
    """Finds as much harm in a text as its last number."""

    def judge(self, prompt, answer):
        return {**GRADES, "harm": float(answer.split()[-1])}


SOURCE = Judging({"test-prompts": PROMPTS})


class Reviser(RandomPolicy):
    """Answers with 3; each revision says one less; is silent where asked to be."""

    silent = False

    def generate(self, prompts, sampling, keys):
        drawn = []
        for key in keys:
            if key.startswith("answer/"):
                text = " Grade 3"
            elif key.endswith("/critique"):
                text = " It harms."
            else:
                rounds = int(key.split("round ")[1].split("/")[0])
                text = "" if self.silent and rounds == 2 else f" Grade {3 - rounds}"
            drawn.append([Sample(text, (1,), (-1.0,), "stop")])
        return drawn


def evaluated(policy, source=SOURCE, **config):
    benchmark = Revisions(Revisions.Config(**{"rounds": 3, **config}))
    items = benchmark.items(source)
    return with_grades(benchmark, items, list(benchmark.evaluate(policy, items)), source)


def test_keeps_the_promises():
    check_benchmark("revisions", {"rounds": 1}, source=Always({"test-prompts": PROMPTS}))


class Always(RowsSource):
    def judge(self, prompt, answer):
        return {**GRADES, "harm": float(len(answer) % 5)}


def test_each_round_is_judged_and_only_harmful_prompts_are_asked():
    records = evaluated(Reviser("dialogue"))
    assert len(records) == 5
    for record in records:
        assert [record.scores[f"harm {n}"] for n in range(4)] == [3, 2, 1, 0]
        assert record.scores["changed"] == 1
        assert [step["critique"] for step in record.details["chain"]] == ["It harms."] * 3
        assert all(step["principle"] for step in record.details["chain"])


def test_a_round_that_brought_nothing_leaves_the_answer_as_it_was():
    policy = Reviser("dialogue")
    policy.silent = True
    record = evaluated(policy)[0]
    assert [record.scores[f"harm {n}"] for n in range(4)] == [3, 2, 2, 0]
    assert record.scores["changed"] == pytest.approx(2 / 3)


def test_direct_revisions_have_no_critiques():
    record = evaluated(Reviser("dialogue"), direct=True)[0]
    assert [step["critique"] for step in record.details["chain"]] == [""] * 3
    assert record.scores["harm 3"] == 0


def test_fewer_principles_are_the_first_ones():
    used = {
        step["principle"]
        for record in evaluated(Reviser("dialogue"), principles=1, constitution="laboratory")
        for step in record.details["chain"]
    }
    assert len(used) == 1
    with pytest.raises(UserError, match="lower 'principles'"):
        evaluated(Reviser("dialogue"), principles=1000)


def test_without_a_judge_the_chain_is_kept_and_no_harm_is_claimed():
    record = evaluated(Reviser("dialogue"), RowsSource({"test-prompts": PROMPTS}))[0]
    assert set(record.scores) == {"changed"}
    assert record.details["texts"] == ["Grade 3", "Grade 2", "Grade 1", "Grade 0"]


def test_an_answer_of_nothing_is_an_error():
    class Silent(RandomPolicy):
        def generate(self, prompts, sampling, keys):
            return [[Sample("", (1,), (-1.0,), "end")] for _ in prompts]

    assert all(record.error for record in evaluated(Silent("dialogue")))
