"""Whether models that chose between (A) and (B) expect a letter there at all."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pandas as pd

from cai_eval.contracts import Results, Table
from cai_eval.feedback import MASS, unlettered
from cai_eval.training.labelling import LABELS

from .policies import BASE
from .ratings import first_title


def table(results: Results) -> Iterator[Table]:
    """What both letters together got in each lettered comparison and data set of AI feedback; nothing without them."""
    rows = [*_measured(results), *_labelled(results)]
    if not rows:
        return
    warned = [unlettered([row["median"]], f"{row['policy']}, {row['model']}, {row['in']},") for row in rows]
    yield Table(
        name="letters",
        title="Probability of both letters together",
        caption=" ".join(
            [
                "Before it is shared out between the two; over comparisons. Where it is little, a model does not know "
                "the form, and what looks like a soft label is noise.",
                *(f"{told[:1].upper()}{told[1:]}" for told in warned if told),
            ]
        ),
        frame=pd.DataFrame(rows),
        formats=dict.fromkeys(("mean", "median"), "{:.3f}"),
    )


def _measured(results: Results) -> Iterator[dict[str, Any]]:
    """The benchmarks' comparisons."""
    frame = results.records[results.records["metric"] == MASS.name]
    for cell in frame["cell"].unique():
        values, about = frame.loc[frame["cell"] == cell, "value"], results.cells.loc[cell]
        policy = first_title(results, about["intervention"])
        yield _row(about["benchmark"], about["rung"], policy, values.mean(), values.median())


def _labelled(results: Results) -> Iterator[dict[str, Any]]:
    """The data sets' comparisons, of the first training."""
    for made in results.trained:
        path = made.folder / LABELS
        if made.seed == 0 and path.exists():
            said = json.loads(path.read_text(encoding="utf-8")).get(MASS.name)
            if said:
                labeller = made.inputs["feedback"]
                policy = "the untouched model" if labeller == BASE else first_title(results, labeller)
                yield _row(made.intervention, made.rung, policy, **said)


def _row(where: str, model: str, policy: str, mean: float, median: float) -> dict[str, Any]:
    return {"in": where, "model": model, "policy": policy, "mean": mean, "median": median}
