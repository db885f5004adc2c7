"""Harm against the number of revisions (Bai et al. 2022b, figures 5 to 7), out of the records of `revisions`."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pandas as pd

from cai_eval.contracts import Metric, Results
from cai_eval.pages import scores

HARM = re.compile(r"harm (\d+)")  #: after so many revisions


def rounds(results: Results, benchmarks: Sequence[str]) -> pd.DataFrame:
    """One row for each benchmark, policy and number of revisions: rows of `scores.scores`, and `round`."""
    found = []
    for benchmark in benchmarks:
        for metric in results.metrics.get(benchmark, ()):
            if name := HARM.fullmatch(metric.name):
                found.append(scores.scores(results, benchmark, metric).assign(round=int(name[1])))
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=[*scores.SCORE_COLUMNS, "round"])


def revised(metrics: Sequence[Metric]) -> bool:
    """Whether a benchmark counts revisions."""
    return any(HARM.fullmatch(metric.name) for metric in metrics)
