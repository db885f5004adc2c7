"""A quiz: questions with a few answers each, of which the first in the file is right."""

from collections.abc import Iterator, Sequence
from typing import ClassVar

from pydantic import BaseModel

from cai_eval.contracts import Item, Kind, Metric, Policy, Published, Record, Request, Scored, Scorer, Source
from cai_eval.data import Row, item_id, read
from cai_eval.dialogue import continuation, exchange
from cai_eval.scoring import score_items, share_of_best

QUESTIONS = Published(name="quiz", file="quiz.jsonl", source="the folder of this package", licence="CC0")


class Quiz:
    """The answer with the highest log-probability is the model's; answers that tie share the credit."""

    name: ClassVar[str] = "quiz"
    version: ClassVar[str] = "1"
    title: ClassVar[str] = "Quiz"
    data: ClassVar[tuple[Published, ...]] = (QUESTIONS,)
    accepts: ClassVar[frozenset[Kind]] = frozenset({"policy"})

    class Config(BaseModel, frozen=True, extra="forbid"):
        """per_token: compare the mean log-probability of a token, not the sum."""

        per_token: bool = False

    def __init__(self, config: Config) -> None:
        self.config = config

    def metrics(self) -> Sequence[Metric]:
        return [Metric("accuracy", "accuracy", chance="chance", primary=True)]

    def items(self, source: Source) -> list[Item]:
        return read(source, QUESTIONS, to_item)

    def evaluate(self, subject: Policy | Scorer, items: Sequence[Item]) -> Iterator[Record]:
        assert isinstance(subject, Policy)

        def ask(item: Item) -> list[Request]:
            context = exchange(item.data["question"], subject.format)
            return [Request(context, continuation(answer)) for answer in item.data["answers"]]

        return score_items(subject, items, ask, self.judge)

    def judge(self, item: Item, asked: Sequence[Request], scored: Sequence[Scored]) -> Record:
        """The record of one question from the scores of its answers."""
        answers = item.data["answers"]
        values = [score.mean if self.config.per_token else score.total for score in scored]
        return Record(
            item.id,
            item.cluster,
            item.category,
            scores={"accuracy": share_of_best(values, right=0), "chance": 1 / len(answers)},
            prompt=asked[0].context,
            answer=answers[values.index(max(values))],
            reference=answers[0],
            details={"options": [{"text": a, "logprob": v} for a, v in zip(answers, values, strict=True)]},
        )


def to_item(row: Row) -> Item:
    """A row {question, answers, topic}; questions on one topic are not independent."""
    question, answers = row["question"], row["answers"]
    if len(answers) < 2:
        raise ValueError("a question needs at least two answers")
    return Item(item_id(question), row["topic"], row["topic"], {"question": question, "answers": answers})
