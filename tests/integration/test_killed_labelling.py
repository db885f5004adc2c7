"""`kill -9` at random instants of AI feedback, sampling and labelling, by a real model: the rows do not show it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest


def run(folder, data_dir, kills):
    """Labels until `kills` have hit; the kills of each run, and the files that each left."""
    folder.mkdir()
    arguments = ["train", "ai-feedback", "--start", str(data_dir / "stories260K_hf"), "--data", str(data_dir)]
    arguments += ["--input", "sampler=none", "--input", "feedback=none", "--device", "cpu"]
    for setting in ("prompts=test-prompts", "count=200", "max_tokens=24", "constitution=laboratory"):
        arguments += ["--set", setting]
    program = [sys.executable, str(Path(__file__).with_name("killed.py")), str(kills), "4", str(folder), "--"]
    done = subprocess.run([*program, *arguments], capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    hits = json.loads(done.stdout)
    files = [{p.name: p.read_bytes() for p in (folder / str(n)).rglob("*-*.jsonl")} for n in range(len(hits))]
    return hits, files


@pytest.mark.slow
def test_killed_at_random_instants(tmp_path, data_dir):
    _, (undisturbed,) = run(tmp_path / "undisturbed", data_dir, 0)
    assert len(undisturbed) == 4 + 4 + 2  # shards of pairs and of labels, and both data sets
    hits, killed = run(tmp_path / "killed", data_dir, 4)
    assert sum(hits) == 4
    assert all(files == undisturbed for files in killed)
