"""How long `cai-eval report` takes for 7 models × 4 interventions × 4 benchmarks × 1,000 items.

    python tests/performance/report.py [--items 1000]

A run directory is written with made-up records; then the command runs in a process of its own, imports included.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import synthetic

from cai_eval.contracts import Results
from cai_eval.study.store import RunDirectory

LIMIT = 10.0  #: seconds


def write(results: Results, path: Path) -> None:
    """The run that would have given these results."""
    run = RunDirectory.create(path, "synthetic")
    rungs = results.cells.drop_duplicates("model")
    run.write_manifest(
        {
            "suite": {
                "name": "synthetic",
                "title": "Made-up results",
                "interventions": {name: {"title": title} for name, title in results.interventions.items()},
                "reports": {"tax": {}, "scaling": {}, "flips": {}, "cost": {}},
            },
            "interventions": list(results.interventions),
            "rungs": [
                {"label": row.rung, "model": row.model, "parameters": row.parameters} for row in rungs.itertuples()
            ],
            "cells": list(results.cells.index),
        }
    )
    for cell, row in results.cells.iterrows():
        about = {name: value.item() if hasattr(value, "item") else value for name, value in row.items()}
        summary = {
            **about,
            "hash": cell,
            "excluded": [],
            "timed_items": about["items"],
            "usage": {"cache_bytes": about["cache_bytes"]},
            "metrics": [asdict(metric) for metric in results.metrics[row["benchmark"]]],
        }
        run.cell(str(cell)).publish(results.details(str(cell)), summary)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--items", type=int, default=1000, help="of each benchmark")
    items = parser.parse_args().items
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        results = synthetic.results(items=items, errors=0.0)
        write(results, run)
        began = time.perf_counter()
        command = [str(Path(sys.executable).with_name("cai-eval")), "report", str(run)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        seconds = time.perf_counter() - began
        size = (run / "report" / "index.html").stat().st_size / 2**20
    cells = len(results.cells)
    print(
        f"{cells} cells of {items:,} items drawn in {seconds:.1f} s (limit {LIMIT:.0f} s); the page is {size:.1f} MiB"
    )


if __name__ == "__main__":
    main()
