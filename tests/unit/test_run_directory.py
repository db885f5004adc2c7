"""What is on disk after each step, and what a kill or bad input then leaves."""

import json
import math
import os
import subprocess
import sys

import pytest

from cai_eval.contracts import Record
from cai_eval.errors import UserError
from cai_eval.study.store import FORMAT, RunDirectory, disk_errors, publish, write_records


def record(number, **scores):
    details = {"options": ["a", "b"], "margin": [0.5, -1.25]}
    return Record(str(number), f"c{number}", "k", scores or {"accuracy": number / 7}, "p", "a", "r", details)


def create(path, suite="s"):
    run = RunDirectory.create(path, suite)
    run.write_manifest({"suite": {"name": suite}, "interventions": [], "rungs": [], "cells": []})
    return run


def test_records_survive_the_journal_and_the_table(tmp_path):
    odd = Record("x", "c", "", {}, "\ud800 lone", "bell \x07", "ü\u2028", {"n": 1}, "failed")
    records = [record(1), record(2, accuracy=math.nan, nll=3.5), odd]
    cell = create(tmp_path / "run").cell("h")
    with cell.journal() as journal:
        journal.add(records[:1])
        journal.add(records[1:])
    resumed = cell.resume(["1", "2", "x"])
    assert [r.item for r in resumed] == ["1", "2", "x"]
    assert resumed[0] == records[0]
    assert resumed[2] == odd
    cell.publish(records, {"items": 3})
    assert cell.finished()
    assert not (cell.path / "journal.jsonl").exists()
    read = cell.records()
    assert read[0] == records[0]
    assert read[1].scores == {"nll": 3.5}  # what is NaN does not apply
    assert read[2].prompt == "\\ud800 lone"
    assert read[2].answer == odd.answer


@pytest.mark.parametrize("lost", range(1, 40, 3))
def test_a_torn_line_is_cut_off(tmp_path, lost):
    cell = create(tmp_path / "run").cell("h")
    with cell.journal() as journal:
        journal.add([record(1), record(2)])
    path = cell.path / "journal.jsonl"
    os.truncate(path, path.stat().st_size - lost)
    assert [r.item for r in cell.resume(["1", "2"])] == ["1"]
    with cell.journal() as journal:
        journal.add([record(2)])
    assert [r.item for r in cell.resume(["1", "2"])] == ["1", "2"]


def test_a_journal_of_other_items_is_not_gone_on_with(tmp_path):
    cell = create(tmp_path / "run").cell("h")
    with cell.journal() as journal:
        journal.add([record(1), record(2), record(3)])
    assert [r.item for r in cell.resume(["1", "3", "2"])] == ["1"]


def test_a_failed_cell_is_not_finished(tmp_path):
    cell = create(tmp_path / "run").cell("h")
    cell.fail({"failure": "it broke"})
    assert not cell.finished()
    assert cell.summary()["failure"] == "it broke"


def test_other_directories_are_left_alone(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("x")
    with pytest.raises(UserError, match="not a run directory"):
        RunDirectory.create(tmp_path / "mine", "s")
    with pytest.raises(UserError, match="not a run directory"):
        RunDirectory.read(tmp_path / "mine")
    create(tmp_path / "run", "hhh")
    with pytest.raises(UserError, match="holds a run of suite 'hhh', not 'other'"):
        RunDirectory.create(tmp_path / "run", "other")
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="choose another place"):
        RunDirectory.create(tmp_path / "file" / "run", "s")
    assert sorted(os.listdir(tmp_path / "mine")) == ["thesis.tex"]


