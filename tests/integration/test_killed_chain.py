"""`kill -9` at random instants of all that leads to RL-CAI, from the first labels to PPO: no artefact shows it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cai_eval.training.log import read_log

ORDER = "run --suite constitutional-ai --scale smoke --rungs 24k --interventions pretrained,rl-cai --benchmarks answers"
STAGES = {"answers", "revisions", "pairs", "labels.json", "comparisons.json", "best-of-n.json", "snapshots"}


def run(folder: Path, kills: int) -> tuple[list[int], list[dict[str, Any]]]:
    """Runs until `kills` have hit; the kills of each run, and what it has made."""
    folder.mkdir()
    program = [sys.executable, str(Path(__file__).with_name("killed.py")), str(kills), "4", str(folder), "--"]
    arguments = [*ORDER.split(), "--limit", "4", "--device", "cpu"]
    done = subprocess.run([*program, *arguments], capture_output=True, text=True, timeout=800)
    assert done.returncode == 0, done.stderr
    hits = json.loads(done.stdout)
    return hits, [made(folder / str(number) / "artefacts") for number in range(len(hits))]


def made(artefacts: Path) -> dict[str, Any]:
    """File → content, without what says where or when, and without the parts that a kill leaves and nobody reads."""
    files = [path for path in artefacts.rglob("*") if path.is_file()]
    kept = [path for path in files if path.name != "artefact.json" and path.suffix != ".part"]
    return {str(path.relative_to(artefacts)): content(path) for path in kept}


def content(path: Path) -> Any:
    if path.name != "log.jsonl":
        return path.read_bytes()
    return [{name: value for name, value in entry.items() if name != "seconds"} for entry in read_log(path)]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_killed_at_random_instants(tmp_path: Path) -> None:
    _, (undisturbed,) = run(tmp_path / "undisturbed", 0)
    parts = {part for name in undisturbed for whole in Path(name).parts for part in (whole, whole.partition("-")[0])}
    assert not STAGES - parts
    hits, killed = run(tmp_path / "killed", 8)
    assert sum(hits) == 8
    for files in killed:
        assert files.keys() == undisturbed.keys()
        assert [name for name in files if files[name] != undisturbed[name]] == []
