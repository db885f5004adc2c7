"""Shards: whatever a kill or a bad disk leaves behind, the data set is that of an undisturbed run."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cai_eval.training.shards import make_dataset


class Killed(BaseException):
    """Not an Exception: nothing may catch it."""


def _rows(places: range) -> list[dict[str, object]]:
    """Each third place gives nothing, each fourth gives two rows."""
    return [
        {"id": f"{place}/{copy}", "text": "a\u2028b: é"}
        for place in places
        if place % 3
        for copy in range(1 + (place % 4 == 0))
    ]


def _content(path: str) -> bytes:
    return Path(path).read_bytes()


@settings(max_examples=20, deadline=None)
@given(total=st.integers(0, 30), size=st.integers(1, 12))
def test_the_size_of_shards_changes_nothing(tmp_path_factory, total, size):
    spec = make_dataset(tmp_path_factory.mktemp("made"), "rows", total, size, _rows)
    content = _content(spec.path)
    assert [json.loads(line) for line in content.decode().splitlines()] == _rows(range(total))
    assert spec.rows == len(_rows(range(total)))
    assert spec.sha256 == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("fatal", [0, 1, 3])
def test_a_killed_run_goes_on_at_the_first_missing_shard(tmp_path, fatal):
    made: list[int] = []

    def make(places: range) -> list[dict[str, object]]:
        if len(made) == fatal and places.start not in made:
            made.append(-1)
            raise Killed
        made.append(places.start)
        return _rows(places)

    with pytest.raises(Killed):
        make_dataset(tmp_path / "killed", "rows", 20, 5, make)
    spec = make_dataset(tmp_path / "killed", "rows", 20, 5, make)
    assert sorted(made) == [-1, 0, 5, 10, 15]
    assert _content(spec.path) == _content(make_dataset(tmp_path / "whole", "rows", 20, 5, _rows).path)


@pytest.mark.parametrize("damage", [lambda content: content[:-3], lambda content: b"\x00" + content[1:], lambda _: b""])
def test_a_damaged_shard_is_made_anew(tmp_path, damage):
    spec = make_dataset(tmp_path, "rows", 20, 5, _rows)
    shard = sorted((tmp_path / "shards").iterdir())[1]
    shard.write_bytes(damage(shard.read_bytes()))
    made = []
    again = make_dataset(tmp_path, "rows", 20, 5, lambda places: made.append(places) or _rows(places))
    assert made == [range(5, 10)]
    assert again == spec
    assert hashlib.sha256(_content(again.path)).hexdigest() == spec.sha256


def test_a_part_that_a_kill_left_is_not_read(tmp_path):
    (tmp_path / "shards").mkdir()
    (tmp_path / "shards" / "123.part").write_text('{"id": "torn')
    assert make_dataset(tmp_path, "rows", 4, 2, _rows).rows == len(_rows(range(4)))


def test_progress_counts_places(tmp_path):
    seen = []
    make_dataset(tmp_path, "rows", 12, 5, _rows, lambda done, total: seen.append((done, total)))
    assert seen == [(5, 12), (10, 12), (12, 12)]


def test_a_row_with_nan_is_refused(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        make_dataset(tmp_path, "rows", 1, 1, lambda places: [{"label": math.nan}])
    assert not list((tmp_path / "shards").glob("*.jsonl"))
