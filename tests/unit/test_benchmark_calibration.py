import json
import math

import numpy as np
import pytest
import yaml
from pydantic import ValidationError
from scipy.special import log_softmax
from toy_policy import ToyPolicy

from cai_eval.benchmarks.calibration import Calibration
from cai_eval.data import PublishedSource
from cai_eval.errors import UserError
from cai_eval.lab.rows.facts import calibration
from cai_eval.lab.world import make_world
from cai_eval.lettered import NONE_OF_THE_ABOVE
from cai_eval.statistics.calibration import ece
from cai_eval.testing import RowsSource, check_benchmark

FORMS = ("lettered", "none-of-the-above", "true-false")
ROWS = calibration(make_world())
LABORATORY = RowsSource({"facts": ROWS})
MC1 = {"It is blue.": 1, "It is green.": 0, "Red.": 0}
TRUTHFUL = RowsSource(
    {"truthfulqa": [{"question": f"Which colour has sky {n}?", "mc1_targets": MC1} for n in range(20)]}
)


def benchmark(**config) -> Calibration:
    return Calibration(Calibration.Config(**config))


def evaluate(rule, source, format="plain", **config):
    policy = ToyPolicy(rule, format)
    built = benchmark(**config)
    return list(built.evaluate(policy, built.items(source))), policy.requests


def by_letter(**logprobs):
    return lambda request: [logprobs[request.continuation.strip(" ()")]]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("shots", [0, 2])
def test_keeps_the_promises_of_a_benchmark(form, shots):
    check_benchmark(Calibration, {"form": form, "shots": shots}, source=RowsSource({"facts": ROWS[:32]}))


def test_a_question_is_asked_in_both_formats():
    question = {**ROWS[0], "question": "What is it made of?", "choices": ["oak", "clay"], "answer": 1}
    for format, end in (("plain", "\nAnswer:"), ("dialogue", "\n\nAssistant:")):
        _, asked = evaluate(by_letter(A=-1, B=-2), RowsSource({"facts": [question]}), format)
        opening = "" if format == "plain" else "Human: "
        assert asked[0].context == f"{opening}Question: What is it made of?\nChoices:\n (A) oak\n (B) clay{end}"
        assert [request.continuation for request in asked] == [" (A)", " (B)"]


def test_scores_by_an_independent_computation():
    question = {**ROWS[0], "choices": ["oak", "clay", "tin"], "answer": 2, "probabilities": [0.5, 0.2, 0.3]}
    (record,), _ = evaluate(by_letter(A=-1, B=-3, C=-2), RowsSource({"facts": [question]}), temperature=2.5)
    logs = log_softmax(np.array([-1, -3, -2]) / 2.5)
    assert record.details["probabilities"] == pytest.approx(np.exp(logs))
    assert record.scores == pytest.approx(
        {
            "accuracy": 0,
            "confidence": math.exp(logs[0]),
            "brier": math.exp(logs[0]) ** 2,
            "log_score": -logs[2],
            "letters": math.exp(-1) + math.exp(-2) + math.exp(-3),
            "chance": 1 / 3,
            "share_error": np.abs(np.exp(logs) - [0.5, 0.2, 0.3]).mean(),
        }
    )
    assert (record.answer, record.reference) == ("oak", "tin")


def test_a_tie_shares_the_credit():
    records, _ = evaluate(lambda _: [-1.0], TRUTHFUL, questions="truthfulqa")
    assert {record.scores["accuracy"] for record in records} == {1 / 3}
    assert {record.answer for record in records} == {"(a tie)"}


def test_options_of_truthfulqa_are_shuffled_the_same_way_every_time():
    items = benchmark(questions="truthfulqa").items(TRUTHFUL)
    assert {item.data["answer"] for item in items} == {0, 1, 2}
    assert all(item.data["options"][item.data["answer"]] == "It is blue." for item in items)
    assert items == benchmark(questions="truthfulqa").items(TRUTHFUL)


def test_none_of_the_above_replaces_the_last_option_of_published_questions():
    plain = benchmark(questions="truthfulqa").items(TRUTHFUL)
    none = benchmark(questions="truthfulqa", form="none-of-the-above").items(TRUTHFUL)
    for before, after in zip(plain, none, strict=True):
        assert after.data["options"] == [*before.data["options"][:-1], NONE_OF_THE_ABOVE]
        assert after.data["answer"] == before.data["answer"]