def test_a_newer_or_damaged_manifest(tmp_path):
    run = create(tmp_path / "run")
    path = run.path / "run.json"
    path.write_text(json.dumps({"format": FORMAT + 1, "suite": {"name": "s"}}))
    with pytest.raises(UserError, match="newer cai-eval"):
        RunDirectory.create(run.path, "s")
    path.write_text(json.dumps({"format": FORMAT - 1}))
    with pytest.raises(UserError, match="older cai-eval"):
        RunDirectory.read(run.path)
    path.write_text(json.dumps({"format": FORMAT, "suite": {"name": "s"}}))
    with pytest.raises(UserError, match="lacks cells, interventions, rungs: delete it"):
        RunDirectory.read(run.path)
    path.write_text('{"format": 1,')
    with pytest.raises(UserError, match="cannot be read"):
        RunDirectory.read(run.path)
    run.cell("h").publish([record(1)], {})
    path.unlink()  # as the sentence says
    create(run.path)
    assert run.cell("h").finished()


def test_damaged_records_name_the_mend(tmp_path):
    cell = create(tmp_path / "run").cell("h")
    cell.publish([record(1)], {})
    (cell.path / "records.parquet").write_bytes(b"PAR1 and then nothing")
    with pytest.raises(UserError, match="delete the folder h and run the same command again"):
        cell.frame()


def test_a_changed_byte_in_the_records_is_never_a_number(tmp_path):
    cell = create(tmp_path / "run").cell("h")
    cell.publish([record(n) for n in range(50)], {})
    path = cell.path / "records.parquet"
    whole = path.read_bytes()
    undisturbed = cell.records()
    for place in range(0, len(whole), 97):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        with pytest.raises(UserError, match="run the same command again"):
            cell.records()
    path.write_bytes(whole)
    assert cell.records() == undisturbed


def test_only_one_process_writes(tmp_path):
    run = create(tmp_path / "run")
    program = (
        "import sys; from pathlib import Path; from cai_eval.study.store import RunDirectory\n"
        "with RunDirectory(Path(sys.argv[1])).lock(): pass"
    )
    with run.lock():
        other = subprocess.run([sys.executable, "-c", program, run.path], capture_output=True, text=True)
    assert "another process is writing" in other.stderr
    assert subprocess.run([sys.executable, "-c", program, run.path]).returncode == 0


def test_a_full_disk_is_one_sentence_and_destroys_nothing(tmp_path):
    """/dev/full refuses every write as a full disk does."""
    if not os.path.exists("/dev/full"):
        pytest.skip("this system has no /dev/full")
    cell = create(tmp_path / "run").cell("h")
    cell.publish([record(1)], {"items": 1})
    (cell.path / "records.parquet.tmp").symlink_to("/dev/full")
    with pytest.raises(UserError, match="no space is left"), disk_errors(cell.path):
        write_records(cell.path / "records.parquet", [record(1), record(2)])
    assert cell.records() == [record(1)]


def test_artefacts_move_with_their_run(tmp_path):
    from cai_eval.contracts import DatasetSpec, PolicySpec, Prefix

    run = create(tmp_path / "run")
    folder = run.artefact_directory("n")
    assert run.artefact("n") is None
    (folder / "rows.jsonl").write_text("{}\n")
    run.publish_artefact("n", DatasetSpec(str(folder / "rows.jsonl"), 1, "0"), {})
    run.publish_artefact("p", PolicySpec("hub/id", "f", 1, 2, "dialogue", Prefix((1, 2), "ab", "l")), {})
    (run.artefact_directory("n") / "weights").mkdir()
    above = PolicySpec(str(folder / "weights"), "f", 1, 2, "dialogue", Prefix((1, 2), "ab", "l"))
    run.publish_artefact("prompted", above, {})  # made of another node's weights
    run.path.rename(tmp_path / "moved")
    moved = RunDirectory.read(tmp_path / "moved")
    assert moved.artefact("n") == DatasetSpec(str(tmp_path / "moved/artefacts/n/rows.jsonl"), 1, "0")
    assert moved.artefact("p") == PolicySpec("hub/id", "f", 1, 2, "dialogue", Prefix((1, 2), "ab", "l"))
    assert moved.artefact("prompted").model == str(tmp_path / "moved/artefacts/prompted/../n/weights")


def test_what_is_no_file_is_never_replaced_by_one(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(UserError, match="exists and is no file"):
        publish(pipe, b"whole")
    assert pipe.is_fifo()
    assert list(tmp_path.iterdir()) == [pipe]
