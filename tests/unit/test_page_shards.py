"""The records beside the page: whole, in their order, with the flips on the page itself, and harmless."""

import base64
import json
import re
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import synthetic

from cai_eval.contracts import Record, Results
from cai_eval.pages import shards
from cai_eval.pages.changes import base_cells, changes, moved

TWO = {"70m": 18.9e6, "6.9b": 6.44e9}
HOSTILE = "</script><script>alert(1)</script>\u2028\u2029<!--\\ud800 \ud800\x00 `${1}` \u202e"


def unpack(packed: str) -> Any:
    return json.loads(zlib.decompress(base64.b64decode(packed)))


def read(path: Path) -> Any:
    called = re.fullmatch(r'shard\("([\w-]+)","([A-Za-z0-9+/=]+)"\)\n', path.read_text("ascii"))
    assert called is not None
    assert called[1] == path.stem
    return unpack(called[2])


@pytest.fixture(scope="module")
def study() -> Results:
    return synthetic.results(TWO, benchmarks=["hhh", "lambada"], items=2 * shards.SIZE + 10)


def test_every_record_is_in_its_shard(study: Results, tmp_path: Path) -> None:
    known = shards.publish(study, tmp_path / "shards")
    assert set(known) == set(study.cells.index)
    assert len(list((tmp_path / "shards").iterdir())) == len(known) * 4
    for cell, about in known.items():
        records = study.details(cell)
        listing = read(tmp_path / f"shards/{about['shards']}-index.js")
        assert listing["item"] == [record.item for record in records]
        assert about["items"] == len(records)
        assert about["failed"] == sum(bool(record.error) for record in records)
        for n, record in enumerate(records):
            if n % shards.SIZE == 0:
                shard = read(tmp_path / f"shards/{about['shards']}-{n // shards.SIZE}.js")
            kept = shard[n % shards.SIZE]
            assert kept == shards.plain_json(vars(record))
            assert kept["scores"] == pytest.approx(dict(record.scores), rel=1e-5)


def test_the_page_holds_flips_with_the_base_of_each(study: Results, tmp_path: Path) -> None:
    known = shards.publish(study, tmp_path / "shards")
    for about in known.values():
        sample = unpack(about["sample"])
        kinds = [sample["listing"]["change"].count(kind) for kind in ("lost", "won")]
        assert [record["item"] for record in sample["records"]] == sample["listing"]["item"]
        if about["base"] is None:
            assert kinds == [0, 0]
            continue
        assert kinds == [min(12, about["lost"]), min(12, about["won"])]
        assert sum(kinds) > 0
        assert set(sample["listing"]["item"]) <= set(unpack(known[about["base"]]["sample"])["listing"]["item"])


def test_what_models_write_survives_and_stays_text(tmp_path: Path) -> None:
    study = synthetic.results({"m": 1e8}, benchmarks=["hhh"], items=5, text=HOSTILE)
    for about in shards.publish(study, tmp_path / "shards").values():
        assert read(tmp_path / f"shards/{about['shards']}-0.js")[3]["prompt"] == f"{HOSTILE} (3)"
        assert unpack(about["sample"])["records"][0]["prompt"].startswith(HOSTILE)


def test_what_json_has_no_word_for_is_text(tmp_path: Path) -> None:
    study = synthetic.results({"m": 1e8}, {"none": "none"}, ["hhh"], items=1)
    (cell,) = study.cells.index
    details = {"logprobs": [float("-inf"), float("nan"), -1 / 3], 5: ("a", None)}
    record = Record("one", "one", scores={"accuracy_mi": float("nan")}, details=details)
    shards.publish(replace(study, details=lambda _: [record]), tmp_path / "shards")
    (kept,) = read(tmp_path / f"shards/{cell}-0.js")
    assert kept["details"] == {"logprobs": ["-inf", "nan", -0.333333], "5": ["a", None]}
    assert kept["scores"] == {"accuracy_mi": "nan"}


def test_cells_are_compared_with_the_base_of_their_seed() -> None:
    study = synthetic.results({"m": 1e8}, {"none": "none", "hhh-prompt": "prompt"}, ["hhh"], items=3)
    cells = study.cells.copy()
    (base,) = cells.index[cells["intervention"] == "none"]
    (other,) = cells.index[cells["intervention"] == "hhh-prompt"]
    assert base_cells(study) == {other: base}
    cells.loc["again"] = {**cells.loc[base], "seed": 1}
    cells.loc["other again"] = {**cells.loc[other], "seed": 1}
    cells.loc["third"] = {**cells.loc[other], "seed": 2}
    assert base_cells(replace(study, cells=cells)) == {other: base, "other again": "again", "third": base}


def test_a_loss_of_a_measure_that_is_lower_when_better_is_lost(study: Results) -> None:
    pairs = base_cells(study)
    found = changes(study, pairs)
    metrics = {
        name: [replace(metric, higher_is_better=not metric.higher_is_better) for metric in metrics]
        for name, metrics in study.metrics.items()
    }
    turned = changes(replace(study, metrics=metrics), pairs)
    swap = {"lost": "won", "won": "lost", "same": "same"}
    assert turned == {cell: {item: swap[word] for item, word in each.items()} for cell, each in found.items()}
    assert {word for each in found.values() for word in each.values()} == set(swap)


@pytest.mark.parametrize(
    ("before", "after", "by"),
    [([-1.0, -2.0], [-3.0, -4.0], 0.0), ([-1.0, -2.0], [-1.0, -4.5], 2.5), ([-1.0], [-4.0], 3.0), ([-1.0], "x", 0.0)],
)
def test_a_move_is_relative_to_the_other_options(before: Any, after: Any, by: float) -> None:
    records = [Record("i", "c", details={"logprobs": logprobs}) for logprobs in (before, after)]
    assert moved(*records) == by
