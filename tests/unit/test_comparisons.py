"""Comparisons: what is read, what is refused, and the published transcripts."""

import gzip
import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cai_eval.errors import UserError
from cai_eval.testing import write_rows
from cai_eval.testing.toys import RandomPolicy, ToyWorkshop
from cai_eval.trainers.preference_model import PreferenceModel
from cai_eval.training.comparisons import Comparison, as_row, hold_out, read_comparisons

ROW = {"prompt": "Human: Why?\n\nAssistant:", "first": "So.", "second": "No.", "label": 0.7}


def transcripts(chosen: str, rejected: str) -> dict[str, str]:
    return {"chosen": chosen, "rejected": rejected}


def read_one(row: Any, kind: str = "") -> Comparison:
    (comparison,) = read_comparisons([row], kind)
    return comparison


texts = st.text(min_size=1).map(str.strip).filter(bool)


@given(
    texts, texts, st.floats(0, 1), st.sampled_from(["helpful", "harmless", ""]), st.sampled_from(["ai", "human", ""])
)
def test_a_row_comes_back(first: str, second: str, label: float, kind: str, by: str) -> None:
    comparison = Comparison("7", ROW["prompt"], first, second, label, kind, by, "p1")
    if first == second:
        with pytest.raises(UserError, match="both answers are the same"):
            read_one(as_row(comparison))
    else:
        assert read_one(json.loads(json.dumps(as_row(comparison)))) == comparison


def test_blanks_around_answers_are_not_theirs() -> None:
    assert read_one({**ROW, "first": " So.\n"}).first == "So."
    with pytest.raises(UserError, match="both answers are the same"):
        read_one({**ROW, "first": "No. "})


def test_an_id_follows_from_the_texts() -> None:
    ids = [read_one({**ROW, **change}).id for change in ({}, {"label": 0.1}, {"first": "Yes."})]
    assert ids[0] == ids[1] != ids[2]
    assert read_one({**ROW, "id": 12}).id == "12"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"first": ""}, "'first' is missing or empty"),
        ({"second": None}, "'second' is missing or empty"),
        ({"second": ["No."]}, "'second' is missing or empty"),
        ({"prompt": "  "}, "'prompt' is missing or empty"),
        ({"prompt": "Human: Why?"}, "awaits no reply"),
        ({"label": 1.5}, r"the label is 1\.5"),
        ({"label": -0.1}, r"the label is -0\.1"),
        ({"label": math.nan}, "the label is nan"),
        ({"label": None}, "the label is None"),
        ({"label": "1"}, "the label is '1'"),
        ({"label": True}, "the label is True"),
    ],
)
def test_what_is_refused_is_named_by_its_row(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(UserError, match=f"^row 2: .*{reason}"):
        read_comparisons([ROW, {**ROW, **change}])


@pytest.mark.parametrize("row", [None, 3, "text", ["prompt", "first"]])
def test_what_is_no_object_is_refused(row: Any) -> None:
    with pytest.raises(UserError, match="row 1: expected an object"):
        read_comparisons([row])


def test_no_rows_are_refused() -> None:
    with pytest.raises(UserError, match="no comparison to learn from"):
        read_comparisons([])


def test_transcripts_part_at_a_turn_and_not_at_a_character() -> None:
    """The answers begin alike, and the prompt keeps its turns, repeated ones too."""
    opening = '\n\nHuman: Why: "Human: me"?\n\nAssistant: So.\n\nHuman: But\n\nHuman: again?\n\nAssistant:'
    read = read_one(transcripts(f"{opening} Because of rain.", f"{opening} Because of wind."), "harmless")
    assert read.prompt == opening.strip()
    assert (read.first, read.second) == ("Because of rain.", "Because of wind.")
    assert (read.label, read.by, read.kind) == (1.0, "human", "harmless")


def test_transcripts_that_part_early_keep_what_follows() -> None:
    head = "\n\nHuman: Hello\n\nAssistant:"
    read = read_one(transcripts(f"{head} Hi.\n\nHuman: Bye\n\nAssistant: Bye.", f"{head} Go away."))
    assert read.prompt == head.strip()
    assert (read.first, read.second) == ("Hi.\n\nHuman: Bye\n\nAssistant: Bye.", "Go away.")


def test_transcripts_that_part_at_the_human_part_at_the_answer_before() -> None:
    head = "\n\nHuman: Hello\n\nAssistant: Hi.\n\nHuman:"
    read = read_one(transcripts(f"{head} One\n\nAssistant: 1.", f"{head} Two\n\nAssistant: 2."))
    assert read.prompt == "Human: Hello\n\nAssistant:"
    assert read.second == "Hi.\n\nHuman: Two\n\nAssistant: 2."


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (transcripts("\n\nHuman: A\n\nAssistant: B", ""), "'rejected' is missing or empty"),
        ({"chosen": "\n\nHuman: A\n\nAssistant: B"}, "'rejected' is missing or empty"),
        (transcripts("A and B", "A and C"), "'chosen' is no transcript"),
        (transcripts("\n\nHuman: A\n\nAssistant: B", "\n\nHuman: C\n\nAssistant: D"), "no common beginning"),
        (transcripts("\n\nHuman: A\n\nAssistant: B", "\n\nHuman: A\n\nAssistant:  B "), "both answers are the same"),
    ],
)
def test_transcripts_that_compare_nothing_are_refused(row: dict[str, str], reason: str) -> None:
    with pytest.raises(UserError, match=f"^row 1: .*{reason}"):
        read_comparisons([row])


