"""The runner: resumable at any instant, one failure never the study's, nothing computed twice."""

import math
from dataclasses import replace

import doubles
import pytest
import tiny

from cai_eval import registry
from cai_eval.contracts import Item, PolicySpec, Record
from cai_eval.errors import UserError
from cai_eval.inference.store import ResponseStore
from cai_eval.models.fingerprint import fingerprint
from cai_eval.study import run as runner
from cai_eval.study.plan import Base, make_plan
from cai_eval.study.results import load_results
from cai_eval.study.run import Listener, Runner, evaluate_batch, run_plan
from cai_eval.study.store import RunDirectory
from cai_eval.study.suite import Intervention, Measurement, Suite
from cai_eval.study.workshop import Models
from cai_eval.testing import RowsSource

ROWS = [{"text": f"Story {n}. The ferry left at nine and the river rose to the {n % 3 + 3}th hill"} for n in range(23)]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny.save_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch):
    monkeypatch.setattr(runner, "BATCH", 5)


def study(model, interventions=None, **options):
    parts = interventions or {name: Intervention(trainer=name) for name in ("none", "dialogue-only")}
    suite = Suite(
        name="s", title="S", ladder="x", interventions=parts, benchmarks={"lambada": Measurement(benchmark="lambada")}
    )
    models = Models(device="cpu", dtype="float32")
    base = Base("tiny", PolicySpec(model, fingerprint(model), 1000, 512))
    source = RowsSource({"lambada": ROWS})
    return make_plan(suite, [base], source, models.tokenizer, **options), models, source


def start(path, plan, models, source, listener=None):
    directory = RunDirectory.create(path, "s")
    return directory, run_plan(plan, directory, Runner(directory, models, source, listener or Listener()).work, {})


def records(directory, plan):
    return {cell.hash: directory.cell(cell.hash).records() for cell in plan.cells}


def test_a_second_call_computes_nothing(model, tmp_path):
    plan, models, source = study(model)
    directory, first = start(tmp_path / "run", plan, models, source)
    assert (first.computed, first.reused, first.failures) == (2, 0, {})
    idle = Models(device="cpu", dtype="float32")
    idle.engine = None  # a second call must not even load the model
    _, second = start(tmp_path / "run", plan, idle, source)
    assert (second.computed, second.reused) == (0, 2)
    assert all(len(found) == len(ROWS) for found in records(directory, plan).values())


class Stops(Listener):
    """Interrupts after a number of batches."""

    def __init__(self, after):
        self.left = after

    def advanced(self, cell, done):
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt


@pytest.mark.parametrize("batches", [1, 3, 6])
def test_an_interrupted_run_goes_on_and_ends_the_same(model, tmp_path, batches):
    plan, models, source = study(model)
    undisturbed, _ = start(tmp_path / "one", plan, models, source)
    with pytest.raises(KeyboardInterrupt):
        start(tmp_path / "two", plan, *study(model)[1:], Stops(batches))
    resumed, outcome = start(tmp_path / "two", plan, *study(model)[1:])
    assert not outcome.failures
    assert records(resumed, plan) == records(undisturbed, plan)


def test_two_names_of_one_policy_are_two_curves_computed_once(model, tmp_path):
    parts = {name: Intervention(trainer="none") for name in ("none", "again")}
    plan, models, source = study(model, parts)
    directory, outcome = start(tmp_path / "run", plan, models, source)
    assert (outcome.computed, outcome.reused) == (1, 1)
    results = load_results([directory.path])
    assert list(results.cells["intervention"]) == ["none", "again"]
    assert results.cells.index.is_unique
    one, other = (results.records[results.records["cell"] == cell]["value"].to_list() for cell in results.cells.index)
    assert one == other
    assert [len(results.details(cell)) for cell in results.cells.index] == [len(ROWS), len(ROWS)]


