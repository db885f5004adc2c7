"""A run cut down to what a test needs: few cells, few items, no path of the machine that made it.

    cai-eval run --suite alignment-tax --limit 60 --out big
    python tests/reference/trim.py big tests/reference/studies/alignment-tax --rungs 24k,330k \
        --cells hhh:none,hhh:hhh-prompt,lambada:none,lambada:hhh-prompt

The calibration run beside it was made likewise, of lettered:none and p-true:none. After that, draw the reference images
again (tests/unit/test_figures.py says how) and look at them.
"""

import argparse
from pathlib import Path

from cai_eval.study.report import shortened
from cai_eval.study.store import RunDirectory

KEPT = ("suite", "interventions", "laboratory", "settings")


def trim(run: RunDirectory, out: Path, rungs: set[str], cells: set[tuple[str, str]], items: int) -> None:
    """Write the first `items` records of the chosen cells as a run of its own."""
    manifest = run.manifest()
    chosen = [
        entry
        for entry in manifest["cells"]
        if entry["rung"] in rungs and (entry["benchmark"], entry["intervention"]) in cells
    ]
    small = RunDirectory.create(out, manifest["suite"]["name"])
    small.write_manifest(
        shortened(
            {
                **{key: manifest[key] for key in KEPT},
                "rungs": [{**rung, "prefix": None} for rung in manifest["rungs"] if rung["label"] in rungs],
                "cells": chosen,
            }
        )
    )
    for entry in chosen:
        cell = run.cell(entry["hash"])
        records = cell.records()[:items]
        summary = {key: value for key, value in (cell.summary() or {}).items() if key != "lineage"}
        errors = sum(bool(record.error) for record in records)
        small.cell(entry["hash"]).publish(records, {**summary, "items": len(records), "errors": errors})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--rungs", required=True, help="24k,330k")
    parser.add_argument("--cells", required=True, help="benchmark:intervention, …")
    parser.add_argument("--items", type=int, default=30)
    asked = parser.parse_args()
    cells = {tuple(cell.rsplit(":", 1)) for cell in asked.cells.split(",")}
    trim(RunDirectory.read(asked.run), asked.out, set(asked.rungs.split(",")), cells, asked.items)


if __name__ == "__main__":
    main()
