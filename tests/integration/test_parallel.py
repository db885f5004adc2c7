"""Rungs in processes of their own: the same records, nobody left behind, and errors that reach the user."""

import os
import signal
import struct
import subprocess
import sys
import time
from multiprocessing import Pipe
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from cai_eval.errors import UserError
from cai_eval.study.parallel import SideBySide, jobs_for
from cai_eval.study.run import Listener
from cai_eval.study.session import Order
from cai_eval.study.store import RunDirectory

COMMAND = [sys.executable, "-m", "cai_eval", "run", "--rungs", "24k,98k", "--limit", "6", "--benchmarks", "hhh,lambada"]
ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}


def started(out: Path, *more: str) -> subprocess.Popen:
    return subprocess.Popen([*COMMAND, "--out", out, *more], env=ONE_THREAD, stderr=subprocess.PIPE, text=True)


def finished(out: Path, *more: str) -> str:
    process = started(out, *more)
    _, told = process.communicate(timeout=300)
    assert process.returncode == 0, told
    return told


def records(out: Path) -> dict[str, pd.DataFrame]:
    return {path.parent.name: pd.read_parquet(path) for path in out.glob("cells/*/records.parquet")}


def children(process: int) -> list[int]:
    """Processes, this one's own children and theirs, that live."""
    listing = subprocess.run(["ps", "-e", "-o", "pid=,ppid=,stat="], capture_output=True, text=True, check=True)
    parents = {int(pid): int(ppid) for pid, ppid, stat in map(str.split, listing.stdout.splitlines()) if stat[0] != "Z"}
    found = [pid for pid, parent in parents.items() if parent == process]
    return found + [below for pid in found for below in children(pid)]


def begun(process: subprocess.Popen, out: Path) -> list[int]:
    """The processes that compute rungs, once a cell of each of two is there."""
    for _ in range(1200):
        if len(list(out.glob("cells/*/cell.json"))) > 1:
            return children(process.pid)
        assert process.poll() is None
        time.sleep(0.1)
    raise AssertionError("nothing was computed in two minutes")


def all_gone(processes: list[int]) -> bool:
    for _ in range(100):
        if not any(Path(f"/proc/{pid}").exists() for pid in processes):
            return True
        time.sleep(0.1)
    return False


def test_records_do_not_depend_on_how_many_rungs_are_computed_at_once(tmp_path):
    told = finished(tmp_path / "two", "--jobs", "2")
    assert "16/16" in told
    finished(tmp_path / "one", "--jobs", "1")
    one, two = records(tmp_path / "one"), records(tmp_path / "two")
    assert one.keys() == two.keys()
    assert len(one) == 16
    assert all(one[cell].equals(two[cell]) for cell in one)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="no /proc to see who lives")
@pytest.mark.parametrize(
    ("blow", "code"),
    [(signal.SIGKILL, -signal.SIGKILL), pytest.param(signal.SIGINT, 130, marks=pytest.mark.slow)],
)
def test_a_stopped_run_leaves_nobody_behind_and_goes_on(blow, code, tmp_path):
    process = started(tmp_path / "run", "--jobs", "2")
    workers = begun(process, tmp_path / "run")
    assert len(workers) >= 2
    process.send_signal(blow)
    assert process.wait(timeout=30) == code
    assert all_gone(workers)
    done = len(list(tmp_path.glob("run/cells/*/cell.json")))
    assert done < 16
    assert f"{16 - done} cells computed, {done} reused" in finished(tmp_path / "run", "--jobs", "2")


def side_by_side(tmp_path, order, made=None):
    directory = RunDirectory.create(tmp_path / "run", "s")
    maker = SimpleNamespace(artefact=made.append if made is not None else None)
    return SideBySide(order, SimpleNamespace(directory=directory, listener=Listener(), maker=maker), 2)


def cell(rung, *nodes):
    walked = [SimpleNamespace(hash=name) for name in nodes]
    return SimpleNamespace(rung=rung, parameters=1, hash=rung, node=SimpleNamespace(walk=lambda: walked))


def test_what_a_process_refuses_reaches_the_user(tmp_path):
    work = side_by_side(tmp_path, Order("no-such-suite")).work
    with pytest.raises(UserError, match="no-such-suite"):
        work([cell("24k"), cell("98k")])


def test_a_process_that_plans_something_else_says_so(tmp_path):
    order = Order("hhh", ladder="lab", rungs=("24k",), benchmarks=("hhh",), limit=2)
    with pytest.raises(UserError, match="changed since the run was planned"):
        side_by_side(tmp_path, order).work([cell("24k")])


def test_a_process_that_dies_is_told_of(tmp_path):
    class Deadly:
        def __reduce__(self):
            return os._exit, (3,)

    with pytest.raises(UserError, match=r"the process of 24k ended with 3.*--jobs 1"):
        side_by_side(tmp_path, Order(Deadly())).work([cell("24k")])


def ends(monkeypatch, exitcode, said=b""):
    """Processes that end at once, with this behind them in the pipe; the threads that each was given."""
    threads = []

    def start(self, rung, cells, count):
        ours, theirs = Pipe(duplex=False)
        os.write(theirs.fileno(), said)
        theirs.close()
        threads.append(count)
        return ours, SimpleNamespace(name=rung, exitcode=exitcode, join=lambda: None)

    monkeypatch.setattr(SideBySide, "_start", start)
    return threads


def test_a_process_that_dies_in_the_midst_of_a_message_is_told_of(tmp_path, monkeypatch):
    ends(monkeypatch, -9, struct.pack("!i", 100) + b"half")
    with pytest.raises(UserError, match="the process of 24k ended with -9"):
        side_by_side(tmp_path, Order("s")).work([cell("24k")])


def test_a_run_that_goes_on_gives_a_rung_the_threads_of_an_undisturbed_one(tmp_path, monkeypatch):
    monkeypatch.setattr("cai_eval.study.parallel.cores", lambda: 4)
    threads = ends(monkeypatch, 0)
    side_by_side(tmp_path / "whole", Order("s")).work([cell("24k"), cell("98k"), cell("330k")])
    side_by_side(tmp_path / "resumed", Order("s")).work([cell("24k")])
    assert threads == [2, 2, 2, 2]


class Made(list):
    """Keeps what it was asked for, and makes none of it."""

    def append(self, node):
        super().append(node)
        raise ZeroDivisionError


def test_what_rungs_share_is_made_before_them_and_may_fail(tmp_path):
    made = Made()
    order = Order("no-such-suite")
    with pytest.raises(UserError, match="no-such-suite"):
        side_by_side(tmp_path, order, made).work([cell("24k", "own", "shared"), cell("98k", "shared", "other")])
    assert [node.hash for node in made] == ["shared"]


@pytest.mark.parametrize(
    ("laboratory", "device", "several"), [("L", "cpu", True), ("", "cpu", False), ("L", "cuda", False)]
)
def test_only_small_models_share_a_machine_unasked(laboratory, device, several, monkeypatch):
    monkeypatch.setattr("cai_eval.study.parallel.cores", lambda: 4)
    plan = SimpleNamespace(bases=[None] * 3)
    session = SimpleNamespace(laboratory=laboratory, device=device, plan=plan)
    assert jobs_for(session, None) == (3 if several else 1)
    assert [jobs_for(session, asked) for asked in (1, 2, 8)] == [1, 2, 3]
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert jobs_for(session, None) == 1
