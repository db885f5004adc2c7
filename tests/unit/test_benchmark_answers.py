"""Answers to prompts: what is kept of them, and what a source says of them."""

import pytest
import tiny

from cai_eval.benchmarks.answers import Answers
from cai_eval.contracts import PolicySpec, Sample
from cai_eval.lab.source import LaboratorySource
from cai_eval.models.fingerprint import fingerprint
from cai_eval.study.judged import with_grades
from cai_eval.study.plan import Base, make_plan
from cai_eval.study.rescore import rescore_plan
from cai_eval.study.run import Listener, Runner, run_plan
from cai_eval.study.store import RunDirectory
from cai_eval.study.suite import Intervention, Measurement, Suite
from cai_eval.study.workshop import Models
from cai_eval.testing import RandomPolicy, RowsSource, check_benchmark

PROMPTS = [
    {"id": f"{kind} {n}", "prompt": f"How do I make {kind} thing {n}?", "kind": kind, "cluster": f"{kind} {n // 2}"}
    for kind in ("harmful", "benign", "alarming", "question")
    for n in range(6)
]
GRADES = {"helpful": 0.5, "honest": 1.0, "harm": 2.0, "evasive": 0.0, "garbled": 0.0}


class Judging(RowsSource):
    """A source that finds every answer alike, but long ones worse."""

    scale = 1.0

    def judge(self, prompt, answer):
        return {**GRADES, "harm": self.scale * len(answer.split())}


SOURCE = Judging({"test-prompts": PROMPTS})


def evaluated(source, policy=None, **config):
    benchmark = Answers(Answers.Config(**config))
    items = benchmark.items(source)
    records = list(benchmark.evaluate(policy or RandomPolicy("dialogue"), items))
    return items, with_grades(benchmark, items, records, source)


def test_keeps_the_promises():
    check_benchmark("answers", {"per_kind": 3}, source=SOURCE)


def test_as_many_prompts_of_each_kind_and_the_same_ones_first():
    items, _ = evaluated(SOURCE, per_kind=4)
    kinds = [item.category for item in items]
    assert {kind: kinds.count(kind) for kind in kinds} == dict.fromkeys(
        ("harmful", "benign", "alarming", "question"), 4
    )
    fewer, _ = evaluated(SOURCE, per_kind=2)
    assert {item.id for item in fewer} < {item.id for item in items}


def test_harm_is_of_harmful_prompts_and_help_of_harmless_ones():
    items, records = evaluated(SOURCE)
    for item, record in zip(items, records, strict=True):
        harmful = item.category == "harmful"
        assert ("harm" in record.scores) == harmful
        assert ("helpful" in record.scores) == (not harmful)
        assert ("honest" in record.scores) == (not harmful)


def test_scores_are_means_over_samples_and_every_sample_keeps_its_grades():
    _, records = evaluated(SOURCE, samples=3)
    record = next(record for record in records if record.category == "harmful")
    samples = record.details["samples"]
    assert len(samples) == 3
    assert all(sample["grades"]["harm"] == len(sample["text"].split()) for sample in samples)
    assert record.scores["harm"] == pytest.approx(sum(sample["grades"]["harm"] for sample in samples) / 3)


def test_where_nobody_judges_only_lengths_are_scored():
    _, records = evaluated(RowsSource({"test-prompts": PROMPTS}))
    assert all(set(record.scores) == {"length"} for record in records)
    assert all(sample["text"] for record in records for sample in record.details["samples"])


def test_published_prompts_are_first_turns(data_dir, tmp_path):
    from cai_eval.data import PublishedSource

    for name in ("harmless-base", "helpful-base"):  # of the two there is but one at hand
        (tmp_path / name).mkdir()
        (tmp_path / name / "test.jsonl.gz").symlink_to(data_dir / "hh-rlhf" / "harmless-base_test.jsonl.gz")
    items, records = evaluated(PublishedSource(tmp_path), per_kind=5)
    assert len(items) == 5  # the same ones, which count once
    assert all("Assistant:" not in record.prompt for record in records)


def test_a_policy_is_asked_in_its_own_format_and_stops_at_the_next_turn():
    class Asked(RandomPolicy):
        def generate(self, prompts, sampling, keys):
            self.prompts, self.sampling = prompts, sampling
            return [[Sample(" yes", (1,), (-1.0,), "stop")] * sampling.samples for _ in prompts]

    plain, dialogue = Asked("plain"), Asked("dialogue")
    evaluated(SOURCE, plain)
    evaluated(SOURCE, dialogue)
    assert plain.prompts[0].startswith("How do I")
    assert dialogue.prompts[0].startswith("Human: How do I")
    assert "\n\nHuman:" in dialogue.sampling.stop
    assert dialogue.sampling.temperature == 1.0


def test_the_laboratory_judges_its_test_prompts():
    policy = RandomPolicy("dialogue")
    _, records = evaluated(LaboratorySource(), policy, per_kind=8)
    assert all(record.scores["garbled"] == 1.0 for record in records)  # words in random order
    assert all(record.scores["harm"] == 0.0 for record in records if record.category == "harmful")


def test_a_run_judges_and_rescores(tmp_path):
    suite = Suite(
        name="s",
        title="S",
        ladder="x",
        interventions={"none": Intervention(trainer="none")},
        benchmarks={"answers": Measurement(benchmark="answers", config={"per_kind": 2, "max_tokens": 4})},
    )
    model = tiny.save_model(tmp_path / "model")
    models = Models(device="cpu", dtype="float32")
    plan = make_plan(suite, [Base("t", PolicySpec(model, fingerprint(model), 1000, 512))], SOURCE, models.tokenizer)
    directory = RunDirectory.create(tmp_path / "run", "s")
    run_plan(plan, directory, Runner(directory, models, SOURCE, Listener()).work, {})

    def harms():
        return [r.scores["harm"] for r in directory.cell(plan.cells[0].hash).records() if "harm" in r.scores]

    first = harms()
    assert len(first) == 2

    class Stricter(Judging):
        scale = 2.0

    outcome = rescore_plan(plan, directory, Stricter({"test-prompts": PROMPTS}), Listener())
    assert outcome.computed == 1
    assert harms() == [2 * each for each in first]
