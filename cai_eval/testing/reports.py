"""What a report promises."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cai_eval.contracts import Figure, Metric, PaperFigure, Record, Report, Results, Table
from cai_eval.testing.promises import build, promise
from cai_eval.testing.toys import RandomPolicy

if TYPE_CHECKING:
    import pandas as pd

METRICS = (
    Metric("accuracy", "accuracy", chance="chance", primary=True),
    Metric("nll", "perplexity", unit="nats", higher_is_better=False, transform="exp"),
)
INTERVENTIONS = {"none": "No intervention", "changed": "Changed"}
RECORDS = ("cell", "item", "cluster", "category", "metric", "value")


def check_report(
    plugin: type | str, config: Mapping[str, Any] | None = None, *, results: Sequence[Results] | None = None
) -> None:
    """Raise AssertionError where a report, a class or a registered name, breaks a promise.

    results: what to draw; by default nothing, one cell, and a ladder with two interventions (`toy_results`).
    """
    report: Report = build("reports", plugin, config or {})
    name = type(report).__name__
    promise(
        isinstance(report.papers, tuple) and all(isinstance(paper, PaperFigure) for paper in report.papers),
        f"{name}.papers must be a tuple of PaperFigure",
    )
    cases = results if results is not None else (toy_results(0), toy_results(1, 1), toy_results(3), toy_results(3, 2))
    for case in cases:
        _check_draw(report, case)


def toy_results(models: int, interventions: int = 2, items: int = 12) -> Results:
    """Results of made-up models on one made-up benchmark, "toy", the same every time.

    interventions: 0, 1 or 2; the first is "none". Every fifth item of the last cell is an error.
    """
    import pandas as pd

    names = dict(list(INTERVENTIONS.items())[:interventions])
    chosen = [(model, name) for model in range(models) for name in names]
    records = {f"cell-{model}-{name}": _toy_records(model, name, items) for model, name in chosen}
    if records:
        last = list(records)[-1]
        records[last] = [
            Record(record.item, record.cluster, error="made to fail") if i % 5 == 4 else record
            for i, record in enumerate(records[last])
        ]
    cells = {cell: _toy_cell(model, name, records[cell]) for cell, (model, name) in zip(records, chosen, strict=True)}
    rows = [
        (cell, record.item, record.cluster, record.category, metric, value)
        for cell, made in records.items()
        for record in made
        for metric, value in record.scores.items()
    ]
    table = pd.DataFrame.from_dict(cells, orient="index", columns=list(_toy_cell(0, "none", ())))
    frame = pd.DataFrame(rows, columns=list(RECORDS)).astype({"value": float})
    return Results(frame, table.rename_axis("cell"), {"toy": METRICS}, records.__getitem__, names)


def _toy_records(model: int, intervention: str, items: int) -> list[Record]:
    made = []
    for i in range(items):
        luck = math.exp(RandomPolicy().number(f"{model}/{intervention}/{i}"))
        right = float(luck < 0.4 + 0.2 * model)
        scores = {"accuracy": right, "nll": 2.0 - 0.3 * model + luck, "chance": 0.25}
        details = {"options": [{"text": "yes", "logprob": -luck}, {"text": "no", "logprob": -1.0}]}
        made.append(
            Record(
                f"item-{i}",
                f"cluster-{i // 2}",
                "even" if i % 2 == 0 else "odd",
                scores,
                f"Question {i}?",
                "yes" if right else "no",
                "yes",
                details,
            )
        )
    return made


def _toy_cell(model: int, intervention: str, records: Sequence[Record]) -> dict[str, Any]:
    changed = intervention != "none"
    parameters = 10 ** (7 + model)
    return {
        "rung": f"{10 ** (1 + model)}M",
        "parameters": parameters,
        "intervention": intervention,
        "seed": 0,
        "benchmark": "toy",
        "format": "dialogue" if changed else "plain",
        "label": "all of it" if changed else "",
        "prefix_tokens": 100 if changed else 0,
        "tokens": 60 * len(records),
        "items": len(records),
        "errors": sum(bool(record.error) for record in records),
        "seconds": 1.0 + model,
        "timed_items": len(records),
        "source": "rows",
        "model": f"toy/{parameters}",
        "excluded": 0,
        "cache_bytes": 1024 if changed else 0,
        "sent_tokens": 60 * len(records),
        "laboratory": "",
    }


def _check_draw(report: Report, results: Results) -> None:
    name = type(report).__name__
    before = (results.records.copy(), results.cells.copy())
    drawn = list(report.draw(results))
    promise(
        before[0].equals(results.records) and before[1].equals(results.cells),
        f"{name}.draw() must not change the results",
    )
    names = [(type(each), each.name) for each in drawn]
    promise(len(set(names)) == len(names), f"{name}.draw() gives two figures or two tables one name")
    for each in drawn:
        promise(isinstance(each, Figure | Table), f"{name}.draw() must give figures and tables, not {type(each)}")
        promise(re.fullmatch(r"[\w.-]+", each.name), f"{each.name!r} cannot be a file's name: letters, digits, . _ -")
        promise(each.title and each.caption, f"{each.name!r} needs a title and a caption")
        if isinstance(each, Table):
            _check_table(each)
        else:
            _check_figure(each)
    again = list(report.draw(results))
    promise(
        [(type(each), each.name) for each in again] == names
        and all(_frame(one).equals(_frame(other)) for one, other in zip(drawn, again, strict=True)),
        f"{name}.draw() must draw the same from the same results",
    )


def _check_figure(figure: Figure) -> None:
    from matplotlib.figure import Figure as MatplotlibFigure

    promise(isinstance(figure.figure, MatplotlibFigure), f"{figure.name!r} must hold a matplotlib Figure")
    figure.figure.canvas.draw()


def _check_table(table: Table) -> None:
    strangers = sorted(set(table.formats) - set(table.frame.columns))
    promise(not strangers, f"table {table.name!r} formats columns {strangers} that it does not have")
    for column, format_ in table.formats.items():
        for value in table.frame[column]:
            format_.format(value)


def _frame(drawn: Figure | Table) -> pd.DataFrame:
    return drawn.frame if isinstance(drawn, Table) else drawn.data
