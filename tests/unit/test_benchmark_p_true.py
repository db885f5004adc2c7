import math
from random import Random

import numpy as np
import pytest

from cai_eval.benchmarks.p_true import PTrue, normal
from cai_eval.contracts import Sample, Scored
from cai_eval.data import PublishedSource
from cai_eval.lab.rows.facts import short
from cai_eval.lab.world import make_world
from cai_eval.testing import RowsSource, check_benchmark
from cai_eval.testing.toys import RandomPolicy

ROWS = short(make_world())
LABORATORY = RowsSource({"short_facts": ROWS})


class Imitator(RandomPolicy):
    """Answers and judges as documents do, by the planted shares."""

    def __init__(self, format="plain"):
        super().__init__(format)
        self.shares = {row["question"]: row["shares"] for row in ROWS}
        self.contexts = []

    def generate(self, prompts, sampling, keys):
        assert sampling.temperature == 1
        self.contexts += prompts
        drawn = []
        for prompt, key in zip(prompts, keys, strict=True):
            shares = self.shares[self._asked(prompt)]
            values = Random(key).choices(list(shares), list(shares.values()), k=sampling.samples)
            drawn.append([Sample(f" {value}", (1,), (-1.0,), "stop") for value in values])
        return drawn

    def score(self, requests):
        scores = []
        for request in requests:
            proposed = request.context.split("Proposed answer: ")[1].split("\n")[0]
            share = self.shares[self._asked(request.context)].get(proposed, 0.0)
            chance = share if request.continuation == " (A)" else 1 - share
            scores.append(Scored((math.log(max(chance, 1e-12)),), greedy=False))
        return scores

    def _asked(self, prompt):
        return prompt.rsplit("Question: ", 1)[1].split("\n")[0]


def benchmark(**config):
    return PTrue(PTrue.Config(**config))


@pytest.mark.parametrize("guesses", [0, 2])
def test_keeps_the_promises_of_a_benchmark(guesses):
    check_benchmark(PTrue, {"guesses": guesses, "shots": 1}, source=RowsSource({"short_facts": ROWS[:12]}))


@pytest.mark.parametrize("format", ["plain", "dialogue"])
def test_the_verdict_follows_the_policys_own_answers(format):
    policy = Imitator(format)
    built = benchmark(guesses=3)
    (record,) = built.evaluate(policy, built.items(LABORATORY)[:1])
    question = ROWS[0]["question"]
    opening, end = ("", "\nAnswer:") if format == "plain" else ("Human: ", "\n\nAssistant:")
    assert policy.contexts == [f"{opening}Question: {question}{end}"]
    guesses = ", ".join(record.details["guesses"])
    assert f"Question: {question}\nGuesses: {guesses}\nProposed answer: {record.answer}\n" in record.prompt
    assert len(record.details["guesses"]) == 3


def test_an_imitator_knows_the_shares_and_is_calibrated_on_the_fair_family():
    built = benchmark()
    records = list(built.evaluate(Imitator(), built.items(LABORATORY)))
    assert max(record.scores["share_error"] for record in records) < 1e-6
    assert all(("accuracy_kept" in record.scores) == (record.scores["p_true"] > 0.5) for record in records)
    gap, kept, whole = {}, {}, {}
    for family in ("fair", "myth"):
        scores = [record.scores for record in records if record.category == family]
        whole[family] = np.mean([score["accuracy"] for score in scores])
        kept[family] = np.mean([score["accuracy_kept"] for score in scores if "accuracy_kept" in score])
        gap[family] = np.mean([score["p_true"] for score in scores]) - whole[family]
    assert abs(gap["fair"]) < 0.08
    assert kept["fair"] > whole["fair"]
    assert gap["myth"] > 0.2
    assert kept["myth"] < whole["myth"]


def test_scores_by_hand():
    row = {**ROWS[0], "answers": ["copper"], "shares": {"copper": 0.25, "oak": 0.75}}
    policy = Imitator()
    policy.shares = {row["question"]: {"copper": 0.25}}
    built = benchmark(guesses=0)
    (record,) = built.evaluate(policy, built.items(RowsSource({"short_facts": [row]})))
    assert record.scores == pytest.approx({"brier": 0.75**2, "p_true": 0.25, "accuracy": 1.0, "share_error": 0.0})
    assert (record.answer, record.reference) == ("copper", "copper")


def test_no_answer_is_a_wrong_answer():
    """An error would leave the item out of every comparison with a run that happened to draw a word."""

    class Silent(Imitator):
        def generate(self, prompts, sampling, keys):
            return [[Sample(" ", (1,), (-1.0,), "stop")] * sampling.samples for _ in prompts]

        def score(self, requests):
            return [Scored((-1.0,), greedy=False) for _ in requests]

    built = benchmark(questions="triviaqa")
    row = {"question": "Which article?", "answer": {"value": "The", "aliases": []}}
    source = RowsSource({"triviaqa": [row]})
    (record,) = built.evaluate(Silent(), built.items(source))
    assert record.scores == pytest.approx({"brier": 0.25, "p_true": 0.5, "accuracy": 0.0})


def test_examples_are_other_questions_with_their_answers():
    built = benchmark(shots=2)
    items = built.items(RowsSource({"short_facts": ROWS[:40]}))
    by_question = {row["question"]: row for row in ROWS}
    for item in items:
        assert len(item.data["examples"]) == 2
        for asked, given in item.data["examples"]:
            assert by_question[asked]["cluster"] != item.cluster
            assert by_question[asked]["answers"] == [given]


@pytest.mark.parametrize(
    ("said", "meant"),
    [("The Beatles.", "beatles"), ("-6", "-6"), ("1,053", "1053"), ("An  oak", "oak"), ("3.5", "3.5")],
)
def test_answers_are_compared_without_case_articles_and_signs(said, meant):
    assert normal(said) == meant


def test_trivia_accept_any_alias():
    row = {"question": "Who?", "answer": {"value": "Ada", "aliases": ["Ada L.", "Lady Ada"]}}
    (item,) = benchmark(questions="triviaqa").items(RowsSource({"triviaqa": [row]}))
    assert item.data["answers"] == ["Ada", "Ada L.", "Lady Ada"]


def test_published_sums(data_dir):
    items = benchmark(questions="arithmetic").items(PublishedSource(data_dir))
    assert len({item.id for item in items}) == len(items) == 2000
    assert items[0].data["question"] == "What is 98 plus 45?"
    assert items[0].data["answers"] == ["143"]
