"""The words of the HHH prompt and of the neutral text: their size, their manners, and nothing from an evaluation."""

import csv
import gzip
import json
import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from cai_eval.dialogue import Prompt, parse_prompt

HHH = files("cai_eval.trainers.hhh_prompt").joinpath("hhh.txt").read_text("utf-8")
NEUTRAL = files("cai_eval.trainers.neutral_prefix").joinpath("neutral.txt").read_text("utf-8")
EVALUATIONS = (
    "hhh_alignment/hhh_alignment_eval.json",
    "cai/evals/438HHHEvaluations.jsonl",
    "truthfulqa/mc_task.json",
    "lambada/lambada_test.jsonl",
    "gsm8k/test.jsonl",
    "humaneval/HumanEval.jsonl.gz",
    "mbpp/mbpp.jsonl",
    "hh-rlhf/harmless-base_test.jsonl.gz",
    "mmlu/test/*.csv",
    "mmlu/dev/*.csv",
)
REFUSALS = re.compile(
    r"i(?:'m| am) sorry,? but|i can(?:'t|not) (?:help|assist|do that|answer|comply)|i won't|unable to|i must decline"
    r"|as an ai|language model|not appropriate|against my|harmful|illegal|dangerous",
    re.IGNORECASE,
)


@pytest.fixture(scope="module")
def prompt() -> Prompt:
    return parse_prompt(HHH, "hhh.txt")


def test_the_prompt_has_the_papers_size(prompt: Prompt) -> None:
    assert len(prompt.conversations) == 14
    assert 4_400 <= len(HHH.split()) <= 4_800
    assert 60 <= len(prompt.opening.split()) <= 140


def test_the_file_is_exactly_what_is_rendered(prompt: Prompt) -> None:
    assert prompt.render() + "\n" == HHH


def test_a_human_starts_and_the_two_take_turns(prompt: Prompt) -> None:
    for conversation in prompt.conversations:
        assert [turn.role for turn in conversation] == ["Human", "Assistant"] * (len(conversation) // 2)


def test_conversations_differ_in_length_and_turns(prompt: Prompt) -> None:
    words = [sum(len(turn.text.split()) for turn in c) for c in prompt.conversations]
    assert max(words) > 2 * min(words)
    assert len({len(c) for c in prompt.conversations}) >= 3


def test_the_assistant_refuses_nothing(prompt: Prompt) -> None:
    assert REFUSALS.search("I'm sorry, but I can't help with that.")
    replies = [turn.text for talk in prompt.conversations for turn in talk if turn.role == "Assistant"]
    assert not any(map(REFUSALS.search, replies))


def test_the_code_in_the_prompt_does_what_is_said_of_it() -> None:
    first, second = re.findall(r"(?:from itertools.*?\n\n)?def running_mean.*?(?=\n\n[A-Zp])", HHH, re.DOTALL)
    wrong, right = _define(first), _define(second)
    mended = _define(first.replace("len(values) - size)", "len(values) - size + 1)"))
    assert wrong([2, 4, 6, 8], 2) == [3.0, 5.0]
    assert wrong([2, 4], 2) == []
    for fixed in (mended, right):
        assert fixed([2, 4, 6, 8], 2) == [3.0, 5.0, 7.0]
        assert fixed([2, 4], 2) == [3.0]
        assert fixed([2, 4], 3) == []
        with pytest.raises(ZeroDivisionError):
            fixed([2, 4], 0)


def test_the_neutral_text_asks_and_advises_nothing() -> None:
    assert len(NEUTRAL.split()) > 1.3 * len(HHH.split())
    assert not re.search(r"\?|\b(?:you|your|I|we|should|must|please|human|assistant)\b|-----", NEUTRAL, re.IGNORECASE)


def test_the_neutral_text_does_not_repeat_itself() -> None:
    words = _words(NEUTRAL)
    grams = [tuple(words[i : i + 8]) for i in range(len(words) - 7)]
    assert len(set(grams)) == len(grams)


@pytest.mark.parametrize("text", [HHH, NEUTRAL], ids=["hhh", "neutral"])
def test_no_eight_words_in_a_row_come_from_an_evaluation(text: str, data_dir: Path) -> None:
    ours = _grams(text)
    shared: dict[str, set[str]] = {}
    for pattern in EVALUATIONS:
        paths = sorted(data_dir.glob(pattern))
        assert paths, f"{pattern} is missing"
        for path in paths:
            strings = list(_strings(path))
            assert sum(len(_words(s)) >= 8 for s in strings) >= 4, f"nothing was read from {path.name}"
            for string in strings:
                shared.setdefault(path.name, set()).update(" ".join(gram) for gram in ours & _grams(string))
    assert not any(shared.values()), shared


def test_an_overlap_would_be_seen() -> None:
    quoted = "...“The kettle clicks -- the house: is still ASLEEP, i” hold"
    assert _grams(quoted) & _grams(HHH)


def _define(source: str) -> Any:
    space: dict[str, Any] = {}
    exec(source, space)
    return space["running_mean"]


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", re.sub(r"['’]", "", text.lower()))


def _grams(text: str, size: int = 8) -> set[tuple[str, ...]]:
    words = _words(text)
    return {tuple(words[i : i + size]) for i in range(len(words) - size + 1)}


def _strings(path: Path) -> Iterator[str]:
    text = (gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()).decode("utf-8")
    if path.suffix == ".csv":
        yield from (" ".join(row) for row in csv.reader(text.splitlines()))
    elif path.suffix == ".json":
        yield from _leaves(json.loads(text))
    else:
        for line in text.splitlines():
            yield from _leaves(json.loads(line))


def _leaves(value: Any) -> Iterator[str]:
    """Every string in a JSON value, keys too: TruthfulQA's choices are keys."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from _leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner)
