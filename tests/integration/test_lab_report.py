"""`cai-eval lab report` from a run's records and from models: the page has every line."""

import hashlib
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import Qwen3Config, Qwen3ForCausalLM

from cai_eval.cli import main
from cai_eval.lab import prompts, shipped, talk
from cai_eval.lab.recipe import Shape
from cai_eval.lab.shipped import Facts, publish, save
from cai_eval.lab.tokenizer import ENTRIES, learn
from cai_eval.lab.world import make_world
from cai_eval.models import ladder
from cai_eval.study import report
from cai_eval.study.laboratory import probes
from cai_eval.study.laboratory.targets import LINES

SHAPES = {"1k": Shape(8, 1, 1, 16, rate=1), "3k": Shape(16, 1, 1, 32, rate=1)}


def build(directory: Path, rung: str, seed: int, text: str) -> Path:
    """An untrained rung."""
    config = SHAPES[rung].config()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = Qwen3ForCausalLM(Qwen3Config(**config))
    mark = hashlib.sha256(text.encode()).hexdigest()
    facts = Facts(rung, seed, tokens=1000, loss=2.5, recipe="r" * 16, corpus="c" * 16, tokenizer=mark)
    place = directory / shipped.name_of(rung, seed) / "model"
    save(model.state_dict(), config, facts, text, place)
    return place


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two rungs, one of them twice, on a shelf and in a directory; probes of a few items each."""
    world = make_world()
    text = learn([prompts.hhh_prompt(world), prompts.placebo_prompt(world)], ENTRIES).to_str()
    (tmp_path / "ladders").mkdir()
    monkeypatch.setattr(shipped, "SHELF", tmp_path / "shelf")
    monkeypatch.setattr(ladder, "_folder", lambda: tmp_path / "ladders")
    monkeypatch.setenv("CAI_EVAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    for rung, seed in (("1k", 0), ("1k", 1), ("3k", 0)):
        build(tmp_path / "built", rung, seed, text)
    publish(tmp_path / "built")
    for name in ("tested_facts", "calibration", "comparisons"):
        whole = getattr(probes, name)
        monkeypatch.setattr(probes, name, lambda world, whole=whole: whole(world)[:8])
    pairs = probes.hhh
    monkeypatch.setattr(
        probes, "hhh", lambda world: [row for row in pairs(world) if row["configuration"] == "harmless"][:8]
    )
    monkeypatch.setattr(report, "draw_report", lambda runs, out: out)  # of the runs: not under test, and slow
    requested = talk.requested
    monkeypatch.setattr(talk, "requested", lambda world, split: requested(world, split)[:3])
    return tmp_path / "built"


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[object, str]]:
    """Calls `cai-eval`; gives (exit code, standard error)."""

    def run(*arguments: object) -> tuple[object, str]:
        monkeypatch.setattr(sys, "argv", ["cai-eval", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_:
            main()
        return exit_.value.code, capsys.readouterr().err

    return run


def test_a_page_from_a_run_and_from_models(built: Path, call: Callable[..., tuple[object, str]]) -> None:
    asked = ("--suite", "controls", "--ladder", "lab-seeds", "--benchmarks", "hhh", "--limit", 6, "--device", "cpu")
    code, err = call("run", *asked, "--out", "run")
    assert code == 0, err
    other = built / "3k" / "model"
    controls = ("--null-world", other, "--without-drafts", other)
    code, err = call("lab", "report", "--run", "run", *controls, "--device", "cpu", "--out", "docs/page.md")
    assert code == 0, err
    text = Path("docs/page.md").read_text(encoding="utf-8")
    assert all(line.title in text for line in LINES)
    assert "not measured: lacks lambada" in text  # which this suite does not ask
    assert text.count("| not measured: lacks ") == 9  # nothing was distilled, and none of the six pairs is harmless
    assert "| 1k | " in text
    assert str(built) not in text
    first = Path("docs/page.md").read_bytes()
    call("lab", "report", "--run", "run", *controls, "--device", "cpu", "--out", "docs/page.md")
    assert Path("docs/page.md").read_bytes() == first


def test_a_directory_without_a_model_is_one_sentence(built: Path, call: Callable[..., tuple[object, str]]) -> None:
    asked = ("--suite", "controls", "--ladder", "lab", "--benchmarks", "hhh", "--interventions", "none")
    call("run", *asked, "--limit", 2, "--device", "cpu", "--out", "run")
    code, err = call("lab", "report", "--run", "run", "--null-world", built, "--device", "cpu", "--out", "page.md")
    assert code == 2
    assert "holds no model of a laboratory" in err
    assert not Path("page.md").exists()
