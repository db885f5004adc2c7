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
from cai_eval.study.laboratory import orders, probes
from cai_eval.study.laboratory.targets import DIALOGUE, DISTILLED, LINES, PLACEBO, PLAIN, PROMPT, TUNED
from cai_eval.study.suite import load_suite

SHAPES = {"1k": Shape(8, 1, 1, 16, rate=1), "3k": Shape(16, 1, 1, 32, rate=1)}


def build(directory: Path, rung: str, seed: int, text: str, corpus: str = "c" * 16) -> Path:
    """An untrained rung. text: of its tokenizer. corpus: the digest of what it is said to have read."""
    config = SHAPES[rung].config()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = Qwen3ForCausalLM(Qwen3Config(**config))
    mark = hashlib.sha256(text.encode()).hexdigest()
    facts = Facts(rung, seed, tokens=1000, loss=2.5, recipe="r" * 16, corpus=corpus, tokenizer=mark)
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
    build(tmp_path / "null", "3k", 0, text, corpus="n" * 16)
    build(tmp_path / "foreign", "3k", 0, text + " ", corpus="f" * 16)
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
    asked = (
        "--jobs",
        1,
        "--suite",
        "controls",
        "--ladder",
        "lab-seeds",
        "--benchmarks",
        "hhh",
        "--limit",
        6,
        "--device",
        "cpu",
    )
    code, err = call("run", *asked, "--out", "run")
    assert code == 0, err
    other = Path("null/3k/model")
    controls = ("--null-world", other, "--without-drafts", other)
    code, err = call("lab", "report", "--run", "run", *controls, "--device", "cpu", "--out", "docs/page.md")
    assert code == 0, err
    text = Path("docs/page.md").read_text(encoding="utf-8")
    assert all(line.title in text for line in LINES)
    assert "not measured: lacks lambada" in text  # which this suite does not ask
    assert text.count("| not measured: lacks ") == 9  # nothing was distilled, and none of the six pairs is harmless
    assert "| 1k | " in text
    assert "| 3k, null world | " in text
    assert str(built.parent) not in text
    first = Path("docs/page.md").read_bytes()
    call("lab", "report", "--run", "run", *controls, "--device", "cpu", "--out", "docs/page.md")
    assert Path("docs/page.md").read_bytes() == first


def test_a_control_that_is_none_is_one_sentence(built: Path, call: Callable[..., tuple[object, str]]) -> None:
    asked = ("--jobs", 1, "--suite", "controls", "--ladder", "lab", "--benchmarks", "hhh", "--interventions", "none")
    call("run", *asked, "--limit", 2, "--device", "cpu", "--out", "run")
    mends = {
        built: "holds no model of a laboratory",
        built / "1k" / "model": "has read what the ladder has read",
        built.parent / "foreign" / "3k" / "model": "was built for another ladder",
    }
    for given, mend in mends.items():
        code, err = call("lab", "report", "--run", "run", "--null-world", given, "--device", "cpu", "--out", "page.md")
        assert code == 2
        assert mend in err
        assert len(err.strip().splitlines()) == 1
        assert not Path("page.md").exists()


def test_a_damaged_control_or_a_bad_place_is_refused_before_anything_runs(
    built: Path, call: Callable[..., tuple[object, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cai_eval.cli.lab.run_whole", None)  # is not reached
    weights = built.parent / "null" / "3k" / "model" / "model.safetensors"
    Path("file").write_text("kept")
    code, err = call("lab", "report", "--null-world", weights.parent, "--out", "file/page.md")
    assert (code, "file" in err, len(err.strip().splitlines())) == (2, True, 1)
    assert Path("file").read_text() == "kept"
    weights.write_bytes(weights.read_bytes()[:-1])
    code, err = call("lab", "report", "--null-world", weights.parent, "--out", "page.md")
    assert code == 2
    assert "a damaged one" in err


def test_everything_that_a_line_needs_of_runs_is_ordered() -> None:
    """But for models of the controls, the page of the default command has a measurement in each line."""
    cells = set()
    for order in orders():
        suite = load_suite(order.suite, order.scale)
        chosen = order.interventions or tuple(suite.interventions)
        cells |= {(name, each) for name in order.benchmarks or suite.benchmarks for each in chosen}
    needed = {("hhh", each) for each in (PLAIN, PROMPT, DIALOGUE, PLACEBO, DISTILLED, TUNED)}
    needed |= {(benchmark, each) for benchmark in ("lambada", "truthfulqa", "code") for each in (PLAIN, PROMPT)}
    assert needed <= cells