def test_the_published_transcripts_lose_nothing(data_dir: Path) -> None:
    """Of all 2,312: prompt and answer are the transcript again, but for blanks; four end in silence."""
    lines = gzip.decompress((data_dir / "hh-rlhf" / "harmless-base_test.jsonl.gz").read_bytes()).decode().splitlines()
    rows = [json.loads(line) for line in lines if line]
    read = read_comparisons(rows, "harmless")
    assert len(read) == len({each.id for each in read}) == len(rows) == 2312
    for row, each in zip(rows, read, strict=True):
        assert f"{each.prompt} {each.first}".split() == row["chosen"].split()
        assert f"{each.prompt} {each.second}".split() == row["rejected"].split()
    assert sum(not each.first or not each.second for each in read) == 4


@settings(deadline=None)
@given(st.lists(st.integers(0, 20), min_size=2).filter(lambda numbers: len(set(numbers)) > 1), st.floats(0, 0.5))
def test_a_prompt_is_held_out_whole_whatever_stands_beside_it(numbers: list[int], share: float) -> None:
    comparisons = [Comparison(str(i), f"Human: {n}\n\nAssistant:", "a", "b", 1.0) for i, n in enumerate(numbers)]
    train, held = hold_out(comparisons, share)
    assert sorted((*train, *held), key=lambda each: int(each.id)) == comparisons
    assert not {each.prompt for each in train} & {each.prompt for each in held}
    assert len({each.prompt for each in held}) == max(1, round(share * len(set(numbers))))
    _, again = hold_out(comparisons[::-1], share)
    assert {each.id for each in again} == {each.id for each in held}


def test_one_prompt_cannot_be_held_out() -> None:
    with pytest.raises(UserError, match="about one prompt"):
        hold_out(read_comparisons([ROW, ROW]), 0.1)


@pytest.mark.parametrize("slot", ["comparisons", "more", "yet_more"])
def test_a_preference_model_names_the_input_with_the_bad_row(slot, tmp_path):
    good = {"prompt": "Human: Why?\n\nAssistant:", "first": "So.", "second": "No.", "label": 1}
    files = {"comparisons": [good], slot: [good, {**good, "second": "So."}]}
    inputs = {name: write_rows(tmp_path / f"{name}.jsonl", rows) for name, rows in files.items()}
    with pytest.raises(UserError, match=rf"^input '{slot}', row 2: both answers are the same"):
        PreferenceModel(PreferenceModel.Config()).run({"start": RandomPolicy().spec, **inputs}, ToyWorkshop(tmp_path))
