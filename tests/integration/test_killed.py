"""`kill -9` at 20 random instants of a run on real data and a real model, each resumed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from cai_eval.study.store import RunDirectory

SUITE = """
name: killed
title: A run that is killed
ladder: pythia
interventions: {none: , dialogue-only: }
benchmarks: {truthfulqa: , lambada: }
reports: {scaling: {}}
"""


@pytest.fixture
def suite(tmp_path):
    path = tmp_path / "suite.yaml"
    path.write_text(SUITE)
    return str(path)


def run(folder, data_dir, suite, kills):
    """Runs until `kills` have hit; the kills of each run."""
    folder.mkdir()
    arguments = ["run", "--suite", suite, "--models", str(data_dir / "stories260K_hf"), "--data", str(data_dir)]
    arguments += ["--limit", "150", "--device", "cpu"]
    program = [sys.executable, str(Path(__file__).with_name("killed.py")), str(kills), "4", str(folder), "--"]
    done = subprocess.run([*program, *arguments], capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def records(path):
    directory = RunDirectory.read(path)
    cells = [entry["hash"] for entry in directory.manifest()["cells"]]
    return {cell: directory.cell(cell).records() for cell in cells}


def test_killed_at_random_instants(tmp_path, data_dir, suite):
    batches = 4 * -(-150 // 16)
    assert run(tmp_path / "undisturbed", data_dir, suite, 0) == [0]
    undisturbed = records(tmp_path / "undisturbed/0")
    assert (tmp_path / "undisturbed/0.count").stat().st_size == batches
    hits = run(tmp_path / "killed", data_dir, suite, 20)
    assert sum(hits) == 20
    for number, kills in enumerate(hits):
        path = tmp_path / f"killed/{number}"
        resumed = records(path)
        assert resumed.keys() == undisturbed.keys()
        for cell in undisturbed:
            different = [(a, b) for a, b in zip(undisturbed[cell], resumed[cell], strict=True) if a != b]
            assert not different, different[0]
        computed = path.with_suffix(".count").stat().st_size
        assert batches <= computed <= batches + kills  # at most the batch in flight is computed again
        assert not list(path.rglob("journal.jsonl"))
        assert not list(path.glob("report*/**/*.tmp"))
