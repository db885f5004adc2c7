"""Judging stored answers again."""

from dataclasses import replace

import pytest
import tiny

from cai_eval import registry
from cai_eval.benchmarks.lambada import Lambada
from cai_eval.contracts import IDEAL, PolicySpec
from cai_eval.errors import UserError
from cai_eval.models.fingerprint import fingerprint
from cai_eval.study.plan import Base, make_plan
from cai_eval.study.rescore import rescore_plan
from cai_eval.study.run import Listener, Runner, run_plan
from cai_eval.study.store import RunDirectory
from cai_eval.study.suite import Intervention, Measurement, Suite
from cai_eval.study.workshop import Models
from cai_eval.testing import RowsSource

SENTENCES = [{"text": f"Story {n}. The river rose to the {n}th hill"} for n in range(5)]
SUITE = Suite(
    name="s",
    title="S",
    ladder="x",
    interventions={name: Intervention(trainer=name) for name in ("none", "dialogue-only")},
    benchmarks={"lambada": Measurement(benchmark="lambada")},
)


class Known(RowsSource):
    """A source that knows what an ideal observer scores."""

    def ideal(self, benchmark, item, policy):
        return 0.75


@pytest.fixture
def run(tmp_path):
    """A finished run: plan, directory, source."""
    model = tiny.save_model(tmp_path / "model")
    models, source = Models(device="cpu", dtype="float32"), Known({"lambada": SENTENCES})
    plan = make_plan(SUITE, [Base("tiny", PolicySpec(model, fingerprint(model), 1000, 512))], source, models.tokenizer)
    directory = RunDirectory.create(tmp_path / "run", "s")
    run_plan(plan, directory, Runner(directory, models, source, Listener()).work, {})
    return plan, directory, source


def judge_by(monkeypatch, change):
    """Let LAMBADA judge anew by changing each record."""

    class Judged(Lambada):
        def rescore(self, items, records):
            yield from map(change, records)

    monkeypatch.setattr(registry, "create", lambda group, name, config: Judged(Judged.Config(**config)))


def records(plan, directory):
    return [record for cell in plan.cells for record in directory.cell(cell.hash).records()]


def test_cells_that_can_be_judged_anew_are(run, monkeypatch):
    plan, directory, source = run
    judge_by(monkeypatch, lambda record: replace(record, scores={"accuracy": 0.5}))
    outcome = rescore_plan(plan, directory, source, Listener())
    assert (outcome.computed, outcome.reused, outcome.failures) == (2, 0, {})
    assert all(record.scores == {"accuracy": 0.5, IDEAL: 0.75} for record in records(plan, directory))
    summary = directory.cell(plan.cells[0].hash).summary()
    assert summary["rescored"]
    assert summary["metrics"]


def test_an_error_is_counted_and_has_no_score(run, monkeypatch):
    plan, directory, source = run
    broken = plan.cells[0].items[0].id
    judge_by(monkeypatch, lambda r: replace(r, scores={}, error="no") if r.item == broken else r)
    rescore_plan(plan, directory, source, Listener())
    assert directory.cell(plan.cells[0].hash).summary()["errors"] == 1
    assert sum(not record.scores for record in records(plan, directory)) == 2


def test_other_benchmarks_stay_as_they_are(run):
    plan, directory, source = run
    before = records(plan, directory)
    outcome = rescore_plan(plan, directory, source, Listener())
    assert (outcome.computed, outcome.reused) == (0, 2)
    assert records(plan, directory) == before


def test_good_records_are_not_given_up_for_errors_alone(run, monkeypatch):
    plan, directory, source = run
    before = records(plan, directory)
    judge_by(monkeypatch, lambda record: replace(record, scores={}, error="no sandbox"))
    outcome = rescore_plan(plan, directory, source, Listener())
    assert (outcome.computed, outcome.reused) == (0, 0)
    assert list(outcome.failures.values()) == ["every item failed, the first with: no sandbox"] * 2
    assert records(plan, directory) == before


def test_training_seeds_fail_apart(run, monkeypatch):
    plan, directory, source = run
    first, second = plan.cells
    seeds = replace(plan, cells=(first, replace(second, intervention=first.intervention, run=1)))
    judge_by(monkeypatch, lambda record: replace(record, scores={}, error="no sandbox"))
    outcome = rescore_plan(seeds, directory, source, Listener())
    assert set(outcome.failures) == {"tiny, none, lambada", "tiny, none, lambada, seed 1"}
    assert outcome.reused == 0


def test_unfinished_cells_are_left_alone(run, monkeypatch):
    plan, directory, source = run
    (directory.path / "cells" / plan.cells[0].hash / "cell.json").unlink()
    judge_by(monkeypatch, lambda record: record)
    assert rescore_plan(plan, directory, source, Listener()).computed == 1
    (directory.path / "cells" / plan.cells[1].hash / "cell.json").unlink()
    with pytest.raises(UserError, match=r"no cell of .* is finished"):
        rescore_plan(plan, directory, source, Listener())
