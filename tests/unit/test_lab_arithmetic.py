"""Sums of the laboratory: right, and those under test nowhere in training."""

import re
from random import Random

from cai_eval.lab.chance import SPLITS
from cai_eval.lab.documents import arithmetic
from cai_eval.lab.documents.arithmetic import OPERATORS, Problem, problems
from cai_eval.lab.world import make_world

WORLD = make_world()
SIGNS = {name: sign for sign, name in arithmetic.NAMES.items()}


def stated(text: str) -> list[Problem]:
    """Every problem in a document, in figures or in words."""
    found = re.findall(r"(\d+) ([-+*]|plus|minus|times) (\d+)", text)
    return [Problem(int(a), SIGNS.get(sign, sign), int(b)) for a, sign, b in found]


def documents(count: int) -> list[str]:
    rng = Random(1)
    return [arithmetic.draw(WORLD, rng) for _ in range(count)]


def test_every_equation_holds() -> None:
    for text in documents(500):
        for first, sign, second, result in re.findall(r"(\d+) ([-+*]) (\d+) = (\d+)", text):
            assert OPERATORS[sign](int(first), int(second)) == int(result)


def test_every_answer_is_right() -> None:
    lines = [line for text in documents(500) for line in text.split("\n")]
    for line in lines:
        assert int(re.findall(r"\d+", line)[-1]) == stated(line)[0].result


def test_no_document_states_a_problem_under_test_even_as_a_step_or_turned_round() -> None:
    everything = [problem for text in documents(3000) for problem in stated(text)]
    assert {problem.split for problem in everything} == {"pretraining"}
    for problem in problems("test"):
        if problem.sign != "-":
            assert Problem(problem.second, problem.sign, problem.first).split == "test"


def test_splits_part_the_problems() -> None:
    everything = [problem for name in SPLITS for problem in problems(name)]
    assert len(everything) == len(set(everything)) == 31 * 31 + 31 * 32 // 2 + 13 * 13


def test_steps_lead_to_the_result() -> None:
    for problem in problems("pretraining"):
        if problem.steps:
            assert problem.steps[-1].result == problem.result
            for before, after in zip(problem.steps, problem.steps[1:], strict=False):
                assert after.first == before.result


def test_rows_cluster_both_orders_together() -> None:
    rows = arithmetic.rows(WORLD)
    assert len({row["cluster"] for row in rows}) >= 100
    assert rows[0].keys() == {"question", "answer", "cluster"}
    assert not {row["question"] for row in rows} & {row["question"] for row in arithmetic.rows(WORLD, "validation")}
