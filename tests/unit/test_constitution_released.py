"""The released JSON of Bai et al. 2022b: its form in our own words, and the real files where they are at hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cai_eval.constitution import ComparisonExample, CritiqueExample, Principle, load_constitution
from cai_eval.errors import UserError

CHAIN = (
    "\n\nHuman: May I?\n\nAssistant: Ask me.\n\nHuman: May I: really?\n\nAssistant: You may.\n\nYes."
    "\n\nCritiqueRequest: What is odd?\n\nCritique: Too short.\n\nIt is."
    "\n\nRevisionRequest: Write more.\n\nRevision: You may, gladly."
)
FILES: dict[str, Any] = {
    "CritiqueRevisionInstructions.json": {
        "odd0": {
            "prompt": ["\n\nCritiqueRequest: What is odd: say it.\n\nCritique:"],
            "edit_request": "\n\nRevisionRequest: Make it even.\n\nRevision:",
        },
    },
    "CritiqueRevisionFewShotPrompts.json": [f"{CHAIN}\n\nHuman:", CHAIN],
    "RLMadisonInstructions.json": ["\nWhich is even? Options:", "\nWhich is not odd?"],
    "RLMadisonFewShotPrompts.json": [
        {"prompt": "\n\nHuman: May I?\n\nAssistant:", "corrects": [" Yes."], "incorrects": ["No."]}
    ]
    * 3,
    "RLMadisonPrecogFewShotPrompts.json": [
        {
            "prompt": "\n\nHuman: A talk of (H) and (A):\n\nH: May I?\n\nA:  Ask.\n\nH: So?\n\n{}\n"
            " (A) [[[No.\n\nNever.]]]\n (B) [[[Yes.]]]\n\nAssistant: Let's think step by step: (A) is rude.\n\nSo (B)."
            "\n\nHuman:\nThat makes: (B)"
        }
    ],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, content in FILES.items():
        (tmp_path / name).write_text(json.dumps(content), encoding="utf-8")
    return tmp_path


def test_principles_lose_the_words_that_templates_have(folder: Path) -> None:
    read = load_constitution(str(folder))
    assert read.principles == (
        Principle("odd0", "harmlessness", "What is odd: say it.", "Make it even."),
        Principle("comparison0", "harmlessness", comparison="Which is even?"),
        Principle("comparison1", "harmlessness", comparison="Which is not odd?"),
    )


def test_examples_are_taken_apart(folder: Path) -> None:
    read = load_constitution(str(folder))
    talk = "Human: May I?\n\nAssistant: Ask me.\n\nHuman: May I: really?"
    whole = CritiqueExample(
        talk, "You may.\n\nYes.", "What is odd?", "Too short.\n\nIt is.", "You may, gladly.", "Write more."
    )
    assert read.critiques == (whole, whole)
    assert read.comparisons == (
        ComparisonExample("Human: May I?", "Which is even?", "Yes.", "No.", "A"),
        ComparisonExample("Human: May I?", "Which is not odd?", "No.", "Yes.", "B"),
        ComparisonExample("Human: May I?", "Which is even?", "Yes.", "No.", "A"),
    )
    talk = "Human: May I?\n\nAssistant: Ask.\n\nHuman: So?"
    assert read.reasoned == (
        ComparisonExample(talk, "Which is even?", "No.\n\nNever.", "Yes.", "B", "(A) is rude.\n\nSo (B)."),
    )


def test_files_may_be_missing_but_not_all(folder: Path) -> None:
    for name in FILES:
        if name != "RLMadisonInstructions.json":
            (folder / name).unlink()
    assert [principle.id for principle in load_constitution(str(folder)).principles] == ["comparison0", "comparison1"]
    (folder / "RLMadisonInstructions.json").unlink()
    with pytest.raises(UserError, match=r"holds neither CritiqueRevisionInstructions\.json nor"):
        load_constitution(str(folder))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("CritiqueRevisionInstructions.json", '{"a": {"prompt": ["Hm"], "edit_request": "Hm"}}', "entry 1: not as"),
        ("CritiqueRevisionInstructions.json", '{"a": {}}', "entry 1: not as released .*KeyError"),
        ("CritiqueRevisionFewShotPrompts.json", '["Human: a\\n\\nAssistant: b"]', "entry 1: not as released"),
        ("RLMadisonFewShotPrompts.json", '[{"prompt": "a", "corrects": [], "incorrects": ["b"]}]', "entry 1"),
        ("RLMadisonPrecogFewShotPrompts.json", '[{"prompt": "a"}]', "has another form"),
        ("RLMadisonInstructions.json", "[", "cannot be read"),
        ("RLMadisonInstructions.json", "3", "holds a int"),
        ("RLMadisonInstructions.json", '"abc"', "holds a str"),
        ("RLMadisonInstructions.json", '[""]', "asks for nothing"),
    ],
)
def test_what_is_not_as_released_is_refused(folder: Path, name: str, content: str, message: str) -> None:
    (folder / name).write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=message):
        load_constitution(str(folder))


def test_the_released_files_are_read(data_dir: Path) -> None:
    read = load_constitution(str(data_dir / "cai" / "prompts"))
    assert (len(read.revising), len(read.comparing)) == (16, 16)
    assert (len(read.critiques), len(read.comparisons), len(read.reasoned)) == (5, 5, 6)
    assert [example.label for example in read.reasoned] == ["B", "B", "A", "B", "A", "B"]
    for text in (
        *(text for each in read.principles for text in (each.critique, each.revision, each.comparison)),
        *(text for each in read.critiques for text in vars(each).values()),
        *(text for each in (*read.comparisons, *read.reasoned) for text in vars(each).values()),
    ):
        assert text == text.strip()
        for mark in ("Request:", "Critique:", "Revision:", "[[[", "]]]", "Options:", "{}", "step by step:"):
            assert mark not in text
