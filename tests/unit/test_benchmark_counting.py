"""Counting on: which numbers are asked behind what, and that prompting shows where it should."""

from cai_eval.benchmarks.counting import Counting, ask
from cai_eval.contracts import Request
from cai_eval.testing import RowsSource, check_benchmark
from cai_eval.testing.toys import ToyPolicy


class Counter(ToyPolicy):
    """Knows the number that follows the last line before it, and nothing at the start."""

    def number(self, text: str) -> float:
        lines = [int(line) for line in text.split("\n")]
        return -0.01 if len(lines) > 1 and lines[-1] == lines[-2] + 1 else -10.0


def test_counting_keeps_its_promises() -> None:
    check_benchmark(Counting, source=RowsSource())


def test_numbers_are_asked_behind_those_before_them() -> None:
    items = Counting(Counting.Config()).items(RowsSource())
    assert [item.id for item in items] == [str(number) for number in range(64, 72)]
    assert ask(items[0]) == [Request("", "64")]
    assert ask(items[2]) == [Request("64\n65", "\n66")]


def test_a_number_scores_its_own_loss() -> None:
    benchmark = Counting(Counting.Config(first=7, last=9))
    records = list(benchmark.evaluate(Counter(), benchmark.items(RowsSource())))
    assert [record.scores for record in records] == [
        {"loss": 10.0, "accuracy": 0.0},
        {"loss": 0.01, "accuracy": 1.0},
        {"loss": 0.01, "accuracy": 1.0},
    ]
    assert [record.category for record in records] == ["7", "8", "9"]
