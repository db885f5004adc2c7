"""The package's own tests: the conformance suite, and one thing that only we can know."""

from pathlib import Path

from cai_eval_quiz.benchmark import Quiz

from cai_eval.data import PublishedSource
from cai_eval.testing import RowsSource, ToyPolicy, check_benchmark, check_report, check_trainer

ROWS = PublishedSource(Path(__file__).parents[1])


def test_quiz_keeps_the_promises_of_a_benchmark():
    check_benchmark("quiz", source=ROWS)
    check_benchmark("quiz", {"per_token": True}, source=ROWS)


def test_note_keeps_the_promises_of_a_trainer():
    check_trainer("note", {"text": "Answer in one word."})


def test_changes_keeps_the_promises_of_a_report():
    check_report("changes")


class LikesShort(ToyPolicy):
    def number(self, text: str) -> float:
        return -float(len(text))


def test_the_shortest_answer_wins_for_a_model_that_likes_short_texts():
    rows = [{"question": "Which is right?", "answers": ["no", "not this one"], "topic": "words"}]
    quiz = Quiz(Quiz.Config())
    (record,) = quiz.evaluate(LikesShort(), quiz.items(RowsSource({"quiz": rows})))
    assert record.scores == {"accuracy": 1.0, "chance": 0.5}
