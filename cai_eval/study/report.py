"""From run directories to the page: no model, no torch, no network."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cai_eval import registry
from cai_eval.study.results import load_results
from cai_eval.study.store import RunDirectory, disk_errors
from cai_eval.study.votes import gone

_ABSOLUTE = re.compile(r"(?<![^\s,='\"])(?:~?/[^/,\s]+)+/([^/,\s]+)/?")


def draw_report(runs: Sequence[Path], out: Path) -> Path:
    """Draw the reports that the first run's suite names, over the records of all runs; the path of index.html.

    Raises UserError where no cell is finished or `out` cannot be written.
    """
    from cai_eval.pages import build

    directory = RunDirectory.read(runs[0])
    manifest = directory.manifest()
    results = load_results(runs)
    reports = [registry.create("reports", name, config) for name, config in manifest["suite"]["reports"].items()]
    about = provenance(directory, manifest)
    about["notes"] = [*about.get("notes", ()), *gone(results.votes)]
    with disk_errors(out):
        page = build(results, reports, about, out)
    return page


def provenance(directory: RunDirectory, manifest: Mapping[str, Any]) -> dict[str, Any]:
    """What the page says of how its numbers were made, and of what is missing; run.json has the paths in full."""
    keys = ("suite", "ladder", "laboratory", "settings", "environment", "rungs", "notes", "skipped")
    about = {key: manifest[key] for key in keys if key in manifest}
    if "command" in (environment := about.get("environment", {})):
        about["environment"] = {**environment, "command": shlex.join(environment["command"])}
    about["rungs"] = [{**rung, "prefix": None} for rung in manifest["rungs"]]
    summaries = ((entry, directory.cell(entry["hash"]).summary() or {}) for entry in manifest["cells"])
    about["failed"] = [
        {**entry, "reason": summary["failure"]} for entry, summary in summaries if summary.get("failure")
    ]
    shown: dict[str, Any] = shortened(about)
    return shown


def shortened(value: Any) -> Any:
    """JSON with absolute paths cut to their last part: a page is passed on, and a home folder is nobody's business."""
    if isinstance(value, str):
        return _ABSOLUTE.sub(r"…/\1", value)
    if isinstance(value, Mapping):
        return {key: shortened(inner) for key, inner in value.items()}
    return [shortened(inner) for inner in value] if isinstance(value, list) else value
