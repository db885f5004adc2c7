"""Benchmark `code` without a model and without a sandbox; tests/integration/test_code_sandbox.py has the real one."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

import pytest
from pydantic import ValidationError

from cai_eval.benchmarks import code
from cai_eval.benchmarks.code import ASK, LEAD_IN, Code
from cai_eval.benchmarks.code.tasks import MBPP_TEST
from cai_eval.contracts import ContextTooLong, PolicySpec, Sample, Sampling
from cai_eval.data import PublishedSource
from cai_eval.errors import UserError
from cai_eval.inference.policy import DryPolicy
from cai_eval.lab.documents.code import ASK_FUNCTION
from cai_eval.lab.documents.code import LEAD_IN as LABORATORY_LEAD_IN
from cai_eval.sandbox import Layers, Limits, Outcome, Program
from cai_eval.testing import RowsSource, check_benchmark
from cai_eval.testing.toys import RandomPolicy, byte_tokenizer

ROWS = [
    {
        "task_id": f"Toy/{name}",
        "prompt": f'def {name}(x):\n    """Say {name}."""\n',
        "entry_point": name,
        "canonical_solution": f"    return {name!r}\n",
        "test": f"def check(candidate):\n    assert candidate(1) == {name!r}\n",
    }
    for name in ("one", "two", "three", "four")
]
MBPP_ROWS = [
    {
        "task_id": number,
        "text": "Write a function to add. ",
        "code": "def add(a, b):\r\n\treturn a + b",
        "test_setup_code": "",
        "test_list": ["assert add(1, 2) == 3", "assert add(0, 0) == 0"],
    }
    for number in (10, 11, 510, 511)
]
SOURCE = RowsSource({"humaneval": ROWS, "mbpp": MBPP_ROWS})


class FakeSandbox:
    """Passes what holds "right", breaks at what holds "broken"; keeps the programs."""

    seen: list[Program]
    limits: Limits
    backend: str
    layers = Layers("fake", (), ())

    def __init__(self, limits: Limits, backend: str) -> None:
        FakeSandbox.limits, FakeSandbox.backend = limits, backend

    def __enter__(self) -> "FakeSandbox":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def run(self, programs: Iterable[Program]) -> Iterator[Outcome]:
        for program in programs:
            FakeSandbox.seen.append(program)
            verdict = "passed" if "right" in program.source else "failed"
            yield Outcome("sandbox error" if "broken" in program.source else verdict, "because", 0.1)


class ScriptedPolicy(RandomPolicy):
    """Says `completions` in turn, and keeps what it was asked. longest: characters that a prompt may have."""

    def __init__(self, completions: Sequence[str], format="plain", longest: int = 10_000) -> None:
        super().__init__(format)
        self.completions, self.longest = completions, longest
        self.calls: list[tuple[str, Sampling, str]] = []

    def generate(self, prompts, sampling, keys):
        if max(map(len, prompts)) > self.longest:
            raise ContextTooLong("too long for a toy")
        self.calls += [(prompt, sampling, key) for prompt, key in zip(prompts, keys, strict=True)]
        texts = [self.completions[n % len(self.completions)] for n in range(sampling.samples)]
        return [[Sample(text, (1, 2), (-1.0, -1.0), "stop") for text in texts] for _ in prompts]


@pytest.fixture(autouse=True)
def _fake(monkeypatch):
    FakeSandbox.seen = []
    monkeypatch.setattr(code, "Sandbox", FakeSandbox)


def evaluate(completions, format="plain", longest=10_000, **config):
    benchmark, policy = Code(Code.Config(**config)), ScriptedPolicy(completions, format, longest)
    return list(benchmark.evaluate(policy, benchmark.items(SOURCE))), policy.calls


@pytest.mark.parametrize("config", [{}, {"stop": "function", "samples": 2, "k": (2,)}, {"dataset": "mbpp"}])
def test_keeps_the_promises_of_a_benchmark(config):
    check_benchmark(Code, config, source=SOURCE)


def test_the_unit_is_the_task_and_its_value_is_estimated_without_bias():
    records, _ = evaluate(["\n    right", "\n    wrong", "\n    wrong", "\n    wrong"], samples=4, k=(1, 2))
    assert [record.cluster for record in records] == [row["task_id"] for row in ROWS]
    assert records[0].scores == {"pass@1": 0.25, "pass@2": 0.5}
    assert records[0].details["verdicts"] == {"failed": 3, "passed": 1}
    assert records[0].reference == 'def one(x):\n    """Say one."""\n    return \'one\'\n'
    assert records[0].answer == "\n    right"


def test_every_sample_is_kept_with_its_outcome():
    records, _ = evaluate(["\n    right", "\n    wrong"], samples=2, k=(1,))
    sample = {"finish": "stop", "tokens": 2, "message": "because"}
    assert records[0].details["samples"] == [
        {"text": "\n    right", "verdict": "passed", **sample},
        {"text": "\n    wrong", "verdict": "failed", **sample},
    ]


def test_a_policy_that_draws_nothing_starts_no_sandbox(monkeypatch):
    monkeypatch.setattr(code, "Sandbox", None)
    benchmark = Code(Code.Config())
    dry = DryPolicy(PolicySpec("toy", "", 1, 512), byte_tokenizer())
    records = list(benchmark.evaluate(dry, benchmark.items(SOURCE)))
    assert records[0].details["verdicts"] == {"failed": 10}
    assert dry.requests == 40


def test_a_plain_prompt_ends_at_the_quotes_and_the_line_end_is_the_completions():
    _, calls = evaluate(["\n    right"])
    prompt, sampling, key = calls[0]
    assert prompt == 'def one(x):\n    """Say one."""'
    assert key == "Toy/one"
    assert (sampling.samples, sampling.temperature, sampling.top_p) == (10, 0.6, 0.95)
    assert sampling.stop == ("\nclass", "\ndef", "\n#", "\nif", "\nprint")
    assert FakeSandbox.seen[0].source == 'def one(x):\n    """Say one."""\n    right'
    assert FakeSandbox.seen[0].test.endswith("check(candidate)\n")


def test_in_a_dialogue_the_assistant_has_begun_with_the_function():
    records, calls = evaluate(["\n    right"], format="dialogue")
    prompt, sampling, _ = calls[0]
    shown = 'def one(x):\n    """Say one."""'
    assert prompt == f"Human: {ASK}\n\n{shown}\n\nAssistant: {LEAD_IN}\n\n{shown}"
    assert "\n\nHuman:" in sampling.stop
    assert FakeSandbox.seen[0].source == f"{shown}\n    right"
    assert records[0].prompt == prompt


def test_the_wrapper_is_the_one_that_the_laboratory_trains_on():
    assert (ASK, LEAD_IN) == (ASK_FUNCTION, LABORATORY_LEAD_IN)


def test_a_completion_is_cut_where_the_function_ends():
    records, calls = evaluate(["\n    return 1\n\nSome right talk"], stop="function")
    assert calls[0][1].stop == ()
    assert FakeSandbox.seen[0].source.endswith("    return 1\n\n")
    assert records[0].scores["pass@1"] == 0
    assert records[0].details["samples"][0]["text"].endswith("talk")


def test_what_the_sandbox_could_not_judge_is_an_error_and_no_failure():
    records, _ = evaluate(["\n    right", "\n    broken"], samples=2, k=(1,))
    assert all(record.error and not record.scores for record in records)
    assert records[0].details["samples"][1]["verdict"] == "sandbox error"


def test_a_machine_without_a_sandbox_makes_errors_and_stops_nothing(monkeypatch):
    def refuse(limits, backend):
        raise UserError("no sandbox here; take another machine.")

    monkeypatch.setattr(code, "Sandbox", refuse)
    records, _ = evaluate(["\n    right"])
    assert all("no sandbox here" in record.error for record in records)
    assert len(records[0].details["samples"]) == 10


def test_equal_samples_are_run_once():
    records, _ = evaluate(["\n    right", "\n    wrong", "\n    right", "\n    right"], samples=4, k=(1,))
    assert len(FakeSandbox.seen) == 2 * len(ROWS)
    assert records[0].scores == {"pass@1": 0.75}


def test_rescoring_needs_no_model_and_finds_the_same():
    benchmark = Code(Code.Config(samples=2, k=(1,)))
    items = benchmark.items(SOURCE)
    records = list(benchmark.evaluate(ScriptedPolicy(["\n    right", "\n    wrong"]), items))
    assert list(benchmark.rescore(items, records)) == records

    def broken(record):
        samples = [{**sample, "verdict": "sandbox error"} for sample in record.details["samples"]]
        return replace(record, scores={}, details={"samples": samples}, error="no sandbox")

    assert list(benchmark.rescore(items, [broken(record) for record in records])) == records


def test_rescoring_leaves_alone_what_holds_no_samples():
    benchmark = Code(Code.Config())
    items = benchmark.items(SOURCE)
    records = list(benchmark.evaluate(ScriptedPolicy(["\n    right"], longest=33), items))
    assert sum(bool(record.error) for record in records) == 1
    assert list(benchmark.rescore(items, records)) == records


def test_a_prompt_that_does_not_fit_costs_its_task_alone():
    records, _ = evaluate(["\n    right"], longest=33)
    assert [bool(record.error) for record in records] == [False, False, True, False]


@pytest.mark.parametrize(("asked", "given"), [(8, 8), (512, len("\n    return 'three'\n"))])
def test_no_sample_is_longer_than_any_solution_needs(asked, given):
    _, calls = evaluate(["\n    right"], max_tokens=asked)
    assert {sampling.max_tokens for _, sampling, _ in calls} == {given}


def test_seconds_and_back_end_reach_the_sandbox():
    evaluate(["\n    right"], seconds=3.5, backend="bwrap")
    assert (FakeSandbox.limits, FakeSandbox.backend) == (Limits(seconds=3.5), "bwrap")


def test_mbpp_asks_for_a_program_from_a_description_and_one_test():
    benchmark = Code(Code.Config(dataset="mbpp"))
    items = benchmark.items(SOURCE)
    assert [item.id for item in items] == ["MBPP/11", "MBPP/510"]
    assert items[0].data["task"]["prompt"] == '"""\nWrite a function to add.\nassert add(1, 2) == 3\n"""'
    assert items[0].data["task"]["entry_point"] == "add"
    assert "\ndef" not in benchmark.sampling("plain", 1).stop


@pytest.mark.parametrize(
    "config",
    [
        {"k": (1, 11)},
        {"samples": 0},
        {"k": ()},
        {"k": (0,)},
        {"k": (1, 1)},
        {"top_p": 0},
        {"dataset": "apps"},
        {"backend": "jail"},
    ],
)
def test_bad_configs_are_refused(config):
    with pytest.raises(ValidationError):
        Code.Config(**config)


def test_a_row_without_the_schema_is_named():
    with pytest.raises(UserError, match="row 2 of humaneval"):
        Code(Code.Config()).items(RowsSource({"humaneval": [ROWS[0], {"prompt": ""}]}))


def test_published_files(data_dir):
    source = PublishedSource(data_dir)
    tasks = [item.data["task"] for item in Code(Code.Config()).items(source)]
    assert len(tasks) == 164
    for task in tasks:
        assert task["prompt"].endswith(('"""', "'''"))
        assert task["solution"].startswith(f"{task['prompt']}\n")
    items = Code(Code.Config(dataset="mbpp")).items(source)
    assert len(items) == len(MBPP_TEST) == 500
    for task in (item.data["task"] for item in islice(items, 50)):
        assert f"def {task['entry_point']}(" in task["solution"].replace(" (", "(")