def test_a_renamed_intervention_keeps_its_cells_and_has_its_new_name(model, tmp_path):
    start(tmp_path / "run", *study(model))
    parts = {"base": Intervention(trainer="none", title="as it is")}
    directory, outcome = start(tmp_path / "run", *study(model, parts))
    assert (outcome.computed, outcome.reused) == (0, 1)
    results = load_results([directory.path])
    assert list(results.cells["intervention"]) == ["base"]
    assert results.interventions == {"base": "as it is"}


def test_another_limit_in_the_same_place_adds_and_destroys_nothing(model, tmp_path):
    plan, *rest = study(model, limit=9)
    directory, _ = start(tmp_path / "run", plan, *rest)
    before = records(directory, plan)
    whole, *rest = study(model)
    start(tmp_path / "run", whole, *rest)
    assert set(load_results([directory.path]).cells["items"]) == {len(ROWS)}
    assert records(directory, plan) == before
    _, outcome = start(tmp_path / "run", *study(model, limit=9))
    assert (outcome.computed, outcome.reused) == (0, 2)
    assert set(load_results([directory.path]).cells["items"]) == {9}


def test_a_damaged_journal_is_computed_again_from_there(model, tmp_path):
    """One digit that a disk changed is no record; what stands before it is kept."""
    plan, models, source = study(model)
    undisturbed, _ = start(tmp_path / "one", plan, models, source)
    with pytest.raises(KeyboardInterrupt):
        start(tmp_path / "two", plan, *study(model)[1:], Stops(2))
    (journal,) = (tmp_path / "two").rglob("journal.jsonl")
    lines = journal.read_bytes().splitlines(keepends=True)
    changed = lines[3].replace(b'"accuracy": 0.0', b'"accuracy": 1.0')
    assert changed != lines[3]
    journal.write_bytes(b"".join([*lines[:3], changed, *lines[4:]]))
    resumed, outcome = start(tmp_path / "two", plan, *study(model)[1:])
    assert not outcome.failures
    assert records(resumed, plan) == records(undisturbed, plan)


def test_a_cell_whose_every_item_failed_is_tried_anew(model, tmp_path, monkeypatch):
    plan, models, source = study(model)
    lambada = registry.load("benchmarks", "lambada")

    def broken(self, subject, items):
        raise RuntimeError("the device fell off")

    with monkeypatch.context() as patch:
        patch.setattr(lambada, "evaluate", broken)
        _, outcome = start(tmp_path / "run", plan, models, source)
    assert outcome.computed == 0
    assert set(outcome.failures.values()) == {"every item failed, the first with: RuntimeError: the device fell off"}
    _, outcome = start(tmp_path / "run", plan, models, source)
    assert (outcome.computed, outcome.failures) == (2, {})


def test_a_score_that_is_no_number_is_an_error():
    class Nameless(Fragile):
        def evaluate(self, subject, items):
            for item in items:
                yield Record(item.id, item.cluster, scores={"accuracy": math.nan, "nll": 1.0})

    (record,) = evaluate_batch(Nameless(set()), None, [Item("a", "", "", {})])
    assert (record.scores, record.error) == ({}, "accuracy is not a number")


def test_answers_are_reused_across_runs(model, tmp_path):
    plan, models, source = study(model)
    models.store = ResponseStore(tmp_path / "answers.sqlite")
    one, _ = start(tmp_path / "one", plan, models, source)
    sent = models.engine(plan.cells[0].node.policy).usage.sent
    two, _ = start(tmp_path / "two", plan, models, source)
    assert models.engine(plan.cells[0].node.policy).usage.sent == sent
    assert records(one, plan) == records(two, plan)


