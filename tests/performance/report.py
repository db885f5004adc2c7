"""How long `cai-eval report` takes for 7 models × 4 interventions × 4 benchmarks × 1,000 items.

    python tests/performance/report.py [--items 1000]

A run directory is written with made-up records; then the command runs in a process of its own, imports included.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[1]))

import synthetic

from cai_eval.contracts import Results
from cai_eval.study.store import RunDirectory

LIMIT = 20.0  #: seconds
PLACE = ("rung", "parameters", "intervention", "seed", "benchmark")  #: where a plan has a cell


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
                {
                    "label": row.rung,
                    "size": row.rung,
                    "replicate": 0,
                    "model": row.model,
                    "fingerprint": "",
                    "parameters": row.parameters,
                }
                for row in rungs.itertuples()
            ],
            "cells": [
                {"hash": cell, **{name: about(row)[name] for name in PLACE}} for cell, row in results.cells.iterrows()
            ],
        }
    )
    for cell, row in results.cells.iterrows():
        summary = {
            **about(row),
            "hash": cell,
            "excluded": [],
            "timed_items": about(row)["items"],
            "usage": {"cache_bytes": about(row)["cache_bytes"]},
            "metrics": [asdict(metric) for metric in results.metrics[row["benchmark"]]],
        }
        run.cell(str(cell)).publish(results.details(str(cell)), summary)


def about(row: pd.Series) -> dict[str, Any]:
    """A cell's row as JSON."""
    return {str(name): value.item() if hasattr(value, "item") else value for name, value in row.items()}


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
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        size = (run / "report" / "index.html").stat().st_size / 2**20
        beside = [path.stat().st_size / 2**20 for path in (run / "report" / "shards").iterdir()]
    print(f"{len(results.cells)} cells of {items:,} items drawn in {seconds:.1f} s; limit {LIMIT:.0f} s")
    print(f"{used.ru_utime + used.ru_stime:.1f} s of CPU, {used.ru_maxrss / 2**10:.0f} MiB")
    print(f"the page is {size:.1f} MiB; {len(beside)} shards with all records are {sum(beside):.1f} MiB")


if __name__ == "__main__":
    main()
