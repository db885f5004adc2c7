"""Trainings in processes of their own: several ranks, and kills at any instant."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tiny import save_model

from cai_eval.training.log import read_log

HERE = Path(__file__).parent
RANKS = str(HERE / "training_program.py")
KILLED, SCORER, PPO = (str(HERE / f"killed_{name}.py") for name in ("training", "scorer", "ppo"))
TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")
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
    start(*TORCHRUN, RANKS, str(two))
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


def told(path: Path) -> list[dict[str, Any]]:
    """The entries of a log without their times."""
    return [{name: value for name, value in entry.items() if name != "seconds"} for entry in read_log(path)]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "node" / "model" / "model.safetensors")


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("program", "places"),
    [
        (SCORER, ("anywhere", "training", "checkpointing", "anywhere", "saving")),
        (PPO, ("scoring", "anywhere", "learning")),
    ],
    ids=["preference model", "ppo"],
)
def test_kills_change_no_bit_and_two_ranks_are_one_process(program: str, places: Sequence[str], tmp_path: Path) -> None:
    whole, cut, two = (tmp_path / name for name in ("whole", "cut", "two"))
    for folder in (whole, cut, two):
        save_model(folder / "model")
    start(program, str(whole))
    start(program, str(cut), *places)
    start(*TORCHRUN, program, str(two))
    made, undisturbed = ({p.name: p.read_bytes() for p in (f / "node" / "model").iterdir()} for f in (cut, whole))
    assert made == undisturbed
    torch.testing.assert_close(weights(two), weights(whole), rtol=0, atol=1e-6)
    log, again, by_two = (told(folder / "node" / "log.jsonl") for folder in (whole, cut, two))
    assert again == log
    losses, lone = ([entry["loss"] for entry in entries if "loss" in entry] for entries in (by_two, log))
    assert losses == pytest.approx(lone, abs=1e-5)
    for name in ("comparisons.json", "best-of-n.json", "samples.jsonl"):
        kept = {path.read_bytes() for path in tmp_path.glob(f"*/node/{name}")}
        assert len(kept) <= 1
