"""From run directories back to frames: everything a report needs, without a model and without the plug-ins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from cai_eval.contracts import Metric, Record, Results, Trained, Vote
from cai_eval.errors import UserError
from cai_eval.study.store import CellDirectory, RunDirectory
from cai_eval.study.votes import counted, kept

_SCORE = "score."


def load_results(paths: Sequence[Path]) -> Results:
    """The finished cells that each run's last plan names. Raises UserError where none of them is finished."""
    cells: dict[str, dict[str, Any]] = {}
    frames: list[pd.DataFrame] = []
    metrics: dict[str, list[Metric]] = {}
    directories: dict[str, CellDirectory] = {}
    entries: list[dict[str, Any]] = []
    interventions: dict[str, str] = {}
    laboratory = ""
    trained: list[Trained] = []
    votes: list[Vote] = []

    def details(key: str) -> Sequence[Record]:
        return directories[key].records()

    for path in paths:
        run = RunDirectory.read(path)
        manifest = run.manifest()
        laboratory = laboratory or manifest.get("laboratory", "")
        parts = manifest["suite"]["interventions"]
        made = manifest.get("trained", [])
        datasets = {entry["intervention"] for entry in made if entry["kind"] == "dataset"}
        names = [name for name in manifest["interventions"] if name not in datasets]
        interventions |= {name: parts.get(name, {}).get("title", "") or name for name in names}
        trained += [_trained(run, entry) for entry in made if run.artefact(entry["hash"]) is not None]
        before = set(cells)
        for entry in manifest["cells"]:
            cell = run.cell(entry["hash"])
            summary = cell.summary()
            if summary is None or summary.get("failure") or entry in entries:
                continue
            # two points of a study with one policy (two names of it) share their records, not their place
            key = entry["hash"] if entry["hash"] not in cells else f"{entry['hash']}.{len(entries)}"
            entries.append(entry)
            cells[key] = _row(entry, summary, manifest)
            frames.append(_long(cell.frame(), key))
            metrics.setdefault(entry["benchmark"], [Metric(**metric) for metric in summary["metrics"]])
            directories[key] = cell
        votes += counted(kept(path), {key: about for key, about in cells.items() if key not in before}, details)
    if not cells:
        where = ", ".join(str(path) for path in paths)
        raise UserError(f"no cell of {where} is finished: run `cai-eval run` there first.")

    table = pd.DataFrame.from_dict(cells, orient="index").rename_axis("cell")
    records = pd.concat(frames, ignore_index=True)
    for column in ("cell", "item", "cluster", "category", "metric"):
        records[column] = records[column].astype("category")
    return Results(records, table, metrics, details, interventions, laboratory, trained, votes)


def _trained(run: RunDirectory, entry: Mapping[str, Any]) -> Trained:
    about = {key: value for key, value in entry.items() if key != "hash"}
    return Trained(**about, folder=run.artefact_directory(entry["hash"]))


def _row(entry: dict[str, Any], summary: dict[str, Any], manifest: dict[str, Any]) -> dict[str, Any]:
    """entry: where the run's last plan has the cell; its names may be other ones than when it was computed."""
    usage = summary.get("usage", {})
    rung = next(rung for rung in manifest["rungs"] if rung["label"] == entry["rung"])
    first = next(other for other in manifest["rungs"] if other["size"] == rung["size"])  # of its replicates
    measured = ("format", "label", "prefix_tokens", "tokens", "items", "errors", "seconds", "timed_items", "source")
    return {
        **{key: entry[key] for key in ("parameters", "intervention", "benchmark")},
        **{key: summary[key] for key in measured},
        "rung": rung["size"],
        "seed": f"{rung['replicate']}/{entry['seed']}" if rung["replicate"] else str(entry["seed"]),
        "model": _model(first),
        "excluded": len(summary["excluded"]),
        "means": summary.get("means", {}),
        "cache_bytes": usage.get("cache_bytes", 0),
        "sent_tokens": usage.get("sent_tokens", 0),
        "laboratory": manifest.get("laboratory", ""),
    }


def _model(rung: Mapping[str, Any]) -> str:
    """What tells a model from all others: its hub id, or label and fingerprint, for a path would say whose machine."""
    return f"{rung['label']} {rung['fingerprint'][:8]}" if Path(rung["model"]).is_absolute() else str(rung["model"])


def _long(frame: pd.DataFrame, cell: str) -> pd.DataFrame:
    scores = [name for name in frame.columns if name.startswith(_SCORE)]
    long = frame.melt(["item", "cluster", "category"], scores, "metric", "value").dropna(subset=["value"])
    long["metric"] = long["metric"].str.removeprefix(_SCORE)
    long.insert(0, "cell", cell)
    return long
