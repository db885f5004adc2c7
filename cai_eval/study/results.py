"""From run directories back to frames: everything a report needs, without a model and without the plug-ins."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from cai_eval.contracts import Metric, Record, Results
from cai_eval.errors import UserError
from cai_eval.study.store import RunDirectory

_SCORE = "score."


def load_results(paths: Sequence[Path]) -> Results:
    """The finished cells that each run's last plan names. Raises UserError where none of them is finished."""
    cells: dict[str, dict[str, Any]] = {}
    frames: list[pd.DataFrame] = []
    metrics: dict[str, list[Metric]] = {}
    runs: dict[str, RunDirectory] = {}
    interventions: dict[str, str] = {}
    laboratory = ""
    for path in paths:
        run = RunDirectory.read(path)
        manifest = run.manifest()
        laboratory = laboratory or manifest.get("laboratory", "")
        parts = manifest["suite"]["interventions"]
        interventions |= {name: parts.get(name, {}).get("title", "") or name for name in manifest["interventions"]}
        for cell_hash in manifest["cells"]:
            cell = run.cell(cell_hash)
            summary = cell.summary()
            if summary is None or summary.get("failure") or cell_hash in cells:
                continue
            cells[cell_hash] = _row(summary, manifest)
            frames.append(_long(cell.frame(), cell_hash))
            metrics.setdefault(summary["benchmark"], [Metric(**metric) for metric in summary["metrics"]])
            runs[cell_hash] = run
    if not cells:
        where = ", ".join(str(path) for path in paths)
        raise UserError(f"no cell of {where} is finished: run `cai-eval run` there first.")

    def details(cell_hash: str) -> Sequence[Record]:
        return runs[cell_hash].cell(cell_hash).records()

    table = pd.DataFrame.from_dict(cells, orient="index").rename_axis("cell")
    records = pd.concat(frames, ignore_index=True)
    for column in ("cell", "item", "cluster", "category", "metric"):
        records[column] = records[column].astype("category")
    return Results(records, table, metrics, details, interventions, laboratory)


def _row(summary: dict[str, Any], manifest: dict[str, Any]) -> dict[str, Any]:
    model = next((rung["model"] for rung in manifest["rungs"] if rung["label"] == summary["rung"]), summary["rung"])
    usage = summary.get("usage", {})
    return {
        **{
            key: summary[key]
            for key in (
                *("rung", "parameters", "intervention", "seed", "benchmark", "format", "label"),
                *("prefix_tokens", "tokens", "items", "errors", "seconds", "timed_items", "source"),
            )
        },
        "model": model,
        "excluded": len(summary["excluded"]),
        "cache_bytes": usage.get("cache_bytes", 0),
        "sent_tokens": usage.get("sent_tokens", 0),
        "laboratory": manifest.get("laboratory", ""),
    }


def _long(frame: pd.DataFrame, cell_hash: str) -> pd.DataFrame:
    scores = [name for name in frame.columns if name.startswith(_SCORE)]
    long = frame.melt(["item", "cluster", "category"], scores, "metric", "value").dropna(subset=["value"])
    long["metric"] = long["metric"].str.removeprefix(_SCORE)
    long.insert(0, "cell", cell_hash)
    return long
