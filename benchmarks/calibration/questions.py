"""Questions with options, of which one is right: from MMLU, TruthfulQA, or a laboratory's facts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from random import Random

from cai_eval.contracts import Published, Source
from cai_eval.data import Row, item_id, read
from cai_eval.lettered import NONE_OF_THE_ABOVE

SUBJECTS = tuple((files(__package__) / "mmlu.txt").read_text(encoding="utf-8").split())  #: of MMLU

FACTS = Published(
    name="facts", file="facts.jsonl", source="a laboratory (--ladder lab); no published file has planted probabilities"
)
TRUTHFULQA = Published(
    name="truthfulqa",
    file="mc_task.json",
    sha256="75b84d5cc8f0e287c055db1857808e734ea53ade8ee68aad2d007f38896330a8",
    hub=("truthfulqa/truthful_qa", "multiple_choice", "validation"),
    source="https://github.com/sylinrl/TruthfulQA",
    licence="Apache-2.0",
)
MMLU = tuple(
    Published(
        name=f"mmlu-{subject}",
        file=f"test/{subject}_test.csv",
        hub=("cais/mmlu", subject, "test"),
        source="https://github.com/hendrycks/test",
        licence="MIT",
    )
    for subject in SUBJECTS
)


@dataclass(frozen=True)
class Question:
    """answer: the number of the right option.

    planted: how often texts choose each option, and shares: how often they say it unasked, where a laboratory knows.
    """

    text: str
    options: tuple[str, ...]
    answer: int
    category: str
    cluster: str
    planted: tuple[float, ...] = ()
    shares: tuple[float, ...] = ()

    @property
    def id(self) -> str:
        """A digest of what is asked."""
        return item_id(self.text, *self.options)

    @property
    def written_with_none(self) -> bool:
        """Whether a laboratory wrote it for that variant; its planted probabilities belong to these very options."""
        return bool(self.planted) and self.options[-1] == NONE_OF_THE_ABOVE


def facts(source: Source) -> list[Question]:
    """A laboratory's; the category is the family of the fact."""
    return read(source, FACTS, _fact)


def truthfulqa(source: Source) -> list[Question]:
    """The 817, their options in an order drawn for each, for the file lists the right one first."""
    return read(source, TRUTHFULQA, _truthfulqa)


def mmlu(source: Source, subjects: Sequence[str] = SUBJECTS) -> list[Question]:
    """The subjects in a row, each a category."""
    return [question for subject in subjects for question in _subject(source, MMLU[SUBJECTS.index(subject)])]


def with_none(questions: Sequence[Question]) -> list[Question]:
    """Each with "none of the above" in place of its last option (§3.2); a laboratory has such questions of its own."""
    return [question for question in questions if question.written_with_none] or [
        replace(question, options=(*question.options[:-1], NONE_OF_THE_ABOVE)) for question in questions
    ]


def without_none(questions: Sequence[Question]) -> list[Question]:
    """Those that a laboratory did not write for the other variant."""
    return [question for question in questions if not question.written_with_none]


def _fact(row: Row) -> Question:
    return Question(
        row["question"],
        tuple(row["choices"]),
        int(row["answer"]),
        row["family"],
        row["cluster"],
        tuple(row["probabilities"]),
        tuple(row["shares"]),
    )


def _truthfulqa(row: Row) -> Question:
    text, targets = row["question"].strip(), row["mc1_targets"]
    if set(targets) == {"choices", "labels"}:  # the hub's form
        targets = dict(zip(targets["choices"], targets["labels"], strict=True))
    options = sorted(targets)
    Random(text).shuffle(options)
    return _question(text, options, [targets[option] for option in options].index(1), "")


def _subject(source: Source, data: Published) -> list[Question]:
    category = data.name.removeprefix("mmlu-")

    def asked(text: str, options: Sequence[str], answer: int) -> Question:
        return _question(text, options, answer, category)

    def of(row: Row) -> list[Question]:
        if "choices" in row:  # the hub's form
            return [asked(row["question"], row["choices"], int(row["answer"]))]
        cells = (tuple(row), tuple(row.values()))  # the file has no header: its first line was read as one
        return [asked(text, options, "ABCD".index(letter)) for text, *options, letter in cells]

    found = read(source, data, of)
    return [*found[0][:-1], *(questions[-1] for questions in found)]


def _question(text: str, options: Sequence[str], answer: int, category: str) -> Question:
    if not 0 <= answer < len(options) or len(options) < 2:
        raise ValueError("expected at least two options, one of them right")
    text = text.strip()
    return Question(text, tuple(option.strip() for option in options), answer, category, item_id(text))
