"""The outcome in brief, for the terminal and for machines: scores and taxes with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cai_eval.study.results import load_results

if TYPE_CHECKING:
    import pandas as pd

    from cai_eval.contracts import Results


def headline(results: Results) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Scores and taxes of every benchmark by its primary metric (columns: `pages.scores`, `pages.taxes`)."""
    import pandas as pd

    from cai_eval.pages.scores import primary, scores
    from cai_eval.pages.taxes import taxes

    measures = {name: primary(metrics) for name, metrics in results.metrics.items()}
    table = pd.concat([scores(results, name, metric) for name, metric in measures.items()], ignore_index=True)
    return table[table["category"] == ""], taxes(results, measures)


def outcome_json(runs: Sequence[Path]) -> dict[str, Any]:
    """Scores and taxes as JSON rows."""
    import json

    scores, taxes = headline(load_results(runs))
    return {
        "scores": json.loads(scores.to_json(orient="records")),
        "taxes": json.loads(taxes.to_json(orient="records")),
    }
