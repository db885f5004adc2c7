"""The prompts that Bai et al. 2022b released, read as they are (github.com/anthropics/ConstitutionalHarmlessnessPaper).

A folder holds `CritiqueRevisionInstructions.json`, `RLMadisonInstructions.json`, or both, and may hold the examples:
`CritiqueRevisionFewShotPrompts.json`, `RLMadisonFewShotPrompts.json` and `RLMadisonPrecogFewShotPrompts.json` (with
reasoning). The files mix content with form; only the content is taken, and put into our default templates.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, TypeVar

from cai_eval.config import Location, Where
from cai_eval.constitution.schema import ComparisonExample, Constitution, CritiqueExample, Principle
from cai_eval.contracts import JSON
from cai_eval.errors import UserError

CRITIQUES = "CritiqueRevisionInstructions.json"
COMPARISONS = "RLMadisonInstructions.json"
CRITIQUE_EXAMPLES = "CritiqueRevisionFewShotPrompts.json"
COMPARISON_EXAMPLES = "RLMadisonFewShotPrompts.json"
REASONED_EXAMPLES = "RLMadisonPrecogFewShotPrompts.json"

T = TypeVar("T")

_REQUEST = re.compile(r"\s*(?:Critique|Revision) ?Request:(.*?)(?:Critique|Revision):\s*", re.DOTALL)
_CHAIN = re.compile(
    r"\s*(?P<conversation>Human:.*)\n\nAssistant:(?P<answer>.*?)"
    r"\n\nCritique ?Request:(?P<critique_request>.*?)\n\nCritique:(?P<critique>.*?)"
    r"\n\nRevision ?Request:(?P<revision_request>.*?)\n\nRevision:(?P<revision>.*?)(?:\n\nHuman:)?\s*",
    re.DOTALL,
)
_REASONED = re.compile(
    r"\s*Human:[^\n]*\n\n(?P<talk>H:.*?)\n\n\{\}\s*"
    r"\(A\) \[\[\[(?P<first>.*?)\]\]\]\s*\(B\) \[\[\[(?P<second>.*?)\]\]\]\s*"
    r"Assistant:(?: Let's think step by step:)?(?P<reasoning>.*?)\n\nHuman:[^\n]*\n[^\n]*\((?P<label>[AB])\)\s*",
    re.DOTALL,
)
_SHORT_TURN = re.compile(r"(?:^|(?<=\n\n))(H|A):\s*")
_ROLES = {"H": "Human: ", "A": "Assistant: "}


def read_released(folder: Path) -> tuple[Constitution, Where]:
    """The constitution of a folder, and what to say before a problem in it.

    Comparison examples take the principles in turn, as they come without any. Raises UserError that names the file and
    the entry.
    """
    revising = _entries(folder / CRITIQUES, _revising)
    comparing = _entries(folder / COMPARISONS, _comparing)
    if not revising and not comparing:
        raise UserError(f"{folder} holds neither {CRITIQUES} nor {COMPARISONS}: give the folder that they are in.")
    requests = [principle.comparison for principle in comparing] or [""]
    constitution = Constitution(
        name=folder.name,
        title="Released with Bai et al. 2022b",
        principles=(*revising, *comparing),
        critiques=tuple(_entries(folder / CRITIQUE_EXAMPLES, _critique_example)),
        comparisons=tuple(_entries(folder / COMPARISON_EXAMPLES, lambda n, row: _comparison_example(n, row, requests))),
        reasoned=tuple(_entries(folder / REASONED_EXAMPLES, lambda n, row: _reasoned_example(n, row, requests))),
    )

    def where(location: Location) -> str:
        return f"{folder}, {' '.join(map(str, location))}"

    return constitution, where


def _entries(path: Path, parse: Callable[[int, JSON], T]) -> list[T]:
    """What a file holds, none where there is no such file; of an object, its items."""
    if not path.exists():
        return []
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise UserError(f"{path} cannot be read ({error}): get it again.") from None
    entries = list(data.items()) if isinstance(data, dict) else data
    if not isinstance(entries, list):
        raise UserError(f"{path} holds a {type(data).__name__}, not as released: get it again.")
    parsed = []
    for number, entry in enumerate(entries):
        try:
            parsed.append(parse(number, entry))
        except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
            raise UserError(
                f"{path}, entry {number + 1}: not as released ({type(error).__name__}: {error}): get the file again."
            ) from None
    return parsed


def _revising(number: int, entry: JSON) -> Principle:
    name, requests = entry
    critique, revision = (
        _matched(_REQUEST, text)[1].strip() for text in (requests["prompt"][0], requests["edit_request"])
    )
    return Principle(name, "harmlessness", critique=critique, revision=revision)


def _comparing(number: int, entry: JSON) -> Principle:
    return Principle(f"comparison{number}", "harmlessness", comparison=entry.strip().removesuffix("Options:").strip())


def _critique_example(number: int, entry: JSON) -> CritiqueExample:
    return CritiqueExample(**{name: text.strip() for name, text in _matched(_CHAIN, entry).groupdict().items()})


def _comparison_example(number: int, entry: JSON, requests: Sequence[str]) -> ComparisonExample:
    """The right answer comes first in every second example."""
    answers = [entry["corrects"][0].strip(), entry["incorrects"][0].strip()]
    label: Literal["A", "B"] = "B" if number % 2 else "A"
    first, second = answers if label == "A" else answers[::-1]
    conversation = entry["prompt"].strip().removesuffix("Assistant:").strip()
    return ComparisonExample(conversation, requests[number % len(requests)], first, second, label)


def _reasoned_example(number: int, entry: JSON, requests: Sequence[str]) -> ComparisonExample:
    parts = {name: text.strip() for name, text in _matched(_REASONED, entry["prompt"]).groupdict().items()}
    conversation = _SHORT_TURN.sub(lambda turn: _ROLES[turn[1]], parts["talk"])
    return ComparisonExample(
        conversation,
        requests[number % len(requests)],
        parts["first"],
        parts["second"],
        "A" if parts["label"] == "A" else "B",
        parts["reasoning"],
    )


def _matched(pattern: re.Pattern[str], text: str) -> re.Match[str]:
    match = pattern.fullmatch(text)
    if match is None:
        raise ValueError("the text has another form")
    return match
