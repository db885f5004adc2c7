"""A suite at its scales and on some of its rungs, and what a run keeps of what it trained."""

import doubles
import pytest
import tiny

from cai_eval.contracts import PolicySpec
from cai_eval.errors import UserError
from cai_eval.models.fingerprint import fingerprint
from cai_eval.models.ladder import chosen, load_ladder
from cai_eval.study.plan import Base, make_plan
from cai_eval.study.results import load_results
from cai_eval.study.run import Listener, Runner, run_plan
from cai_eval.study.store import RunDirectory
from cai_eval.study.suite import Intervention, Measurement, Suite, load_suite
from cai_eval.study.workshop import Models
from cai_eval.testing import RowsSource

SUITE = """
name: s
title: S
ladder: lab
rungs: [98k]
interventions:
  none:
  neutral-prefix: {config: {text: a}}
benchmarks:
  lambada:
quick: {lambada: 10}
reports:
  scaling:
published:
  interventions:
    neutral-prefix: {config: {text: b}}
  quick:
    lambada:
scales:
  smoke:
    rungs: [24k]
    quick: {lambada: 2}
    interventions:
      neutral-prefix: {seeds: 2}
  broken:
    interventions:
      none: {config: {steps: 3}}
"""


@pytest.fixture
def suite(tmp_path):
    path = tmp_path / "suite.yaml"
    path.write_text(SUITE)
    return str(path)


def test_rungs_are_offered_by_size():
    with pytest.raises(UserError, match=r"unknown rung 'x': there are 24k, 98k, 330k, 790k, 2\.6M\."):
        chosen(load_ladder("lab"), ["x"])


def test_without_a_scale_the_file_is_as_it_stands(suite):
    plain = load_suite(suite)
    assert plain.rungs == ["98k"]
    assert plain.quick == {"lambada": 10}
    assert plain.reports == {"scaling": {}}
    assert plain.interventions["neutral-prefix"].seeds == 1


def test_a_scale_changes_what_it_names_and_nothing_else(suite):
    smoke = load_suite(suite, "smoke")
    assert smoke.rungs == ["24k"]
    assert smoke.quick == {"lambada": 2}
    assert smoke.interventions["neutral-prefix"] == Intervention(
        trainer="neutral-prefix", config={"text": "a"}, seeds=2
    )
    assert list(smoke.interventions) == ["none", "neutral-prefix"]


def test_published_data_change_a_suite_at_every_scale(suite):
    plain, smoke = load_suite(suite, published=True), load_suite(suite, "smoke", published=True)
    assert (plain.rungs, smoke.rungs) == (["98k"], ["24k"])
    assert plain.quick == smoke.quick == {}
    texts = [each.interventions["neutral-prefix"].config["text"] for each in (load_suite(suite), plain, smoke)]
    assert texts == ["a", "b", "b"]
    assert smoke.interventions["neutral-prefix"].seeds == 2
    assert load_suite("controls", published=True) == load_suite("controls")


def test_a_mistake_in_what_published_data_change_is_named_with_its_own_line(tmp_path):
    path = tmp_path / "suite.yaml"
    path.write_text(SUITE.replace("{text: b}", "{text: b, steps: 4}"))
    line = next(n for n, text in enumerate(path.read_text().splitlines(), 1) if "steps: 4" in text)
    with pytest.raises(UserError, match=rf"suite\.yaml:{line}: unknown key 'steps'"):
        load_suite(str(path), "smoke", published=True)
    load_suite(str(path), "smoke")


def test_a_mistake_in_a_scale_is_named_with_its_own_line(suite):
    line = next(n for n, text in enumerate(SUITE.splitlines(), 1) if "steps: 3" in text)
    with pytest.raises(UserError, match=rf"suite\.yaml:{line}: unknown key 'steps'"):
        load_suite(suite, "broken")
    load_suite(suite)


def test_an_unknown_scale_names_the_known_ones(suite):
    with pytest.raises(UserError, match="smoke"):
        load_suite(suite, "smok")
    with pytest.raises(UserError, match="no scales"):
        load_suite("controls", "smoke")


def test_rungs_are_chosen_by_label_and_replicates_by_size():
    ladder = load_ladder("lab")
    assert [rung.label for rung in chosen(ladder, ("98k", "24k"))] == ["24k", "98k"]
    assert chosen(ladder, ()) == ladder.rungs
    with pytest.raises(UserError, match="24k"):
        chosen(ladder, ("25k",))


def test_a_benchmark_may_be_put_to_some_interventions_alone(tmp_path):
    suite = Suite(
        name="s",
        title="S",
        ladder="x",
        interventions={name: Intervention(trainer=name) for name in ("none", "dialogue-only")},
        benchmarks={
            "lambada": Measurement(benchmark="lambada"),
            "dialogue": Measurement(benchmark="lambada", interventions=["dialogue-only"]),
        },
    )
    model = tiny.save_model(tmp_path / "model")
    source = RowsSource({"lambada": [{"text": "The river rose to the hill"}]})
    bases = [Base("tiny", PolicySpec(model, fingerprint(model), 1000, 512))]
    cells = make_plan(suite, bases, source, Models().tokenizer).cells
    assert {(cell.benchmark, cell.intervention) for cell in cells} == {
        ("lambada", "none"),
        ("lambada", "dialogue-only"),
        ("dialogue", "dialogue-only"),
    }
    alone = make_plan(suite, bases, source, Models().tokenizer, interventions=["none"]).cells
    assert [cell.benchmark for cell in alone] == ["lambada"]


def test_an_unknown_intervention_of_a_benchmark_is_refused(tmp_path):
    path = tmp_path / "suite.yaml"
    path.write_text(SUITE.replace("  lambada:\nquick", "  lambada: {interventions: [nun]}\nquick"))
    with pytest.raises(UserError, match="none"):
        load_suite(str(path))


def test_a_run_tells_what_it_trained_and_data_sets_are_no_curves(tmp_path, monkeypatch):
    doubles.install(tmp_path / "site", monkeypatch)
    names = ("none", "helpful-rlhf", "sl-cai", "double-feedback", "double-preferences", "rl-cai")
    suite = Suite(
        name="s",
        title="S",
        ladder="x",
        interventions={name: Intervention(trainer=name) for name in names},
        benchmarks={"lambada": Measurement(benchmark="lambada")},
    )
    model = tiny.save_model(tmp_path / "model")
    models = Models(device="cpu", dtype="float32")
    source = RowsSource({"lambada": [{"text": "The river rose to the hill"}]})
    plan = make_plan(suite, [Base("tiny", PolicySpec(model, fingerprint(model), 1000, 512))], source, models.tokenizer)
    directory = RunDirectory.create(tmp_path / "run", "s")
    run_plan(plan, directory, Runner(directory, models, source, Listener()).work, {})
    results = load_results([directory.path])
    assert {made.intervention: made.kind for made in results.trained} == {
        "helpful-rlhf": "policy",
        "sl-cai": "policy",
        "double-feedback": "dataset",
        "double-preferences": "scorer",
        "rl-cai": "policy",
    }
    rl_cai = next(made for made in results.trained if made.intervention == "rl-cai")
    assert rl_cai.inputs["start"] == "sl-cai"
    assert all((made.folder / "artefact.json").is_file() for made in results.trained)
    assert "double-feedback" not in results.interventions
    assert "rl-cai" in results.interventions
