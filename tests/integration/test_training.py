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

PROGRAM = str(Path(__file__).with_name("training_program.py"))
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}


def start(*command: str) -> None:
    subprocess.run([sys.executable, *command], check=True, env=ENVIRONMENT, timeout=800)


def result(folder: Path) -> dict[str, Any]:
    weights: dict[str, Any] = torch.load(folder / "result.pt", weights_only=True)
    return weights


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    """The folder of an undisturbed training by one process."""
    save_model(tmp_path / "whole" / "model")
    start(PROGRAM, str(tmp_path / "whole"))
    return tmp_path / "whole"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_ranks_are_one(whole: Path) -> None:
    two = whole.with_name("two")
    shutil.copytree(whole / "model", two / "model")
    start("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", PROGRAM, str(two))
    assert sorted(path.name for path in two.glob("rank-*")) == ["rank-0", "rank-1"]
    torch.testing.assert_close(result(two), result(whole), rtol=0, atol=1e-9)
    losses, alone = ([e["loss"] for e in read_log(folder / "training" / "log.jsonl")] for folder in (two, whole))
    assert losses == pytest.approx(alone, abs=1e-9)
    assert losses[-1] < losses[0]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_kills_change_no_bit(whole: Path) -> None:
    cut = whole.with_name("cut")
    shutil.copytree(whole / "model", cut / "model")
    start(PROGRAM, str(cut), "5")
    torch.testing.assert_close(result(cut), result(whole), rtol=0, atol=0)
