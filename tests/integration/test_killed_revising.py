"""`kill -9` at random instants of sampling, critique and revision, by a real model: the rows do not show it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest


def run(folder, data_dir, kills):
    """Revises until `kills` have hit; the kills of each run, and the files that each left."""
    folder.mkdir()
    arguments = ["train", "critique-revision", "--start", str(data_dir / "stories260K_hf"), "--data", str(data_dir)]
    arguments += ["--input", "sampler=none", "--input", "critic=none", "--device", "cpu"]
    for setting in ("prompts=test-prompts", "count=140", "helpful_count=0", "rounds=1", "max_tokens=8"):
        arguments += ["--set", setting]
    arguments += ["--set", "constitution=laboratory"]
    program = [sys.executable, str(Path(__file__).with_name("killed.py")), str(kills), "4", str(folder), "--"]
    done = subprocess.run([*program, *arguments], capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr
    hits = json.loads(done.stdout)
    files = [{p.name: p.read_bytes() for p in (folder / str(n)).rglob("*-*.jsonl")} for n in range(len(hits))]
    return hits, files


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_killed_at_random_instants(tmp_path, data_dir):
    _, (undisturbed,) = run(tmp_path / "undisturbed", data_dir, 0)
    assert len(undisturbed) == 2 + 2 + 2  # shards of answers and of revisions, and both data sets
    hits, killed = run(tmp_path / "killed", data_dir, 4)
    assert sum(hits) == 4
    assert all(files == undisturbed for files in killed)
