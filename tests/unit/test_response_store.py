"""The response store: several processes, kills, and files that are no store."""

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from cai_eval.errors import UserError
from cai_eval.inference.store import LOOKUP, ResponseStore, Scope

WRITER = """
import sys
from pathlib import Path
from cai_eval.inference.store import ResponseStore, Scope
store, scope, name = ResponseStore(Path(sys.argv[1])), Scope({}), sys.argv[2]
for batch in range(int(sys.argv[3])):
    store.put({scope.key(name, batch, i): [name, batch, i] for i in range(20)})
    print(batch, flush=True)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "answers.sqlite"


def writer(path: Path, name: str, batches: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(path), name, str(batches)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_what_was_put_is_got(path: Path) -> None:
    scope = Scope({"kind": "score"})
    answers = {scope.key([1, 2], i): [[-0.1, float(i)], True] for i in range(LOOKUP * 2 + 1)}
    ResponseStore(path).put(answers)
    store = ResponseStore(path)
    assert store.get([*answers, scope.key("absent")]) == answers
    store.put({next(iter(answers)): "another"})
    assert store.get(list(answers)) == answers


def test_keys_differ_with_every_setting_and_part() -> None:
    scopes = [Scope({"a": 1}), Scope({"a": "1"}), Scope({"a": 1, "b": None}), Scope({"b": 1})]
    keys = [scope.key(*parts) for scope in scopes for parts in ([], [[1, 2]], [[1], [2]], [[1, 2], 0], ["12"], [[12]])]
    assert len(set(keys)) == len(keys)
    assert Scope({"a": 1, "b": 2}).key(3) == Scope({"b": 2, "a": 1}).key(3)


def test_processes_share_a_store(path: Path) -> None:
    writers = [writer(path, name, 20) for name in "ab"]
    assert [process.communicate() and process.wait() for process in writers] == [0, 0]
    scope = Scope({})
    keys = [scope.key(name, batch, i) for name in "ab" for batch in range(20) for i in range(20)]
    assert len(ResponseStore(path).get(keys)) == len(keys)


def test_a_kill_loses_at_most_the_batch_in_flight(path: Path) -> None:
    process = writer(path, "a", 100_000)
    assert process.stdout is not None
    done = [int(process.stdout.readline()) for _ in range(7)][-1]
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    scope = Scope({})
    batches = [len(ResponseStore(path).get([scope.key("a", batch, i) for i in range(20)])) for batch in range(done + 1)]
    assert batches == [20] * (done + 1)


def test_a_file_that_is_no_store_is_refused_and_left_alone(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"not a database, by any means" * 100)
    before = path.read_bytes()
    with pytest.raises(UserError, match=r"answers\.sqlite.*delete"):
        ResponseStore(path)
    assert path.read_bytes() == before


def test_a_damaged_store_is_refused_in_one_sentence(path: Path) -> None:
    scope = Scope({})
    store = ResponseStore(path)
    store.put({scope.key(i): "x" * 100 for i in range(1000)})
    store.close()
    data = bytearray(path.read_bytes())
    data[4096:] = b"\\xff" * (len(data) - 4096)
    path.write_bytes(data)
    with pytest.raises(UserError, match="cannot be used"):
        ResponseStore(path).get([scope.key(i) for i in range(1000)])


def test_a_place_where_nothing_can_be_written_is_a_user_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="writable"):
        ResponseStore(tmp_path / "file" / "answers.sqlite")


def test_a_newer_store_is_refused(path: Path) -> None:
    ResponseStore(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(UserError, match="newer"):
        ResponseStore(path)


def test_a_flipped_digit_is_noticed(path):
    key = Scope({"model": "m"}).key(1)
    ResponseStore(path).put({key: [-0.25, True]})
    with sqlite3.connect(path) as file:
        file.execute("UPDATE answers SET answer = replace(answer, '0.25', '0.75')")
    with pytest.raises(UserError, match=r"checksum.*delete that file"):
        ResponseStore(path).get([key])
