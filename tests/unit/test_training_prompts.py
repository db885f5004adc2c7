"""Prompts of laboratories and of the published comparisons."""

import json
from pathlib import Path

import hh_rlhf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cai_eval.benchmarks.preference import Preference
from cai_eval.data import PublishedSource
from cai_eval.dialogue import Turn, parse_turns, render
from cai_eval.errors import UserError
from cai_eval.lab.source import LaboratorySource
from cai_eval.testing import RowsSource
from cai_eval.training.prompts import Prompt, is_one_turn, read_prompts

ROWS = [{"id": f"p{n}", "prompt": f"How do I bake: {n}? ", "kind": "benign", "cluster": f"c{n % 3}"} for n in range(9)]
SOURCE = RowsSource({"helpful-prompts": ROWS})


def test_a_larger_count_begins_with_the_same_prompts() -> None:
    few, many = (read_prompts(SOURCE, "helpful-prompts", count, 1) for count in (4, 50))
    assert many[:4] == few
    assert {prompt.id for prompt in many} == {row["id"] for row in ROWS}
    assert read_prompts(SOURCE, "helpful-prompts", 50, 2) != many


def test_a_colon_and_a_blank_do_not_cut_a_prompt() -> None:
    found = {prompt.id: prompt for prompt in read_prompts(SOURCE, "helpful-prompts", 9, 0)}
    assert found["p4"] == Prompt("p4", "How do I bake: 4?", "benign", "c1")


def test_the_order_of_the_rows_does_not_matter() -> None:
    turned = RowsSource({"helpful-prompts": ROWS[::-1]})
    assert read_prompts(turned, "helpful-prompts", 5, 0) == read_prompts(SOURCE, "helpful-prompts", 5, 0)


def test_of_a_transcript_the_first_human_turn_is_taken() -> None:
    texts = [f"Why {number}: tell me\n\nplainly" for number in range(30)]
    rows = [
        hh_rlhf.row(text, better=said) for text in texts for said in ("No.\n\nHuman: Why?\n\nAssistant: So.", "Yes.")
    ]
    odd = [hh_rlhf.row(text) for text in ("", "Once\n\nHuman: Twice")]
    found = read_prompts(RowsSource({"red-team-prompts": [*rows, *odd]}), "red-team-prompts", None, 0)
    assert len(found) > 10
    assert {prompt.kind for prompt in found} == {"harmful"}
    assert {prompt.text for prompt in found} <= set(texts)


def test_a_published_prompt_is_in_one_set_whatever_split_it_stands_in() -> None:
    rows = [{"configuration": "harmless-base/", **hh_rlhf.row(f"Why {number}?")} for number in range(300)]
    names = ("red-team-prompts", "validation-prompts", "test-prompts")
    sets = [{prompt.text for prompt in read_prompts(RowsSource({name: rows}), name, None, 0)} for name in names]
    assert sum(map(len, sets)) == len(set.union(*sets)) == 300
    assert [len(each) for each in sets] == pytest.approx([180, 30, 90], abs=40)


@pytest.mark.parametrize("name", ["validation-prompts", "test-prompts"])
def test_what_policies_are_chosen_and_tested_by_has_both_kinds(tmp_path: Path, name: str) -> None:
    source = PublishedSource(hh_rlhf.save(tmp_path / "hh-rlhf"))
    found = read_prompts(source, name, None, 0)
    assert {prompt.kind for prompt in found} == {"harmful", "benign"}
    assert all(("break" in prompt.text) == (prompt.kind == "harmful") for prompt in found)
    assert {prompt.kind for prompt in read_prompts(source, name, 3, 0, ("benign",))} == {"benign"}


def test_what_cannot_be_had_is_refused() -> None:
    with pytest.raises(UserError, match="did you mean 'test-prompts'"):
        read_prompts(SOURCE, "test-prompt", 1, 0)
    with pytest.raises(UserError, match="row 1 of red-team-prompts has not the published schema"):
        read_prompts(RowsSource({"red-team-prompts": [{"question": "?"}]}), "red-team-prompts", 1, 0)
    with pytest.raises(UserError, match="holds no prompt"):
        read_prompts(RowsSource({"red-team-prompts": []}), "red-team-prompts", 1, 0)


def test_the_laboratorys_sets_hold_their_kinds_and_share_no_prompt() -> None:
    source = LaboratorySource()
    sets = {name: read_prompts(source, f"{name}-prompts", 10**6, 0) for name in ("red-team", "validation", "test")}
    assert {prompt.kind for prompt in sets["red-team"]} == {"harmful"}
    assert {prompt.kind for prompt in sets["test"]} == {"harmful", "benign", "alarming", "question"}
    harmful = [{prompt.text for prompt in each if prompt.kind == "harmful"} for each in sets.values()]
    assert len(set.union(*harmful)) == sum(map(len, harmful))


def test_the_published_prompts_are_read(data_dir: Path) -> None:
    rows = PublishedSource(data_dir).rows(Preference.data[1])
    found = read_prompts(RowsSource({"red-team-prompts": rows}), "red-team-prompts", None, 0)
    assert 1100 < len(found) < 1500
    assert len({prompt.id for prompt in found}) == len(found)
    json.dumps([prompt.text for prompt in found])


@given(st.text(alphabet="ab:\n Human"))
def test_a_turn_is_read_back_from_a_dialogue(text: str) -> None:
    turns = (Turn("Human", text), Turn("Assistant", text))
    assert not is_one_turn(text) or parse_turns(render(turns)) == turns


@pytest.mark.parametrize("text", ["", " a", "a\nHuman: b", "a\n\nAssistant: b", "a\nAssistant:"])
def test_what_is_no_turn(text: str) -> None:
    assert not is_one_turn(text)


def test_kinds_choose_before_the_count():
    source = LaboratorySource()
    some = read_prompts(source, "validation-prompts", 20, seed=0, kinds=("benign", "question"))
    assert len(some) == 20
    assert {prompt.kind for prompt in some} == {"benign", "question"}
    assert len(read_prompts(source, "validation-prompts", None, seed=0)) > 400
    with pytest.raises(UserError, match="kinds rude"):
        read_prompts(source, "validation-prompts", 5, seed=0, kinds=("rude",))
