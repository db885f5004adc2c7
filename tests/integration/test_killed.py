"""`kill -9` at 20 random instants of a run on real data and a real model, each resumed."""

import os
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


def run(tmp_path, data_dir, suite, name, kills):
    arguments = ["run", "--suite", suite, "--models", str(data_dir / "stories260K_hf"), "--data", str(data_dir)]
    arguments += ["--limit", "150", "--out", str(tmp_path / name), "--device", "cpu"]
    program = [
        sys.executable,
        str(Path(__file__).with_name("killed.py")),
        str(kills),
        "4",
        str(tmp_path / f"{name}.count"),
    ]
    environment = {**os.environ, "CAI_EVAL_CACHE": str(tmp_path / f"{name}.cache")}
    done = subprocess.run([*program, "--", *arguments], capture_output=True, text=True, env=environment, timeout=280)
    assert done.returncode == 0, done.stderr
    directory = RunDirectory.read(tmp_path / name)
    cells = [entry["hash"] for entry in directory.manifest()["cells"]]
    batches = (tmp_path / f"{name}.count").stat().st_size
    return {cell: directory.cell(cell).records() for cell in cells}, int(done.stdout), batches, directory


def test_killed_at_random_instants(tmp_path, data_dir, suite):
    undisturbed, killed, batches, _ = run(tmp_path, data_dir, suite, "undisturbed", 0)
    assert killed == 0
    assert batches == 4 * -(-150 // 16)
    resumed, killed, again, directory = run(tmp_path, data_dir, suite, "killed", 20)
    assert resumed.keys() == undisturbed.keys()
    for cell, records in undisturbed.items():
        different = [(a, b) for a, b in zip(records, resumed[cell], strict=True) if a != b]
        assert not different, different[0]
    assert killed >= 1
    assert batches <= again <= batches + killed  # at most the batch in flight is computed again
    assert not list(directory.path.rglob("journal.jsonl"))
    assert not list(directory.path.glob("report*/**/*.tmp"))
