"""Questions with options, of which one is right: MMLU, ARC, TruthfulQA, a task of lm-eval, a laboratory's facts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from random import Random
from string import ascii_uppercase
from typing import Any

from cai_eval.contracts import Published, Source
from cai_eval.data import Row, item_id, read
from cai_eval.errors import UserError
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
ARC = {
    f"arc-{name.lower()}": Published(
        name=f"arc-{name.lower()}",
        file=f"ARC-{name}/ARC-{name}-Test.jsonl",
        hub=("allenai/ai2_arc", f"ARC-{name}", "test"),
        source="https://allenai.org/data/arc",
        licence="CC-BY-SA-4.0",
    )
    for name in ("Easy", "Challenge")
}
HARNESS = "lm-eval:"  #: stands before the name of a task of lm-eval
SETS = ("facts", "truthfulqa", "mmlu", *ARC)


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


def questions(name: str, source: Source, subjects: Sequence[str] = SUBJECTS) -> list[Question]:
    """One of the SETS, or what a task of lm-eval asks ("lm-eval:piqa"). Raises UserError where it cannot be had."""
    if name.startswith(HARNESS):
        return harness(name.removeprefix(HARNESS))
    if name in ARC:
        return read(source, ARC[name], _arc)
    if name == "mmlu":
        return mmlu(source, subjects)
    return truthfulqa(source) if name == "truthfulqa" else facts(source)


def facts(source: Source) -> list[Question]:
    """A laboratory's; the category is the family of the fact."""
    return read(source, FACTS, _fact)


def truthfulqa(source: Source) -> list[Question]:
    """The 817, their options in an order drawn for each, for the file lists the right one first."""
    return read(source, TRUTHFULQA, _truthfulqa)


def mmlu(source: Source, subjects: Sequence[str] = SUBJECTS) -> list[Question]:
    """The subjects in a row, each a category."""
    return [question for subject in subjects for question in _subject(source, MMLU[SUBJECTS.index(subject)])]


def harness(name: str) -> list[Question]:
    """Those of a multiple-choice task of lm-eval, from its own data set; of a group, each task is a category.

    The text is what the task asks, without the words that say where question and answer begin. Raises UserError for
    a task of another kind.
    """
    from cai_eval.inference.lm_eval_tasks import load_tasks

    tasks = load_tasks(name)
    found = []
    for category, task in tasks.items():
        if task.OUTPUT_TYPE != "multiple_choice" or task.multiple_input:
            raise UserError(f"lm-eval task {category!r} has no options to letter: take one of multiple choice.")
        try:
            found += [_of_task(task, document, category if len(tasks) > 1 else "") for document in task.eval_docs]
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise UserError(
                f"lm-eval task {category!r} does not ask for one of its options ({type(error).__name__}: {error}): "
                "take another."
            ) from error
    if all(set(question.options) <= set(ascii_uppercase) for question in found):
        raise UserError(
            f"lm-eval task {name!r} letters its options itself, in words of its own: measure it as benchmark "
            f"'lm-eval:{name}', or take a task whose options are texts."
        )
    return found


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


def _arc(row: Row) -> Question:
    text, choices = row["question"], row.get("choices")
    if choices:  # the hub's form
        options, labels = choices["text"], choices["label"]
    else:
        text, choices = text["stem"], text["choices"]
        options, labels = ([choice[key] for choice in choices] for key in ("text", "label"))
    return _question(text, options, labels.index(row["answerKey"]), "")


def _of_task(task: Any, document: Any, category: str) -> Question:
    options, target = [str(option) for option in task.doc_to_choice(document)], task.doc_to_target(document)
    text = str(task.doc_to_text(document)).strip()
    for opening, end in (("Question:", "Answer:"), ("Q:", "A:")):
        text = text.removeprefix(opening).removesuffix(end).strip()
    return _question(text, options, options.index(target) if isinstance(target, str) else int(target), category)


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
