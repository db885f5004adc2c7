"""The conformance suite: what keeps the promises passes, and each broken promise is named."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import ClassVar

import pandas as pd
import pytest
from pydantic import BaseModel, ConfigDict

from cai_eval import registry
from cai_eval.contracts import DatasetSpec, Input, Metric, Policy, PolicySpec, Prefix, Record, Request, Table
from cai_eval.contracts import Item as Question
from cai_eval.data import PublishedSource
from cai_eval.scoring import score_items, share_of_best
from cai_eval.testing import (
    ConstantPolicy,
    NaNPolicy,
    RandomPolicy,
    RowsSource,
    ToyScorer,
    ToyWorkshop,
    check_benchmark,
    check_report,
    check_trainer,
    toy_results,
    write_rows,
)

ROWS = RowsSource()


class Config(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    size: int = 3


class Plugin:
    name = "good"
    version = "1"
    title = "A good one"
    Config = Config

    def __init__(self, config: Config) -> None:
        self.config = config


class Good(Plugin):
    """A benchmark with two options an item, the first of which is right."""

    data = ()
    accepts = frozenset({"policy", "scorer"})

    def metrics(self):
        return [Metric("accuracy", "accuracy", chance=0.5, primary=True)]

    def items(self, source):
        return [Question(f"item-{i}", f"cluster-{i}", "", {"options": ["a", "bb"]}) for i in range(7)]

    def evaluate(self, subject, items) -> Iterator[Record]:
        if isinstance(subject, Policy):
            return score_items(subject, items, self.ask, self.judge)
        return self.evaluate_scorer(subject, items)

    def ask(self, item):
        return [Request(f"{item.id}:", f" {option}") for option in item.data["options"]]

    def judge(self, item, asked, scored):
        credit = share_of_best([score.total for score in scored], 0)
        return Record(item.id, item.cluster, item.category, {"accuracy": credit})

    def evaluate_scorer(self, scorer, items) -> Iterator[Record]:
        for item in items:
            values = scorer.score_texts([item.id] * 2, item.data["options"])
            if values[0] != values[0]:
                yield Record.failed(item, "not a number")
            else:
                yield Record(item.id, item.cluster, scores={"accuracy": share_of_best(values, 0)})


def check(cls: type) -> None:
    check_benchmark(cls, source=ROWS)


def test_a_good_benchmark_passes():
    check(Good)


def changed(**scores: object):
    """A benchmark whose records have other fields."""

    class Changed(Good):
        def judge(self, item, asked, scored):
            return replace(super().judge(item, asked, scored), **scores)

    return Changed


class FirstOnTies(Good):
    def judge(self, item, asked, scored):
        values = [score.total for score in scored]
        return Record(item.id, item.cluster, item.category, {"accuracy": float(values.index(max(values)) == 0)})


class CreditForNaN(Good):
    def evaluate(self, subject, items):
        for item in items:
            values = [score.total for score in RandomPolicy().score(self.ask(item))]
            yield Record(item.id, item.cluster, item.category, {"accuracy": float(values[0] > -9)})


class TwoPrimaries(Good):
    def metrics(self):
        return [Metric("accuracy", "a", primary=True), Metric("other", "b", primary=True)]


class SameName(Good):
    def metrics(self):
        return [Metric("accuracy", "a", primary=True), Metric("accuracy", "b")]


class SameIds(Good):
    def items(self, source):
        return [replace(item, id="one") for item in super().items(source)]


class NoItems(Good):
    def items(self, source):
        return []


class TupleData(Good):
    def items(self, source):
        return [replace(item, data={"options": ("a", "bb")}) for item in super().items(source)]


class Restless(Good):
    turn = 0

    def items(self, source):
        Restless.turn += 1
        return super().items(source)[: 3 + Restless.turn % 2]


class Backwards(Good):
    def evaluate(self, subject, items):
        yield from reversed(list(super().evaluate(subject, items)))


class DropsOne(Good):
    def evaluate(self, subject, items):
        return islice(super().evaluate(subject, items), 6)


class Meddles(Good):
    def evaluate(self, subject, items):
        for item in items:
            item.data["seen"] = True
        return super().evaluate(subject, items)


class ByBatch(Good):
    def evaluate(self, subject, items):
        for record in super().evaluate(subject, items):
            yield replace(record, details={"batch": len(items)})


class NoConfig(Good):
    Config = dict


class Lenient(Good):
    class Config(BaseModel):
        model_config = ConfigDict(frozen=True)


class Changeable(Good):
    class Config(BaseModel):
        model_config = ConfigDict(extra="forbid")


class Untitled(Good):
    title = ""


class Greedy(Good):
    accepts = frozenset({"dataset"})


class WrongArgument(Good):
    argument = "colour"


@pytest.mark.parametrize(
    ("cls", "sentence"),
    [
        (FirstOnTies, "ties must share the credit"),
        (CreditForNaN, "a model that computes NaN gets 'accuracy'"),
        (TwoPrimaries, "exactly one metric must be primary"),
        (SameName, "two metrics share a name"),
        (SameIds, "two items share the id 'one'"),
        (NoItems, "at least one item"),
        (TupleData, "must be JSON"),
        (Restless, "the same items"),
        (Backwards, "one record for each item, in order"),
        (DropsOne, "one record for each item, in order"),
        (Meddles, "must not change the items"),
        (ByBatch, "the same records in batches"),
        (NoConfig, "must be a pydantic BaseModel"),
        (Lenient, "must refuse unknown keys"),
        (Changeable, "must not change once made"),
        (Untitled, "title must be a text"),
        (Greedy, "accepts must be"),
        (WrongArgument, "no field of its Config"),
        (changed(scores={"accurracy": 1.0}), "that metrics\\(\\) does not name"),
        (changed(scores={"accuracy": float("inf")}), "must have finite scores"),
        (changed(error="late"), "an error and scores"),
        (changed(scores={}), "neither scores nor an error"),
        (changed(cluster="other"), "keep the item's cluster"),
        (changed(details={1: "one"}), "must survive JSON"),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_each_broken_promise_of_a_benchmark_is_named(cls, sentence):
    with pytest.raises(AssertionError, match=sentence):
        check(cls)


class Trainer(Plugin):
    inputs: ClassVar = {"start": Input("policy")}
    output = "policy"
    instant = True

    def alternatives(self):
        return ({"size": 3}, {"size": 2})

    def run(self, inputs, workshop):
        return replace(inputs["start"], prefix=Prefix((1,) * self.config.size, "x"))


class Slow(Trainer):
    instant = False

    def run(self, inputs, workshop):
        return replace(inputs["start"], fingerprint=f"trained-{self.config.size}-{workshop.seed}")


class Writer(Trainer):
    inputs: ClassVar = {"rows": Input("dataset", None)}
    output = "dataset"
    instant = False

    def run(self, inputs, workshop):
        return write_rows(workshop.directory / "rows.jsonl", list(workshop.rows(inputs["rows"])) * 2)


class Asks(Trainer):
    def run(self, inputs, workshop):
        return workshop.policy(inputs["start"]).spec


class Swaps(Trainer):
    def run(self, inputs, workshop):
        return replace(inputs["start"], fingerprint="another")


class Idle(Slow):
    def run(self, inputs, workshop):
        return inputs["start"]


class Moody(Slow):
    turn = 0

    def run(self, inputs, workshop):
        Moody.turn += 1
        return replace(inputs["start"], fingerprint=f"trained-{Moody.turn}")


class Mislabels(Trainer):
    output = "scorer"


class Robs(Trainer):
    def run(self, inputs, workshop):
        return inputs.pop("start")


class Repeats(Trainer):
    def alternatives(self):
        return ({"size": 3}, {"size": 3})


class BadReference(Trainer):
    inputs: ClassVar = {"start": Input("policy", "base@smallest")}


class BaseScorer(Trainer):
    inputs: ClassVar = {"start": Input("policy"), "reward": Input("scorer", "base")}


class Lies(Writer):
    def run(self, inputs, workshop):
        return replace(super().run(inputs, workshop), rows=1)


def test_good_trainers_pass(tmp_path):
    check_trainer(Trainer)
    check_trainer(Slow)
    check_trainer(Writer, inputs={"rows": write_rows(tmp_path / "in.jsonl", [{"a": 1}])})
    with pytest.raises(ValueError, match="give the rows of input 'rows'"):
        check_trainer(Writer)


@pytest.mark.parametrize(
    ("cls", "sentence"),
    [
        (Swaps, "must keep the weights"),
        (Idle, "left the weights of its start as they were"),
        (Moody, "the same artefact from the same seed"),
        (Mislabels, "declares a scorer and makes a PolicySpec"),
        (Robs, "must not change its inputs"),
        (Repeats, "must not repeat itself"),
        (BadReference, "must default to"),
        (BaseScorer, "'base' is a policy"),
        (Lies, "has not the 1 rows"),
    ],
)
def test_each_broken_promise_of_a_trainer_is_named(cls, sentence, tmp_path):
    inputs: ClassVar = {"rows": write_rows(tmp_path / "in.jsonl", [{"a": 1}])} if cls is Lies else {}
    with pytest.raises(AssertionError, match=sentence):
        check_trainer(cls, inputs=inputs)


def test_an_instant_trainer_that_asks_a_model_is_stopped_as_the_planner_would():
    with pytest.raises(RuntimeError, match="runs no model"):
        check_trainer(Asks)


class Report(Plugin):
    papers = ()

    def draw(self, results):
        frame = results.records.groupby("metric", as_index=False)["value"].mean()
        yield Table("means", "Means", "Of every metric.", frame, {"value": "{:.2f}"})


class Twice(Report):
    def draw(self, results):
        yield from super().draw(results)
        yield from super().draw(results)


class Scribbles(Report):
    def draw(self, results):
        results.cells["note"] = "mine"
        yield from super().draw(results)


class Fickle(Report):
    turn = 0

    def draw(self, results):
        Fickle.turn += 1
        yield Table("turn", "Turn", "How often.", pd.DataFrame({"turn": [Fickle.turn]}))


class FormatsNothing(Report):
    def draw(self, results):
        for table in super().draw(results):
            yield replace(table, formats={"valeu": "{}"})


class NoCaption(Report):
    def draw(self, results):
        for table in super().draw(results):
            yield replace(table, caption="")


class NoFile(Report):
    def draw(self, results):
        for table in super().draw(results):
            yield replace(table, name="a/b")


class BreaksWhenEmpty(Report):
    def draw(self, results):
        return super().draw(results) if len(results.records) else iter([results.cells.iloc[0]])


def test_a_good_report_passes():
    check_report(Report)


@pytest.mark.parametrize(
    ("cls", "error", "sentence"),
    [
        (Twice, AssertionError, "one name"),
        (Scribbles, AssertionError, "must not change the results"),
        (Fickle, AssertionError, "the same from the same results"),
        (FormatsNothing, AssertionError, r"formats columns \['valeu'\]"),
        (NoCaption, AssertionError, "a title and a caption"),
        (NoFile, AssertionError, "cannot be a file's name"),
        (BreaksWhenEmpty, IndexError, "out-of-bounds"),
    ],
)
def test_each_broken_promise_of_a_report_is_named(cls, error, sentence):
    with pytest.raises(error, match=sentence):
        check_report(cls)


def test_toys_are_what_they_are_called():
    requests = [Request("a", " b c"), Request("a", " d"), Request("a", " b c")]
    constant, nan, random = (toy().score(requests) for toy in (ConstantPolicy, NaNPolicy, RandomPolicy))
    assert {score.total for score in constant} == {score.mean for score in constant} == {0.0}
    assert all(score.total != score.total for score in nan)
    assert random[0] == random[2] != random[1]
    assert all(isinstance(toy(), Policy) for toy in (ConstantPolicy, NaNPolicy, RandomPolicy))
    assert ToyScorer(RandomPolicy()).score_texts(["a"], [" d"]) == [random[1].mean]


def test_toy_results_are_shaped_as_they_say():
    results = toy_results(models=3, interventions=2, items=10)
    assert len(results.cells) == 6
    assert results.cells["errors"].tolist() == [0, 0, 0, 0, 0, 2]
    assert len(results.records) == (6 * 10 - 2) * 3
    assert [bool(record.error) for record in results.details(results.cells.index[-1])].count(True) == 2
    assert len(toy_results(0).records) == len(toy_results(0).cells) == 0


# The built-in plug-ins -------------------------------------------------------------------------------


def few(name: str, source: PublishedSource, rows: int) -> RowsSource:
    """The first rows of every published data set of a built-in benchmark."""
    published = registry.load("benchmarks", name).data
    return RowsSource({data.name: source.rows(data)[:rows] for data in published}, name="published")


#: in the plug-in's own tests, because it needs more than its defaults to be built or to have something to read
ELSEWHERE = {
    *("answers", "revisions", "lm-eval", "calibration", "p-true", "code", "preference", "principles"),
    *("ai-feedback", "context-distillation", "critique-revision", "fine-tune", "ppo", "ppo-snapshot"),
    *("preference-labels", "preference-model", "prompt", "rows", "samples"),
}


@pytest.mark.parametrize("name", sorted(set(registry.names("benchmarks")) - ELSEWHERE))
def test_built_in_benchmarks_keep_their_promises(name, data_dir):
    check_benchmark(name, source=few(name, PublishedSource(data_dir), 20))


@pytest.mark.parametrize("name", sorted(set(registry.names("trainers")) - ELSEWHERE))
def test_built_in_trainers_keep_their_promises(name):
    inputs: ClassVar = {"match": replace(RandomPolicy().spec, prefix=Prefix(tuple(range(50))))}
    config = {"conversations": 2} if name == "hhh-prompt" else {}
    check_trainer(name, config, inputs=inputs if name == "neutral-prefix" else {})


@pytest.mark.parametrize("name", registry.names("reports"))
def test_built_in_reports_keep_their_promises(name):
    check_report(name)


def test_the_workshop_reads_rows_back(tmp_path):
    spec = write_rows(tmp_path / "rows.jsonl", [{"a": "é"}, {"a": 2}])
    rows: Sequence[dict[str, object]] = list(ToyWorkshop(tmp_path).rows(spec))
    assert rows == [{"a": "é"}, {"a": 2}]
    assert isinstance(spec, DatasetSpec)
    assert spec.rows == 2
    assert isinstance(ToyWorkshop(tmp_path).policy(PolicySpec("m", "f", 1, 1, "dialogue")).format, str)
