"""`cai-eval lab build`: the same bits every time, killed or not; and what is published of it verifies."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from safetensors.torch import load_file

from cai_eval.lab import recipe as recipes
from cai_eval.lab import shipped
from cai_eval.lab.recipe import load_recipe
from cai_eval.lab.verify import rebuild
from cai_eval.models import ladder

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]  # a busy machine takes its time

SMALL = """
version: 1
tokens: 120_000
stages: [{share: 0.8, window: 128, rows: 4}, {share: 0.2, window: 256, rows: 2}]
optimisation: {optimizer: muon, warmup: 0.05, decay: linear, final: 0.1, betas: [0.9, 0.98], weight_decay: 0.05,
               clip: 1.0, precision: bf16}
rungs:
  24k: {hidden: 32, layers: 2, heads: 2, inner: 80, rate: 2.0e-2, seeds: 2}
"""


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One corpus for all builds."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recipe") / "small.yaml"
    path.write_text(SMALL, "utf-8")
    return path


def start(cache: Path, *arguments: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "cai_eval", "lab", "build", *map(str, arguments)],
        env={**os.environ, "CAI_EVAL_CACHE": str(cache)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def build(cache: Path, out: Path, recipe: Path, *options: str) -> Path:
    """The directory of the model that the command names."""
    process = start(cache, "--rung", "24k", "--seed", "0", "--recipe", recipe, "--out", out, *options)
    said, progress = process.communicate(timeout=280)
    assert process.returncode == 0, progress
    steps = len(load_recipe(recipe).spans)
    assert f"24k: step {steps:,} of {steps:,} · loss" in progress
    return Path(said.strip())


@pytest.fixture(scope="module")
def undisturbed(cache: Path, recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(cache, tmp_path_factory.mktemp("undisturbed"), recipe, "--checkpoints", "3")


def weights(model: Path) -> bytes:
    return (model / "model.safetensors").read_bytes()


def test_it_learns(undisturbed: Path) -> None:
    losses = [
        shipped.describe(path / "model.safetensors")[1].loss
        for path in (*sorted(undisturbed.parent.glob("step-*")), undisturbed)
    ]
    assert len(losses) == 4
    assert losses == sorted(losses, reverse=True)
    assert losses[0] > 7 > 4.5 > losses[-1]


def test_two_builds_are_bitwise_equal(undisturbed: Path, cache: Path, recipe: Path, tmp_path: Path) -> None:
    assert weights(build(cache, tmp_path, recipe)) == weights(undisturbed)


def test_killed_and_resumed_equals_undisturbed(undisturbed: Path, cache: Path, recipe: Path, tmp_path: Path) -> None:
    directory = tmp_path / undisturbed.parent.parent.name / "24k"
    for kill in range(2):  # behind the first checkpoint, and behind the second
        process = start(cache, "--rung", "24k", "--seed", "0", "--recipe", recipe, "--out", tmp_path)
        deadline = time.monotonic() + 250
        while not list(directory.glob(f"checkpoints/step-*{kill + 1}00-*.pt")):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    assert not (directory / "model").exists()
    assert weights(build(cache, tmp_path, recipe)) == weights(undisturbed)


def test_another_seed_reads_the_same_and_becomes_another(undisturbed: Path, cache: Path, recipe: Path) -> None:
    out = undisturbed.parents[2]
    process = start(cache, "--rung", "24k", "--seed", "1", "--recipe", recipe, "--out", out)
    said, _ = process.communicate(timeout=280)
    other = Path(said.strip())
    assert other.parents[1] == undisturbed.parents[1]
    first, second = (shipped.describe(model / "model.safetensors")[1] for model in (undisturbed, other))
    assert (first.corpus, first.tokens, first.recipe) == (second.corpus, second.tokens, second.recipe)
    ours, theirs = (load_file(model / "model.safetensors") for model in (undisturbed, other))
    assert all((ours[name] != theirs[name]).any() for name in ours if "norm" not in name)


def test_a_control_reads_other_documents(undisturbed: Path, cache: Path, recipe: Path, tmp_path: Path) -> None:
    usual = shipped.describe(undisturbed / "model.safetensors")[1]
    model = build(cache, tmp_path, recipe, "--correlation", "0", "--without", "drafts")
    control = shipped.describe(model / "model.safetensors")[1]
    assert control.corpus != usual.corpus
    assert control.tokenizer == usual.tokenizer


def test_what_is_published_verifies(
    undisturbed: Path, cache: Path, recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ladders").mkdir()
    monkeypatch.setenv("CAI_EVAL_CACHE", str(cache))
    monkeypatch.setattr(shipped, "SHELF", tmp_path / "shelf")
    monkeypatch.setattr(ladder, "_folder", lambda: tmp_path / "ladders")
    monkeypatch.setattr(recipes, "load_recipe", lambda: load_recipe(recipe))
    shipped.publish(undisturbed.parents[1])
    rebuilt = rebuild(lambda progress: None)
    assert rebuilt.name == "24k"
    assert rebuilt.holds
    assert rebuilt.difference == 0
    assert rebuilt.losses[0] == rebuilt.losses[1]
    assert not (cache / "lab/verify").exists()