def test_published_questions_that_end_in_none_of_the_above_are_questions_like_others():
    rows = [
        {"question": f"Which {n}?", "choices": ["one", end], "answer": 0}
        for n, end in enumerate(("two", NONE_OF_THE_ABOVE, "two"))
    ]
    rows.append(rows[0])  # MMLU repeats a few
    for form in ("lettered", "none-of-the-above"):
        items = benchmark(questions="mmlu", subjects=("virology",), form=form).items(
            RowsSource({"mmlu-virology": rows})
        )
        assert len({item.id for item in items}) == len(items) == 4
        assert items[3].cluster == items[0].cluster


def test_a_laboratory_has_questions_of_its_own_with_none_of_the_above():
    for form in ("lettered", "none-of-the-above"):
        items = benchmark(form=form).items(LABORATORY)
        assert len(items) == len(ROWS) / 2
        assert {item.data["options"][-1] == NONE_OF_THE_ABOVE for item in items} == {form != "lettered"}


def test_proposed_answers_are_right_half_of_the_time():
    items = benchmark(form="true-false").items(LABORATORY)
    assert np.mean([item.data["answer"] == 0 for item in items]) == 0.5
    row = {**ROWS[0], "choices": ["oak", "clay"], "answer": 1, "shares": [0.3, 0.6]}
    right, wrong = benchmark(form="true-false").items(RowsSource({"facts": [row]}))
    assert (right.data["proposed"], right.data["planted"]) == ("clay", [0.6, pytest.approx(0.4)])
    assert (wrong.data["proposed"], wrong.data["planted"]) == ("oak", [0.3, 0.7])
    assert right.cluster == wrong.cluster


def test_examples_are_other_questions_with_their_answers():
    built = benchmark(shots=2)
    items = built.items(RowsSource({"facts": ROWS[:80]}))
    known = {item.data["question"]: item.cluster for item in items}
    policy = ToyPolicy(by_letter(A=-1, B=-1, C=-1, D=-1, E=-1))
    for item in items:
        assert len(item.data["examples"]) == 2
        assert all(known[example["question"]] != item.cluster for example in item.data["examples"])
    list(built.evaluate(policy, items[:1]))
    first, second, last = policy.requests[0].context.split("\n\n")
    assert first.endswith(")")
    assert second.endswith(")")
    assert last.endswith("Answer:")
    with pytest.raises(UserError, match="shots"):
        built.items(RowsSource({"facts": ROWS[:2]}))


@pytest.mark.parametrize("form", FORMS)
def test_an_imitator_recovers_the_planted_shares_and_is_calibrated_on_the_fair_family_alone(form):
    """A policy that says what the documents say, asked through the benchmark: the proof of the planting."""
    built = benchmark(form=form)
    items = built.items(LABORATORY)
    planted = iter(share for item in items for share in item.data["planted"])
    records = list(built.evaluate(ToyPolicy(lambda _: [math.log(max(next(planted), 1e-9))]), items))
    assert max(record.scores["share_error"] for record in records) < 1e-6
    if form == "true-false":
        return  # by construction half are true, whatever the shares: recovery is its task
    found = {}
    for family in ("fair", "myth"):
        part = [record.scores for record in records if record.category == family]
        found[family] = ece([score["confidence"] for score in part], [score["accuracy"] for score in part])
    assert found["fair"] < 0.1
    assert found["myth"] > 0.3


def test_a_policy_without_a_number_gets_no_credit():
    records, _ = evaluate(lambda _: [math.nan], TRUTHFUL, questions="truthfulqa")
    assert all(record.error and not record.scores for record in records)


ARC_TEXTS = {"1": "Ice.", "2": "Air.", "3": "Sand."}
ARC_HUB = {
    "id": "q1",
    "question": "What melts?",
    "choices": {"text": [*ARC_TEXTS.values()], "label": [*ARC_TEXTS]},
    "answerKey": "2",
}
ARC_FILE = {
    "id": "q1",
    "question": {
        "stem": "What melts?",
        "choices": [{"text": text, "label": label} for label, text in ARC_TEXTS.items()],
    },
    "answerKey": "2",
}


def test_file_and_hub_give_the_same_questions_of_arc():
    for name in ("arc-easy", "arc-challenge"):
        (of_hub,), (of_file,) = (
            benchmark(questions=name).items(RowsSource({name: [row]})) for row in (ARC_HUB, ARC_FILE)
        )
        assert of_hub == of_file
        assert of_hub.data["options"] == ["Ice.", "Air.", "Sand."]
        assert of_hub.data["answer"] == 1


