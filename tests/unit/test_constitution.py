"""Constitutions: what is accepted, what is refused and where, and what is put to a model."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from cai_eval.cli.doctor import _constitutions as broken_constitutions
from cai_eval.cli.list import command as list_command
from cai_eval.constitution import (
    ComparisonExample,
    Constitution,
    CritiqueExample,
    Principle,
    Step,
    Templates,
    constitution_path,
    load_constitution,
    names,
    seal,
)
from cai_eval.constitution.prompting import (
    comparison_prompt,
    critique_prompt,
    reasoning_prompt,
    revision_prompt,
    verdict_prompt,
    with_examples,
)
from cai_eval.constitution.templates import problems as template_problems
from cai_eval.dialogue import Turn, awaiting_reply
from cai_eval.errors import UserError

MINE = """\
name: mine
title: Mine
principles:
  - id: tidy
    aspect: order
    critique: What is untidy in it?
    revision: Tidy it up.
  - id: warm
    aspect: kindness
    comparison: Which is warmer?
"""
TALK = awaiting_reply([Turn("Human", "One?"), Turn("Assistant", "Two."), Turn("Human", "Three?")])
TIDY = Principle("tidy", "order", "What is untidy?", "Tidy up.", "Which is tidier?")
CRITIQUED = CritiqueExample("Human: Shown?", "Shown.", "Shown request?", "Shown critique.", "Shown revision.", "Shown.")
CHOSEN = ComparisonExample("Human: Shown?", "Shown principle.", "Shown one.", "Shown two.", "B", "Shown thoughts.")
WITH = Constitution("mine", "Mine", (TIDY,), "", (CRITIQUED,), (CHOSEN,), (CHOSEN,))
BARE = with_examples(WITH, 0)


def write(folder: Path, text: str) -> str:
    path = folder / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


# ---------------------------------------------------------------------------------------------------
# Loading
# ---------------------------------------------------------------------------------------------------


def test_a_constitution_is_read_from_a_file(tmp_path: Path) -> None:
    read = load_constitution(write(tmp_path, MINE))
    assert [principle.id for principle in read.principles] == ["tidy", "warm"]
    assert [principle.id for principle in read.revising] == ["tidy"]
    assert [principle.id for principle in read.comparing] == ["warm"]
    assert read.templates == Templates()


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("    aspect: order\n", "", 4, "the key 'principles.0.aspect' is missing"),
        ("aspect: order", "aspekt: order", 5, "did you mean 'aspect'"),
        ("id: warm", "id: tidy", 8, "the id 'tidy' is that of principle 1 already"),
        ("id: warm", "id: ''", 8, "the id of a principle must not be empty"),
        ("    revision: Tidy it up.\n", "", 4, "principle 'tidy' lacks its revision"),
        ("    comparison: Which is warmer?\n", "", 8, "principle 'warm' asks for nothing"),
        ("title: Mine", "title: Mine\ntemplates: {comparison: '{conversation} {principle} {first} {label}'}", 3,
         "the template 'comparison' must hold {second} once"),
        ("title: Mine", "title: Mine\ntemplates: {exchange: '{prompt}'}", 3, "must hold {answer} once"),
        ("title: Mine", "title: Mine\ntemplates: {exchange: '{answer}'}", 3,
         "must hold {conversation} or {talk} or {prompt} once"),
        ("title: Mine", "title: Mine\ntemplates:\n  stop: ['']", 4, "'stop' names an empty text"),
        ("title: Mine", "title: Mine\ntemplates:\n  direct: '{revison}{revision}'", 4, "an unknown slot {revison}"),
        ("title: Mine", "title: Mine\ntemplates:\n  direct: '{revision} {revision_request}'", 4, "asks too late"),
        ("title: Mine", "title: Mine\ncritiques:\n  - {conversation: 'Human: a', answer: b, critique_request: c, "
         "critique: ' ', revision_request: d, revision: e}", 4, "the example's critique is missing or empty"),
        ("title: Mine", "title: Mine\ncomparisons:\n  - {conversation: a, principle: b, first: c, second: d, label: A}",
         4, "must start with 'Human:'"),
        ("title: Mine", "title: Mine\nreasoned:\n  - {conversation: 'Human: a', principle: b, first: c, second: d, "
         "label: A}", 4, "the example's reasoning is missing"),
        ("title: Mine", "title: Mine\ncomparisons:\n  - {conversation: 'Human: a', principle: b, first: c, second: d, "
         "label: C}", 4, "'A' or 'B'"),
        (MINE[MINE.index("principles") :], "principles: []\n", 3, "at least one principle"),
        ("id: tidy", "id: [tidy]", 4, "should be a valid string"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_line(tmp_path: Path, old: str, new: str, line: int, message: str) -> None:
    assert MINE.count(old) == 1
    path = write(tmp_path, MINE.replace(old, new))
    with pytest.raises(UserError, match=re.escape(message)) as raised:
        load_constitution(path)
    assert f"{path}:{line}: " in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_request_without_a_slot_is_refused(tmp_path: Path) -> None:
    templates = (
        "templates:\n"
        "  step: '{critique_request} {critique} {revision}'\n"
        "  direct: '{critique_request} {revision}'\n"
    )  # fmt: skip
    with pytest.raises(UserError, match=r":10: the revision of principle 'tidy' has no slot in the templates"):
        load_constitution(write(tmp_path, MINE.replace("principles:", templates + "principles:")))


def test_an_unknown_name_is_told_its_neighbours() -> None:
    with pytest.raises(UserError, match="did you mean 'laboratory'"):
        load_constitution("laboratry")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "mine.yaml:1: the file should hold keys and values"),
        ("- a\n- b\n", "mine.yaml:1: the file should hold keys and values"),
        ("name: [\n", "not valid YAML"),
        ("name: mine\ntitle: Mine\nprinciples: 3\n", "mine.yaml:3: 'principles' should be a valid tuple, not 3"),
        ("name: mine\nname: mine\n", "mine.yaml:2: 'name' stands on line 1 already"),
    ],
)
def test_what_is_no_constitution_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        load_constitution(write(tmp_path, text))


def test_a_folder_of_a_shipped_name_hides_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "laboratory").mkdir()
    monkeypatch.chdir(tmp_path)
    assert load_constitution("laboratory").revising
    with pytest.raises(UserError, match="unknown constitution ''"):
        load_constitution("")
    with pytest.raises(UserError, match="cannot be read"):
        load_constitution("missing.yaml")


def test_a_seal_is_that_of_the_content(tmp_path: Path) -> None:
    path = write(tmp_path, MINE)
    sealed = seal(path)
    assert seal(sealed) == sealed
    assert load_constitution(sealed) == load_constitution(path)
    write(tmp_path, MINE.replace("warmer", "kinder"))
    assert seal(path) != sealed
    with pytest.raises(ValueError, match="has changed"):
        seal(sealed)


# ---------------------------------------------------------------------------------------------------
# What is put to a model
# ---------------------------------------------------------------------------------------------------


def test_a_critique_is_asked_for() -> None:
    assert critique_prompt(BARE, TALK, "Four.", [Step(TIDY, "Odd.", "Even.")], TIDY) == (
        "Human: One?\n\nAssistant: Two.\n\nHuman: Three?\n\nAssistant: Four."
        "\n\nCritique Request: What is untidy?\n\nCritique: Odd.\n\nRevision Request: Tidy up.\n\nRevision: Even."
        "\n\nCritique Request: What is untidy?\n\nCritique:"
    )


def test_a_revision_is_asked_for_with_and_without_critique() -> None:
    head = "Human: One?\n\nAssistant: Two.\n\nHuman: Three?\n\nAssistant: Four."
    assert revision_prompt(BARE, TALK, "Four.", [], TIDY, "Odd.") == (
        f"{head}\n\nCritique Request: What is untidy?\n\nCritique: Odd.\n\nRevision Request: Tidy up.\n\nRevision:"
    )
    assert revision_prompt(BARE, TALK, "Four.", [Step(TIDY, "", "Even.")], TIDY, None) == (
        f"{head}\n\nRevision Request: Tidy up.\n\nRevision: Even.\n\nRevision Request: Tidy up.\n\nRevision:"
    )


def test_a_letter_is_asked_for() -> None:
    asked = comparison_prompt(BARE, TALK, TIDY.comparison, " left ", "right")
    assert asked.endswith("Which is tidier?\nOptions:\n (A) left\n (B) right\n\nThe answer is:")
    assert "\n\nHuman: Three?\n\nWhich" in asked


def test_thoughts_are_asked_for_and_then_a_letter() -> None:
    asked = reasoning_prompt(BARE, TALK, TIDY.comparison, "left", "right")
    assert "\n\nH: One?\n\nA: Two.\n\nH: Three?\n\nWhich is tidier?" in asked
    assert verdict_prompt(BARE, TALK, TIDY.comparison, "left", "right", "Well.") == (f"{asked} Well.\n\nThe answer is:")


def test_examples_are_whole_and_stand_before_what_is_asked() -> None:
    asked = critique_prompt(WITH, TALK, "Four.", [], TIDY)
    assert asked == (
        "Human: Shown?\n\nAssistant: Shown.\n\nCritique Request: Shown request?\n\nCritique: Shown critique."
        "\n\nRevision Request: Shown.\n\nRevision: Shown revision.\n\n" + critique_prompt(BARE, TALK, "Four.", [], TIDY)
    )
    direct = revision_prompt(WITH, TALK, "Four.", [], TIDY, None)
    assert "Shown revision." in direct
    assert "Critique" not in direct
    for ask in (comparison_prompt, reasoning_prompt):
        with_example, bare = (ask(each, TALK, TIDY.comparison, "left", "right") for each in (WITH, BARE))
        assert with_example.endswith("The answer is: (B)\n\n" + bare)
        assert ("Shown thoughts." in with_example) == (ask is reasoning_prompt)


def test_nothing_ends_in_a_blank() -> None:
    for asked in (
        critique_prompt(WITH, TALK, "a ", [], TIDY),
        revision_prompt(WITH, TALK, "a", [], TIDY, " b "),
        comparison_prompt(WITH, TALK, "p", "a", "b "),
        reasoning_prompt(WITH, TALK, "p", "a", "b "),
        verdict_prompt(WITH, TALK, "p", "a", "b ", "c "),
    ):
        assert asked == asked.strip()


@given(st.text(alphabet="{}answer first\\"), st.text(alphabet="{}label\\g<1>"))
def test_braces_and_backslashes_in_texts_stay_what_they_are(answer: str, other: str) -> None:
    asked = comparison_prompt(BARE, "Human: {prompt}\n\nAssistant:", "{principle}", answer, other)
    assert f"Human: {{prompt}}\n\n{{principle}}\nOptions:\n (A) {answer.strip()}\n (B) {other.strip()}\n\n" in asked


def test_the_last_turn_alone_can_be_shown() -> None:
    lone = Constitution("mine", "Mine", (TIDY,), templates=Templates(exchange="Asked: {prompt}\nDraft: {answer}"))
    assert critique_prompt(lone, TALK, "Four.", [], TIDY).startswith("Asked: Three?\nDraft: Four.\n\nCritique")


# ---------------------------------------------------------------------------------------------------
# The shipped ones
# ---------------------------------------------------------------------------------------------------


def test_the_shipped_constitutions_load_under_their_own_names() -> None:
    assert {"harmlessness", "laboratory", "laboratory-inverted"} <= set(names())
    for name in names():
        assert load_constitution(name).name == name == constitution_path(name).stem


def test_the_default_templates_have_no_problem() -> None:
    assert not list(template_problems(Templates()))


def test_what_is_shown_may_stand_twice_and_what_a_model_fills_may_not() -> None:
    shown = "{principle} {prompt} {first} {second} {principle}: {label}"
    assert not list(template_problems(Templates(comparison=shown)))
    for wrong in (f"{shown} {{label}}", f"{{talk}} {shown}", f"{{label}} {shown.removesuffix('{label}')}"):
        ((name, _),) = template_problems(Templates(comparison=wrong))
        assert name == "comparison"
    late = "{prompt} {first} {second} {label} {principle}"
    assert [problem for _, problem in template_problems(Templates(comparison=late)) if "too late" in problem]


def test_ours_holds_what_a_constitution_for_harmlessness_needs() -> None:
    ours = load_constitution("harmlessness")
    assert len(ours.revising) >= 16
    assert len(ours.comparing) >= 16
    assert len({principle.aspect for principle in ours.principles}) >= 10
    requests = [text for each in ours.principles for text in (each.critique, each.revision, each.comparison)]
    assert Counter(requests).most_common(1)[0][1] == 1
    assert len(ours.critiques) == 5
    assert Counter(example.label for example in ours.reasoned) == {"A": 3, "B": 3}
    assert Counter(example.label for example in ours.comparisons) == {"A": 3, "B": 2}


def test_the_examples_of_ours_keep_to_their_point_of_view() -> None:
    """Critiques speak of the assistant's answer; revisions speak to the human and never of an assistant."""
    for example in load_constitution("harmlessness").critiques:
        assert re.search(r"assistant|answer", example.critique, re.IGNORECASE)
        assert not re.search(r"\byou\b|\byour\b", example.critique)
        assert not re.search(r"\bassistant\b|\bthe human\b|\bresponse\b|\brevis", example.revision, re.IGNORECASE)
        assert re.search(r"\byou\b|\byour\b|\bI\b", example.revision)
        assert example.revision.strip() != example.answer.strip()


def test_the_example_in_the_docs_is_one(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "constitutions.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    read = load_constitution(write(tmp_path, example))
    assert [len(each) for each in (read.revising, read.comparing, read.critiques, read.comparisons)] == [1, 2, 1, 1]
    for name in names():
        assert f"`{name}`" in page


def test_they_are_listed_by_title_and_the_doctor_names_what_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = CliRunner().invoke(list_command, ["constitutions", "--json"])
    assert {row["name"]: row["title"] for row in json.loads(listed.output)} == {
        name: load_constitution(name).title for name in names()
    }
    assert not list(broken_constitutions())
    monkeypatch.setattr("cai_eval.constitution.names", lambda: ["laboratory", "lavatory"])
    (problem,) = broken_constitutions()
    assert problem.startswith("unknown constitution 'lavatory'")
