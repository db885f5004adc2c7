"""Trainings in processes of their own: several ranks, and kills at any instant."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import save_model

from cai_eval.training.log import read_log

HERE = Path(__file__).parent
RANKS, KILLED = str(HERE / "training_program.py"), str(HERE / "killed_training.py")
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(HERE.parent)}


def start(*command: str) -> None:
    subprocess.run([sys.executable, *command], check=True, env=ENVIRONMENT, timeout=400)


def result(folder: Path) -> dict[str, Any]:
    weights: dict[str, Any] = torch.load(folder / "result.pt", weights_only=True)
    return weights


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_ranks_are_one(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    save_model(one / "model")
    shutil.copytree(one / "model", two / "model")
    start(RANKS, str(one))
    start("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", RANKS, str(two))
    assert sorted(path.name for path in two.glob("rank-*")) == ["rank-0", "rank-1"]
    torch.testing.assert_close(result(two), result(one), rtol=0, atol=1e-9)
    losses, alone = ([e["loss"] for e in read_log(folder / "training" / "log.jsonl")] for folder in (two, one))
    assert losses == pytest.approx(alone, abs=1e-6)  # losses are summed in single precision
    assert losses[-1] < losses[0]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_kills_change_no_bit(tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    save_model(whole / "model")
    shutil.copytree(whole / "model", cut / "model")
    start(KILLED, str(whole))
    start(KILLED, str(cut), "caching", "anywhere", "checkpointing", "training", "anywhere", "anywhere")
    for kind, files in (("cache", "*.npy"), ("node", "*.safetensors")):
        made, undisturbed = (sorted((folder / kind).rglob(files)) for folder in (cut, whole))
        assert [path.name for path in made] == [path.name for path in undisturbed] != []
        assert [path.read_bytes() for path in made] == [path.read_bytes() for path in undisturbed]
    losses, alone = ([e["loss"] for e in read_log(folder / "node" / "log.jsonl")] for folder in (cut, whole))
    assert losses == alone
