"""The commands as a user calls them, with good input and bad, on a real model and real data."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import warnings

import pytest
import tiny

from cai_eval import registry
from cai_eval.cli import cli, main
from cai_eval.study.store import FORMAT


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CAI_EVAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def call(monkeypatch, capsys):
    """Calls `cai-eval`; gives (exit code, standard output, standard error)."""

    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)  # `main` sets its own, for good

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["cai-eval", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_:
            main()
        captured = capsys.readouterr()
        return exit_.value.code, captured.out, captured.err

    return run


def test_a_warning_is_one_line_without_the_code_that_gave_it(call, monkeypatch):
    def warn(**_):
        warnings.warn("the policy has collapsed.", stacklevel=1)

    monkeypatch.setattr(cli, "main", warn)
    assert call("run") == (0, "", "note the policy has collapsed.\n")


@pytest.fixture
def order(data_dir):
    """A small, quick run on real data."""
    return ("--models", data_dir / "stories260K_hf", "--data", data_dir, "--limit", 12, "--device", "cpu")


def test_a_run_its_repetition_its_report_and_its_comparison(call, order, tmp_path, data_dir):
    code, out, err = call("run", *order, "--out", "one", "--json")
    assert code == 0, err
    outcome = json.loads(out)
    assert {row["benchmark"] for row in outcome["scores"]} == {"hhh", "truthfulqa", "lambada"}
    assert all(row["low"] <= row["value"] <= row["high"] for row in outcome["scores"])
    assert (tmp_path / "one/report/index.html").stat().st_size > 10_000
    for path in (tmp_path / "one/report").rglob("*.*"):  # a page is passed on: it does not say whose machine it was
        assert str(data_dir).encode() not in path.read_bytes()
    assert "left out" in err  # the prompt does not fit in 512 tokens, and that is said

    code, _, err = call("run", *order, "--out", "one")
    assert code == 0
    assert "0 cells computed, 6 reused" in err

    shutil.rmtree(tmp_path / "one/report")
    code, out, _ = call("report", "one")
    assert code == 0
    assert (tmp_path / out.strip()).is_file()

    code, _, err = call("run", *order, "--out", "two", "--seed", 1)
    assert code == 0
    code, out, _ = call("compare", "one", "two", "--json")
    assert code == 0
    assert [row["change"] for row in json.loads(out)["changes"]] == [0.0] * 6


def test_a_suite_is_checked_against_its_own_baseline(call, order):
    assert call("run", *narrow(order), "--out", "one")[0] == 0
    assert call("baseline", "save", "one")[0] == 0
    check = ("check", "--against", "baseline.json.zst", "--suite", "alignment-tax", "--json")
    code, out, err = call(*check, *narrow(order))
    assert code == 0, err
    assert [row["verdict"] for row in json.loads(out)["verdicts"]] == ["passed"]  # the same weights, the same answers
    code, out, err = call(*check, *narrow(order), "--limit", 5)
    assert code == 2
    assert "the items of lambada are not those of the baseline (5 of 12 have the same name)" in err
    assert out == ""


def test_a_dry_run_loads_no_weights_and_writes_nothing(call, order, tmp_path, monkeypatch):
    monkeypatch.setattr("cai_eval.models.loading.load_model", None)
    code, out, _ = call("run", *order, "--dry-run", "--json")
    assert code == 0
    plan = json.loads(out)
    assert len(plan["cells"]) == 6
    assert {skip["intervention"] for skip in plan["skipped"] if skip["benchmark"] != "code"} == {
        "hhh-prompt",
        "neutral-prefix",
    }
    assert os.listdir(tmp_path) in ([], ["cache"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "--suite", "alignment-taxes"], "did you mean 'alignment-tax'"),
        (["run", "--benchmarks", "hhhh"], "did you mean 'hhh'"),
        (["run", "--interventions", "none,hh-prompt"], "did you mean 'hhh-prompt'"),
        (["run", "--ladder", "pythias"], "did you mean 'pythia'"),
        (["run", "--models", "no/such/folder/here"], "no/such/folder/here"),
        (["run", "--models", "a,,b"], "single commas"),
        (["run", "--limit", "0"], "--limit"),
        (["run", "--limit", "many"], "--limit"),
        (["run", "--seed", "-1"], "--seed"),
        (["run", "--device", "tpu9", "--models", "MODEL"], "tpu9"),
        (["run", "--dtype", "float8", "--models", "MODEL"], "float8"),
        (["run", "--models", "MODEL", "--data", "nowhere"], "nowhere"),
        (["run", "--models", "MODEL,MODEL"], "twice"),
        (["rnu"], "did you mean 'run'"),
        (["report", "nowhere"], "no run.json"),
        (["compare", "only-one"], "two runs or more"),
        (["run", "--models", "MODEL", "--ladder", "pythia"], "one of the two"),
        (["run", "--data", "."], "of its own world"),
        (["run", "--ladder", "pythia", "--dry-run"], "EleutherAI/pythia-70m"),
        (["data", "verify", "nowhere"], "nowhere"),
        (["data", "fetch", "hhh_aligment"], "did you mean"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(call, data_dir, tmp_path, arguments, message):
    arguments = [argument.replace("MODEL", str(data_dir / "stories260K_hf")) for argument in arguments]
    code, out, err = call(*arguments)
    assert code == 2
    assert message in err
    assert "Traceback" not in err
    assert out == ""
    assert not (tmp_path / "runs").exists()


def narrow(order):
    return (*order, "--benchmarks", "lambada", "--interventions", "none")


def test_data_that_is_missing_truncated_or_changed(call, order, data_dir, tmp_path):
    folder = tmp_path / "data"
    (folder / "lambada").mkdir(parents=True)
    options = ("--models", data_dir / "stories260K_hf", "--data", folder, "--benchmarks", "lambada", "--out", "run")
    code, _, err = call("run", *options)
    assert code == 2
    assert "cai-eval data fetch" in err
    whole = (data_dir / "lambada/lambada_test.jsonl").read_bytes()
    for content in (whole[: len(whole) // 2], whole.replace(b"the", b"teh", 1)):
        (folder / "lambada/lambada_test.jsonl").write_bytes(content)
        code, _, err = call("run", *options)
        assert code == 2
        assert "truncated or not the published version" in err
        code, out, _ = call("data", "verify", folder, "lambada")
        assert code == 1
        assert "truncated or not the published version" in out
    (folder / "lambada/lambada_test.jsonl").write_bytes(whole)
    assert call("data", "verify", folder, "lambada")[0] == 0


def test_a_context_too_small_for_any_item(call, data_dir):
    model = tiny.save_model(data_dir.__class__("small"), context=8)
    code, _, err = call("run", "--models", model, "--data", data_dir, "--benchmarks", "lambada", "--limit", 3)
    assert code == 2
    assert "larger context" in err


def test_a_directory_of_something_else_is_not_touched(call, order, tmp_path):
    assert call("run", *narrow(order), "--out", "run")[0] == 0
    manifest = tmp_path / "run/run.json"
    before = manifest.read_text()
    code, _, err = call("run", "--suite", "hhh", *narrow(order), "--out", "run")
    assert code == 2
    assert "holds a run of suite 'alignment-tax'" in err
    assert manifest.read_text() == before
    manifest.write_text(json.dumps({**json.loads(before), "format": FORMAT + 1}))
    for command in (("run", *narrow(order), "--out", "run"), ("report", "run")):
        code, _, err = call(*command)
        assert code == 2
        assert "newer cai-eval" in err
    (tmp_path / "file").write_text("mine")
    code, _, err = call("run", *narrow(order), "--out", "file")
    assert code == 2
    assert (tmp_path / "file").read_text() == "mine"


def test_a_full_disk_is_exit_code_2_and_resumable(call, order, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:

        def full(descriptor):
            raise OSError(errno.ENOSPC, "No space left on device")

        patch.setattr("cai_eval.study.store.os.fsync", full)
        code, _, err = call("run", *narrow(order), "--out", "run")
    assert code == 2
    assert "no space is left" in err
    assert "Traceback" not in err
    assert call("run", *narrow(order), "--out", "run")[0] == 0


ODD = """
name: ../../odd/ü
title: "[red]Odd[/] :smile: [/bold]"
ladder: pythia
interventions:
  none:
  "../[blue]twin": {trainer: none}
