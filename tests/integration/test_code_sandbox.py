"""Benchmark `code` with programs that really run, in the sandbox and nowhere else."""

import ast
from collections import Counter

import pytest
import tiny
from checkout import NODE, PROGRAMS, write_checkout

from cai_eval.benchmarks.code import Code
from cai_eval.benchmarks.code.quixbugs import read_checkout
from cai_eval.benchmarks.code.tasks import HUMANEVAL, MBPP, Task, humaneval, mbpp
from cai_eval.contracts import PolicySpec, Sample
from cai_eval.data import PublishedSource
from cai_eval.lab.documents.code import rows
from cai_eval.lab.functions import body, pairs
from cai_eval.lab.world import make_world
from cai_eval.sandbox import Limits, Outcome, Program, Sandbox
from cai_eval.study.workshop import Models
from cai_eval.testing import RowsSource
from cai_eval.testing.toys import RandomPolicy


def run(tasks: list[Task], sources: list[str]) -> dict[str, Outcome]:
    """Task → what became of its source."""
    programs = [
        Program(source, task.entry_point, task.test, task.setup) for task, source in zip(tasks, sources, strict=True)
    ]
    with Sandbox(Limits(seconds=120)) as sandbox:
        return {task.id: outcome for task, outcome in zip(tasks, sandbox.run(programs), strict=True)}


def without_bodies(source: str) -> str:
    """The program with `pass` in the place of every function's body."""

    class Emptied(ast.NodeTransformer):
        def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
            node.body = [ast.Pass()]
            return node

    return ast.unparse(Emptied().visit(ast.parse(source)))


@pytest.mark.parametrize(
    ("published", "parse", "count"),
    [(HUMANEVAL, humaneval, 164), pytest.param(MBPP, mbpp, 974, marks=pytest.mark.slow)],
)
def test_every_published_solution_passes_and_none_does_without_its_body(data_dir, published, parse, count):
    tasks = [parse(row) for row in PublishedSource(data_dir).rows(published)]
    assert len(tasks) == count
    whole = run(tasks, [task.solution for task in tasks])
    empty = run(tasks, [without_bodies(task.solution) for task in tasks])
    assert {name: outcome for name, outcome in whole.items() if outcome.verdict != "passed"} == {}
    assert {name for name, outcome in empty.items() if outcome.verdict == "passed"} == set()


def test_quixbugs_corrected_programs_pass_and_buggy_ones_do_not(tmp_path):
    tasks = read_checkout(write_checkout(tmp_path))
    right = run(tasks, [task.solution for task in tasks])
    wrong = run(tasks, [NODE + PROGRAMS[task.entry_point][0] for task in tasks])
    assert {outcome.verdict for outcome in right.values()} == {"passed"}
    assert "passed" not in {outcome.verdict for outcome in wrong.values()}


ROWS = rows(make_world())


class Writer(RandomPolicy):
    """Answers each of the laboratory's prompts with four bodies: right, a slip, no Python, and one without an end."""

    def generate(self, prompts, sampling, keys):
        bodies = {
            row["prompt"].rstrip(): [
                body(first.code, second.code),
                body(first.code, second.slip),
                "\n    return return",
                "\n    while True:\n        pass",
            ]
            for row, (first, second) in zip(ROWS, pairs("test"), strict=True)
        }
        shown = [prompt.split("\n\n")[-1] for prompt in prompts]
        return [[Sample(text, (1,), (-1.0,), "stop") for text in bodies[prompt]] for prompt in shown]


@pytest.mark.parametrize("form", ["plain", "dialogue"])
def test_the_laboratorys_functions(form):
    benchmark = Code(Code.Config(samples=4, k=(1, 4), seconds=4))
    items = benchmark.items(RowsSource({"humaneval": ROWS[:4]}))
    records = list(benchmark.evaluate(Writer(form), items))
    for record in records:
        assert record.scores == {"pass@1": 0.25, "pass@4": 1.0}
        assert record.details["verdicts"] == {"failed": 1, "passed": 1, "syntax": 1, "timeout": 1}
        assert set(record.details["sandbox"]) == {"backend", "open"}
    assert list(benchmark.rescore(items, records)) == records


@pytest.mark.parametrize("stop", ["published", "function"])
def test_a_real_models_samples_are_run(tmp_path, stop):
    """A random model writes no Python; all that is asked is that each sample is judged, and kept."""
    policy = Models(device="cpu", dtype="float32").policy(PolicySpec(tiny.save_model(tmp_path), "0", 1, 512))
    benchmark = Code(Code.Config(samples=3, k=(1,), max_tokens=8, stop=stop))
    records = list(benchmark.evaluate(policy, benchmark.items(RowsSource({"humaneval": ROWS[:3]}))))
    verdicts = sum((Counter(record.details["verdicts"]) for record in records), Counter())
    assert verdicts.total() == 9
    assert not verdicts["passed"]
    assert all(record.scores == {"pass@1": 0.0} for record in records)
    assert all(sample["tokens"] for record in records for sample in record.details["samples"])