@pytest.mark.parametrize(
    ("error", "failure"),
    [(RuntimeError("the loss is NaN"), "RuntimeError: the loss is NaN"), (UserError("too few rows."), "too few rows.")],
)
def test_a_failing_trainer_fails_its_cells_alone_and_once(model, tmp_path, monkeypatch, error, failure):
    doubles.install(tmp_path / "site", monkeypatch)
    calls = []

    def explode(self, inputs, workshop):
        calls.append(workshop.directory)
        raise error

    monkeypatch.setattr(doubles.HelpfulRLHF, "run", explode)
    parts = {"none": Intervention(trainer="none"), "helpful-rlhf": Intervention(trainer="helpful-rlhf")}
    parts["sl-cai"] = Intervention(trainer="sl-cai")
    plan, models, source = study(model, parts)
    directory, outcome = start(tmp_path / "run", plan, models, source)
    assert outcome.failures == dict.fromkeys(("tiny, helpful-rlhf, lambada", "tiny, sl-cai, lambada"), failure)
    assert len(calls) == 1
    assert len(load_results([directory.path]).cells) == 1


def test_the_whole_chain_of_rl_cai_runs_and_is_kept(model, tmp_path, monkeypatch):
    doubles.install(tmp_path / "site", monkeypatch)
    names = ("none", "helpful-rlhf", "sl-cai", "double-feedback", "double-preferences", "rl-cai")
    parts = {name: Intervention(trainer=name) for name in names}
    plan, models, source = study(model, parts)
    directory, outcome = start(tmp_path / "run", plan, models, source)
    assert not outcome.failures
    assert {cell.intervention for cell in plan.cells} == {"none", "helpful-rlhf", "sl-cai", "rl-cai"}
    made = {path.parent.name for path in directory.path.glob("artefacts/*/artefact.json")}
    assert made == {node.hash for node in plan.nodes() if not node.final}

    def explode(self, inputs, workshop):
        raise AssertionError("trained twice")

    for double in doubles.DOUBLES:
        monkeypatch.setattr(double, "run", explode)
    again, *_ = study(model, parts, benchmarks=["lambada"], limit=4)
    _, outcome = start(tmp_path / "run", again, models, source)
    assert (outcome.failures, outcome.computed) == ({}, 4)


def test_new_weights_under_an_old_fingerprint_are_refused(model, tmp_path, monkeypatch):
    """They would be given the answers of the old ones."""
    doubles.install(tmp_path / "site", monkeypatch)
    monkeypatch.setattr(
        doubles.HelpfulRLHF,
        "run",
        lambda self, inputs, workshop: replace(inputs["start"], model=str(workshop.directory)),
    )
    _, outcome = start(tmp_path / "run", *study(model, {"helpful-rlhf": Intervention(trainer="helpful-rlhf")}))
    assert list(outcome.failures.values()) == [
        "RuntimeError: the trainer gave new weights the fingerprint of its input"
    ]


class Fragile:
    """A benchmark that fails on one item."""

    name = "fragile"

    def __init__(self, broken):
        self.broken = broken

    def evaluate(self, subject, items):
        for item in items:
            if item.id in self.broken:
                raise ZeroDivisionError(item.id)
            yield Record(item.id, item.cluster, scores={"accuracy": 1.0})


def test_one_item_that_fails_is_a_record_with_an_error():
    items = [Item(str(n), "", "", {}) for n in range(6)]
    found = evaluate_batch(Fragile({"2"}), None, items)
    assert [record.item for record in found] == [item.id for item in items]
    assert [record.error for record in found] == ["", "", "ZeroDivisionError: 2", "", "", ""]


def test_a_benchmark_that_skips_an_item_is_a_bug_that_shows():
    class Lazy(Fragile):
        def evaluate(self, subject, items):
            return list(super().evaluate(subject, items))[1:]

    with pytest.raises(RuntimeError, match="one record for each item"):
        evaluate_batch(Lazy(set()), None, [Item("a", "", "", {}), Item("b", "", "", {})])


def test_what_only_the_user_can_mend_stops_the_study(model, tmp_path, monkeypatch):
    plan, models, source = study(model)

    def full(self, records):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("cai_eval.study.store.Journal.add", full)
    with pytest.raises(UserError, match="no space is left"):
        start(tmp_path / "run", plan, models, source)