benchmarks:
  "a/b/../c": {benchmark: lambada}
reports: {scaling: {}, tax: {}, flips: {}, cost: {}}
"""


def test_odd_names_are_shown_as_they_are_and_lead_nowhere(call, order, tmp_path):
    (tmp_path / "odd.yaml").write_text(ODD)
    code, out, err = call("run", "--suite", "odd.yaml", *order, "--json")
    assert code == 0, err
    assert "[red]Odd[/] :smile: [/bold]" in err
    assert {row["intervention"] for row in json.loads(out)["scores"]} == {"none", "../[blue]twin"}
    assert sorted(os.listdir(tmp_path)) == ["cache", "odd.yaml", "runs"]
    (run,) = (tmp_path / "runs").iterdir()
    assert run.name.startswith("odd-ü-stories260K_hf-")


def test_a_log_has_a_line_a_cell(call, order):
    _, _, err = call("run", *order, "--benchmarks", "lambada")
    lines = [line for line in err.splitlines() if " · " in line]
    assert lines == ["1/2 stories260K_hf · none · lambada", "2/2 stories260K_hf · dialogue-only · lambada"]


def test_a_study_that_fails_says_why_and_nothing_but_json_is_on_standard_output(call, order, monkeypatch):
    def broken(self, subject, items):
        print("a library talks")
        raise RuntimeError("by design")

    monkeypatch.setattr(registry.load("benchmarks", "lambada"), "evaluate", broken)
    code, out, err = call("run", *narrow(order), "--out", "run", "--json")
    assert code == 1
    assert json.loads(out)["failures"].keys() == {"stories260K_hf, none, lambada"}
    assert "failed stories260K_hf, none, lambada: every item failed" in err.replace("\n", "")
    assert "Traceback" not in err


def test_cells_that_one_run_lacks_are_named(call, order):
    for name, interventions in (("one", "none"), ("two", "none,dialogue-only")):
        call("run", *order, "--benchmarks", "lambada", "--interventions", interventions, "--out", name)
    code, out, _ = call("compare", "one", "two")
    assert code == 0
    assert "not compared: stories260K_hf, dialogue-only, lambada (seed 0) is only in two" in out


def test_ctrl_c_is_exit_code_130_and_resumable(order, tmp_path):
    command = [sys.executable, "-m", "cai_eval", "run", *map(str, order[:4]), "--benchmarks", "lambada", "--out", "run"]
    process = subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "COLUMNS": "200"},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # what runs in the background ignores it
    )
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("run/cells/*/journal.jsonl")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "goes on where this one stopped" in err
    assert "Traceback" not in err


def test_lists_are_complete_and_for_machines_too(call):
    code, out, _ = call("list", "--json")
    assert code == 0
    found = {kind: [row["name"] for row in rows] for kind, rows in json.loads(out).items()}
    assert {"hhh", "truthfulqa", "lambada", "lm-eval"} <= set(found["benchmarks"])
    assert {"none", "hhh-prompt", "neutral-prefix", "dialogue-only"} <= set(found["trainers"])
    assert {"pythia", "gpt2", "opt", "qwen2.5"} <= set(found["ladders"])
    assert {"alignment-tax", "hhh"} <= set(found["suites"])
    assert all(row["title"] for rows in json.loads(out).values() for row in rows)


def test_the_doctor_finds_nothing_broken(call):
    code, out, _ = call("doctor")
    assert code == 0
    assert "all plug-ins load" in out