TASK = {
    "task": "sums",
    "output_type": "multiple_choice",
    "doc_to_text": "Question: {{question}}\nAnswer:",
    "doc_to_choice": "{{choices}}",
    "doc_to_target": "answer",
    "test_split": "test",
    "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
}
SUMS = [{"question": f"{n} and {n}?", "choices": ["1", str(2 * n), "none"], "answer": 1} for n in range(3, 9)]


@pytest.fixture
def task_of(tmp_path, monkeypatch):
    """Writes a task of lm-eval over rows of its own, gives its name here."""
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))

    def written(rows=SUMS, **changes):
        data, path = tmp_path / "rows.jsonl", tmp_path / "sums.yaml"
        data.write_text("".join(json.dumps(row) + "\n" for row in rows))
        files = {"dataset_path": "json", "dataset_kwargs": {"data_files": {"test": str(data)}}}
        path.write_text(yaml.safe_dump({**TASK, **files, **changes}))
        return f"lm-eval:{path}"

    return written


def test_any_multiple_choice_of_lm_eval_is_asked_with_letters(task_of):
    rows = [*SUMS, {"question": "1 and 1?", "choices": ["2", "3"], "answer": 0}]  # of another number of options
    built = benchmark(questions=task_of(rows))
    items = built.items(PublishedSource())
    policy = ToyPolicy(by_letter(A=-1, B=-0.5, C=-2))
    records = list(built.evaluate(policy, items))
    assert policy.requests[0].context == "Question: 3 and 3?\nChoices:\n (A) 1\n (B) 6\n (C) none\nAnswer:"
    assert [record.scores["accuracy"] for record in records] == [1] * 6 + [0]
    assert records[-1].scores["chance"] == 0.5
    by_text = benchmark(questions=task_of(doc_to_target="none")).items(PublishedSource())
    assert {item.data["answer"] for item in by_text} == {2}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"output_type": "loglikelihood", "doc_to_choice": None, "doc_to_target": "{{question}}"},
            "no options to letter",
        ),
        ({"doc_to_choice": ["A", "B", "C"]}, "letters its options itself"),
        ({"doc_to_target": "nothing of these"}, "does not ask for one of its options"),
    ],
)
def test_a_task_that_cannot_be_lettered_is_refused(task_of, changes, said):
    with pytest.raises(UserError, match=said):
        benchmark(questions=task_of(**changes)).items(PublishedSource())


def test_unknown_questions_are_refused_with_those_that_there_are():
    with pytest.raises(ValidationError, match="facts, truthfulqa, mmlu, arc-easy"):
        Calibration.Config(questions="arc")
    with pytest.raises(UserError, match="lm-eval task"):
        benchmark(questions="lm-eval:no-such-task").items(PublishedSource())


def test_an_unknown_subject_is_named():
    with pytest.raises(ValidationError, match="no subject 'alchemy'"):
        Calibration.Config(subjects=("alchemy",))


def test_published_truthfulqa(data_dir):
    items = benchmark(questions="truthfulqa").items(PublishedSource(data_dir))
    assert len({item.id for item in items}) == len(items) == 817
    sizes = [len(item.data["options"]) for item in items]
    assert (min(sizes), max(sizes)) == (2, 13)


def test_published_mmlu(data_dir):
    subjects = ("marketing", "moral_disputes")
    items = benchmark(questions="mmlu", subjects=subjects).items(PublishedSource(data_dir))
    assert [sum(item.category == subject for item in items) for subject in subjects] == [234, 346]
    assert all(len(item.data["options"]) == 4 for item in items)
    lines = (data_dir / "mmlu" / "test" / "marketing_test.csv").read_text(encoding="utf-8")
    assert lines.startswith((items[0].data["question"], f'"{items[0].data["question"]}'))
    assert lines.split("\n")[0].endswith("ABCD"[items[0].data["answer"]])


def test_file_and_hub_give_the_same_questions_of_mmlu(data_dir):
    config = {"questions": "mmlu", "subjects": ("marketing",)}
    local = benchmark(**config).items(PublishedSource(data_dir))
    hub = [
        {
            "question": item.data["question"],
            "subject": "marketing",
            "choices": item.data["options"],
            "answer": item.data["answer"],
        }
        for item in local
    ]
    assert benchmark(**config).items(RowsSource({"mmlu-marketing": hub})) == local
