import json
import math
import re
from pathlib import Path

import pytest
import yaml
from toy_policy import ToyPolicy

from cai_eval.benchmarks.lm_eval import LMEval
from cai_eval.contracts import Sample
from cai_eval.errors import UserError
from cai_eval.study.plan import items_digest
from cai_eval.testing import RowsSource, check_benchmark

QUESTIONS = [
    {"question": f"What is {n} and {n}?", "choices": [str(n), f"{2 * n}", "none of both"], "answer": 1}
    for n in range(3, 9)
]
CHOICE = {
    "task": "sums",
    "output_type": "multiple_choice",
    "doc_to_text": "Q: {{question}}\nA:",
    "doc_to_choice": "{{choices}}",
    "doc_to_target": "answer",
    "metric_list": [
        {"metric": "acc", "aggregation": "mean", "higher_is_better": True},
        {"metric": "acc_norm", "aggregation": "mean", "higher_is_better": True},
    ],
}
LAST_WORD = {
    "task": "last",
    "output_type": "loglikelihood",
    "doc_to_text": "{{question}}",
    "doc_to_target": " {{choices[1]}}",
    "metric_list": [
        {"metric": "perplexity", "aggregation": "perplexity", "higher_is_better": False},
        {"metric": "acc", "aggregation": "mean", "higher_is_better": True},
    ],
}
SAID = {
    "task": "said",
    "output_type": "generate_until",
    "doc_to_text": "{{question}}",
    "doc_to_target": "{{choices[1]}}",
    "generation_kwargs": {"until": ["\n"], "max_gen_toks": 5},
    "filter_list": [
        {"name": "strict", "filter": [{"function": "take_first"}]},
        {
            "name": "loose",
            "filter": [{"function": "regex", "regex_pattern": r"(\d+)"}, {"function": "take_first"}],
        },
    ],
    "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
}
# as winogrande: the options are contexts, what follows is the same
FITS = {
    "task": "fits",
    "output_type": "multiple_choice",
    "doc_to_text": "answer",
    "doc_to_choice": "{{[question ~ ' ' ~ choices[0], question ~ ' ' ~ choices[1]]}}",
    "doc_to_target": "is what it is.",
    "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
}
INFORMED = CHOICE | {
    "task": "informed",
    "metric_list": [{"metric": "acc_mutual_info", "aggregation": "mean", "higher_is_better": True}],
}


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Writes a task file over rows, gives its path."""
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))

    def written(definition: dict, rows: list[dict] = QUESTIONS, **changes) -> str:
        data = tmp_path / "rows.jsonl"
        data.write_text("".join(json.dumps(row) + "\n" for row in rows))
        whole = {"dataset_path": "json", "dataset_kwargs": {"data_files": {"test": str(data)}}, "test_split": "test"}
        path = tmp_path / f"{definition['task']}.yaml"
        path.write_text(yaml.safe_dump(whole | definition | changes))
        return str(path)

    return written


def benchmark(path: str, **config) -> LMEval:
    return LMEval(LMEval.Config(task=path, **config))


def evaluate(path: str, policy, **config):
    made = benchmark(path, **config)
    return list(made.evaluate(policy, made.items(RowsSource())))


def total(question: str) -> str:
    """The right answer to the last question of a prompt."""
    return str(2 * int(re.findall(r"(\d+) and", question)[-1]))


def knows_sums(request) -> list[float]:
    return [-0.5 if request.continuation.strip() == total(request.context) else -2.0]


@pytest.mark.parametrize(
    "definition", [CHOICE, LAST_WORD, SAID, FITS, INFORMED], ids=lambda definition: definition["task"]
)
def test_keeps_the_promises_of_a_benchmark(write, definition):
    check_benchmark(f"lm-eval:{write(definition)}", source=RowsSource())


def test_multiple_choice(write):
    policy = ToyPolicy(knows_sums)
    record = evaluate(write(CHOICE), policy)[0]
    assert policy.requests[0].context == record.prompt == "Q: What is 3 and 3?\nA:"
    assert policy.requests[1].continuation == " 6"
    assert record.scores == {"acc": 1, "acc_norm": 0, "chance": 1 / 3}  # a twelve-letter option is long
    assert record.answer == record.reference == "6"
    assert record.details == {"options": ["3", "6", "none of both"], "logprobs": [-2, -0.5, -2]}


def test_options_may_be_contexts(write):
    record = evaluate(write(FITS), ToyPolicy(lambda request: [-1.0 + ("? 6" in request.context)]))[0]
    assert record.scores == {"acc": 1, "chance": 0.5}
    assert record.answer == record.reference == "What is 3 and 3? 6"


def test_mutual_information_takes_away_what_an_option_has_alone(write):
    def rule(request) -> list[float]:  # the right option is the least probable, and gains the most
        right = request.continuation == " 6"
        return [-5.0 + right] if request.context else [-6.0 - 3 * right]

    record = evaluate(write(INFORMED), ToyPolicy(rule))[0]
    assert record.scores == {"acc_mutual_info": 1, "chance": 1 / 3}
    assert len(record.details["logprobs"]) == 3


def test_perplexity_is_a_loss_and_accuracy_is_primary(write):
    path = write(LAST_WORD)
    record = evaluate(path, ToyPolicy(knows_sums))[0]
    assert record.scores == {"perplexity": 0.5, "acc": 0}
    loss, accuracy = benchmark(path).metrics()
    assert (loss.transform, loss.higher_is_better, loss.primary) == ("exp", False, False)
    assert (accuracy.primary, accuracy.chance) == (True, 0)


class Sums(ToyPolicy):
    def generate(self, prompts, sampling, keys):
        assert (sampling.stop, sampling.max_tokens, sampling.temperature) == (("\n",), 5, 0)
        return [[Sample(f"It is {total(prompt)}", (), (), "stop")] for prompt in prompts]


def test_generation_is_scored_by_each_filter(write):
    record = evaluate(write(SAID), Sums())[0]
    assert record.scores == {"exact_match,strict": 0, "exact_match,loose": 1}
    assert (record.answer, record.reference) == ("It is 6", "6")


def test_examples_of_first_n_are_the_same_and_not_the_document_itself(write):
    path = write(CHOICE, fewshot_split="test", fewshot_config={"sampler": "first_n"})
    records = evaluate(path, ToyPolicy(knows_sums), shots=2)
    assert records[3].prompt.startswith("Q: What is 3 and 3?\nA: 6\n\nQ: What is 4 and 4?\nA: 8\n\nQ: What is 6")
    assert records[0].prompt.startswith("Q: What is 4 and 4?\nA: 8\n\nQ: What is 5 and 5?\nA: 10\n\nQ: What is 3")


def test_random_examples_do_not_depend_on_which_items_are_asked(write):
    path = write(CHOICE, fewshot_split="test")
    records = evaluate(path, ToyPolicy(knows_sums), shots=2)
    again = benchmark(path, shots=2)
    (alone,) = again.evaluate(ToyPolicy(knows_sums), [again.items(RowsSource())[4]])
    assert alone == records[4]


def test_random_examples_are_those_of_lm_eval(write):
    from lm_eval.tasks import TaskManager

    path = write(CHOICE, fewshot_split="test", num_fewshot=2)
    (task,) = TaskManager(include_defaults=False).load([path])["tasks"].values()
    task.set_fewshot_seed(1234)  # what lm-eval's own command does
    task.build_all_requests()
    theirs = [instance.args[0] for instance in task.instances[:: len(QUESTIONS[0]["choices"])]]
    assert [record.prompt for record in evaluate(path, ToyPolicy(knows_sums))] == theirs


def test_nan_and_a_constant_get_no_credit(write):
    first_is_right = write(CHOICE, rows=[{**row, "answer": 0} for row in QUESTIONS])
    for value in (math.nan, -1.0):
        for record in evaluate(first_is_right, ToyPolicy(lambda _, value=value: [value])):
            assert record.error
            assert not record.scores


def test_a_document_that_the_task_cannot_use_costs_itself_alone(write):
    rows = [*QUESTIONS[:2], {**QUESTIONS[2], "question": None}, *QUESTIONS[3:]]
    path = write(CHOICE, rows=rows, doc_to_text="{{question.strip()}}")
    records = evaluate(path, ToyPolicy(knows_sums))
    assert [bool(record.error) for record in records] == [False, False, True, False, False, False]


def test_a_group_is_measured_whole(write, tmp_path):
    write(CHOICE)
    write(LAST_WORD)
    group = tmp_path / "both.yaml"
    group.write_text(yaml.safe_dump({"group": "both", "task": ["sums", "last"]}))
    records = evaluate(str(group), ToyPolicy(knows_sums))
    assert [record.category for record in records] == ["sums"] * 6 + ["last"] * 6
    assert [metric.name for metric in benchmark(str(group)).metrics()] == ["acc", "acc_norm", "perplexity"]


def test_items_change_with_the_template(write):
    digests = [items_digest(benchmark(write(CHOICE, **changes)).items(RowsSource())) for changes in ({}, {})]
    changed = items_digest(benchmark(write(CHOICE, doc_to_text="{{question}}")).items(RowsSource()))
    assert digests[0] == digests[1] != changed


def test_equal_documents_are_items_of_one_cluster(write):
    items = benchmark(write(CHOICE, rows=QUESTIONS[:1] * 2)).items(RowsSource())
    assert items[0].id != items[1].id
    assert items[0].cluster == items[1].cluster


@pytest.mark.parametrize(
    ("task", "mend"),
    [
        ("helaswag", "did you mean 'hellaswag'"),
        ("nowhere.yaml", "check the path"),
        ("hellaswag", r"cannot be loaded .*Hub"),  # offline
    ],
)
def test_what_cannot_be_had_is_one_sentence(task, mend):
    with pytest.raises(UserError, match=mend):
        benchmark(task).items(RowsSource())


def test_tasks_that_need_more_than_text_are_refused(write):
    with pytest.raises(UserError, match="sandbox"):
        benchmark(write(SAID, unsafe_code=True)).items(RowsSource())
    no_mean = [{"metric": "bleu", "aggregation": "bleu", "higher_is_better": True}]
    with pytest.raises(UserError, match="mean over items"):
        benchmark(write(SAID, metric_list=no_mean)).metrics()


def test_a_broken_file_is_one_sentence(write):
    path = Path(write(CHOICE))
    path.write_text("task: [")
    with pytest.raises(UserError, match="cannot be loaded"):
        benchmark(str(path)).items(RowsSource())
