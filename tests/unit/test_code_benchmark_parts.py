"""The pure parts of benchmark `code`: pass@k, cutting, and a checkout of QuixBugs."""

import ast
from fractions import Fraction
from itertools import combinations, product
from math import prod

import pytest
from checkout import NODE, PROGRAMS, write_checkout
from hypothesis import given
from hypothesis import strategies as st

from cai_eval.benchmarks.code import Code
from cai_eval.benchmarks.code.cutting import through_function
from cai_eval.benchmarks.code.passing import pass_at_k
from cai_eval.benchmarks.code.quixbugs import read_checkout
from cai_eval.errors import UserError
from cai_eval.testing import RowsSource


@given(st.data(), st.integers(1, 300))
def test_pass_at_k_is_the_published_estimator(data, n):
    c, k = data.draw(st.integers(0, n)), data.draw(st.integers(1, n))
    none = prod((1 - Fraction(k, i) for i in range(n - c + 1, n + 1)), start=Fraction(1))
    exact = 1 - none if n - c >= k else Fraction(1)
    assert pass_at_k(n, c, k) == float(exact)


@pytest.mark.parametrize("n", range(1, 8))
def test_pass_at_k_is_the_share_of_all_draws_that_hold_one_that_passed(n):
    for c, k in product(range(n + 1), range(1, n + 1)):
        draws = list(combinations([True] * c + [False] * (n - c), k))
        assert pass_at_k(n, c, k) == float(Fraction(sum(map(any, draws)), len(draws)))


@pytest.mark.parametrize(("n", "c", "k"), [(3, 4, 1), (3, -1, 1), (3, 1, 0), (3, 1, 4)])
def test_pass_at_k_refuses_what_cannot_be(n, c, k):
    with pytest.raises(ValueError, match="cannot be estimated"):
        pass_at_k(n, c, k)


HEAD = 'def f(x):\n    """Say x."""'


@pytest.mark.parametrize(
    ("body", "rest"),
    [
        ("\n    return x\n", "print(f(1))\n"),
        ("\n    return x\n\n\n", "def g():\n    pass\n"),
        ("\n    return x\n", "@g\ndef h(): pass\n"),
        ("\n    return x\n\n", "Human: it's well done"),
        ("\n    return x\n", "```\n"),
        ("\n    s = '''\nclass X:\n'''\n    return s\n", "x = 1"),
        ("\n    return (1,\n2)\n", "x = 1"),
        ("\n    if x:\n# a remark at the margin\n        return 1\n", "x = 1"),
        (" \\\n\n    return x\n", "x = 1"),
        ("\n    return x\n\x0c\n", "x = 1"),
    ],
)
def test_a_function_ends_where_the_next_statement_at_the_margin_begins(body, rest):
    assert through_function(HEAD + body + rest, "f") == HEAD + body


@pytest.mark.parametrize(
    "source",
    [
        HEAD,
        HEAD + "\n    return x",
        HEAD + "\n    return 'x\n",
        HEAD + "\n    s = '''x\n",
        "x = 1\ny = 2\n",
        "",
        "\x00",
    ],
)
def test_a_source_without_an_end_of_the_function_stays_whole(source):
    assert through_function(source, "f") == source


def test_the_function_that_is_asked_for_ends_it_not_a_helper_before():
    source = "def helper():\n    pass\n\n\nasync def f():\n    pass\n"
    assert through_function(source + "x = 1\n", "f") == source


@given(st.text(alphabet="def f(x):\n\t '\"#\\ré1", max_size=60))
def test_cutting_only_cuts_and_only_once(text):
    cut = through_function(HEAD + text, "f")
    assert (HEAD + text).startswith(cut)
    assert through_function(cut, "f") == cut


@pytest.fixture
def folder(tmp_path):
    return write_checkout(tmp_path)


def test_quixbugs_shows_signature_and_description_but_no_body(folder):
    tasks = {task.entry_point: task for task in read_checkout(folder)}
    assert list(tasks) == sorted(PROGRAMS)
    double = 'def double(n, by=2):\n    """\n    Double\n\n    Input:\n        n: an int\n    """'
    assert tasks["double"].prompt == double
    sqrt = 'from math import floor\n\n\ndef sqrt(x, epsilon):\n    """\n    Square root\n    """'
    assert tasks["sqrt"].prompt == sqrt
    assert tasks["head"].prompt.startswith("class Node:")
    for task in tasks.values():
        assert "return n * 3" not in task.prompt
        ast.parse(task.prompt)


def passes(task, source: str) -> bool:
    """Only for the programs above."""
    names: dict = {}
    exec(source, names)
    try:
        exec(task.test, names | {"candidate": names[task.entry_point]})
    except (AssertionError, TypeError):
        return False
    return True


def test_quixbugs_tests_pass_the_corrected_program_and_fail_the_buggy_one(folder):
    for task in read_checkout(folder):
        buggy = NODE + PROGRAMS[task.entry_point][0]
        assert passes(task, task.solution)
        assert not passes(task, buggy)


def test_quixbugs_is_a_dataset_of_the_benchmark(folder):
    items = Code(Code.Config(dataset="quixbugs", checkout=str(folder))).items(RowsSource())
    assert [item.id for item in items] == [f"QuixBugs/{name}" for name in sorted(PROGRAMS)]


def test_a_folder_that_is_no_checkout_is_refused(folder):
    with pytest.raises(UserError, match="no checkout"):
        read_checkout(folder / "json_testcases")
    (folder / "json_testcases" / "double.json").write_text("[[2]\n")
    with pytest.raises(UserError, match="cannot be read"):
        read_checkout(folder)
