"""The public conformance suite: what the contracts promise, checked on a plug-in by its author.

    from cai_eval.testing import check_benchmark

    def test_keeps_the_promises():
        check_benchmark("shortest", source=RowsSource({"shortest": [...]}))

A broken promise is an AssertionError that says which one and where. The checks need no model and no network.
"""

from cai_eval.testing.benchmarks import check_benchmark
from cai_eval.testing.reports import check_report, toy_results
from cai_eval.testing.toys import (
    ConstantPolicy,
    NaNPolicy,
    RandomPolicy,
    RowsSource,
    ToyPolicy,
    ToyScorer,
    ToyWorkshop,
    byte_tokenizer,
    write_rows,
)
from cai_eval.testing.trainers import check_trainer

__all__ = [
    "ConstantPolicy",
    "NaNPolicy",
    "RandomPolicy",
    "RowsSource",
    "ToyPolicy",
    "ToyScorer",
    "ToyWorkshop",
    "byte_tokenizer",
    "check_benchmark",
    "check_report",
    "check_trainer",
    "toy_results",
    "write_rows",
]
