"""The benchmark of preferences: items, scores of scorers and of policies, and a study that runs it end to end."""

import math
from pathlib import Path
from typing import Any

import pytest
from tiny import save_model
from toy_policy import ToyPolicy

from cai_eval.benchmarks.preference import SETS, Preference
from cai_eval.contracts import PolicySpec, Record, ScorerSpec
from cai_eval.data import PublishedSource
from cai_eval.errors import UserError
from cai_eval.inference.scorer import answer_ids
from cai_eval.lab.rows.preferences import NOISE
from cai_eval.lab.source import LaboratorySource
from cai_eval.models.fingerprint import fingerprint
from cai_eval.study.plan import Base, make_plan
from cai_eval.study.results import load_results
from cai_eval.study.run import Listener, Runner, run_plan
from cai_eval.study.store import RunDirectory
from cai_eval.study.suite import Intervention, Measurement, Suite
from cai_eval.study.workshop import Models
from cai_eval.testing import RowsSource, check_benchmark, write_rows

PROMPT = "Human: Why?\n\nAssistant:"
ROWS = [
    {"prompt": PROMPT, "first": "So it is.", "second": "No.", "label": 0.8},
    {"prompt": PROMPT, "first": "No.", "second": "Rain fell.", "label": 0.1},
    {"prompt": "Human: How?\n\nAssistant:", "first": "So.", "second": "No.", "label": 0.5},
    {"chosen": "\n\nHuman: Who?\n\nAssistant: A clock.", "rejected": "\n\nHuman: Who?\n\nAssistant:"},
]
SOURCE = RowsSource({"helpful-comparisons": ROWS, "harmless-comparisons": ROWS[:2]})


class Scores:
    """A scorer with given scores of answers."""

    spec = ScorerSpec("scores", "scores", 1, 512)

    def __init__(self, **scores: float) -> None:
        self.scores = scores

    def score_texts(self, prompts: Any, answers: Any) -> list[float]:
        return [self.scores.get(answer.split()[0].strip(".") if answer.strip() else "", 0.0) for answer in answers]


def records(subject: Any, **config: Any) -> list[Record]:
    benchmark = Preference(Preference.Config(**config))
    return list(benchmark.evaluate(subject, benchmark.items(SOURCE)))


def test_keeps_the_promises_of_a_benchmark() -> None:
    check_benchmark("preference", source=SOURCE)
    check_benchmark("preference", {"sets": ["harmless"]}, source=SOURCE)


def test_items_decide_and_cluster_by_prompt() -> None:
    items = Preference(Preference.Config()).items(SOURCE)
    assert [item.category for item in items] == ["helpful"] * 3 + ["harmless"] * 2
    assert items[0].cluster == items[1].cluster == items[3].cluster != items[2].cluster
    assert [item.data["label"] for item in items] == [0.8, 0.1, 1.0, 0.8, 0.1]


def test_published_rows_without_a_choice_are_left_out() -> None:
    good = ROWS[-1]
    rows = [{**good, "rejected": good["chosen"]}, good, {**good, "rejected": "\n\nHuman: How?\n\nAssistant: So."}]
    source = RowsSource({"helpful-comparisons": rows})
    (item,) = Preference(Preference.Config(sets=("helpful",))).items(source)
    assert item.data["first"] == "A clock."
    with pytest.raises(UserError, match="row 2 of helpful-comparisons: 'rejected' is missing"):
        Preference(Preference.Config(sets=("helpful",))).items(
            RowsSource({"helpful-comparisons": [good, {"chosen": good["chosen"]}]})
        )


def test_a_scorer_is_right_and_calibrated_by_its_difference() -> None:
    first, second, third = records(Scores(So=1.0, Rain=-2.0, No=0.5), sets=["helpful"])
    p = 1 / (1 + math.exp(-0.5))
    assert first.scores == {
        "accuracy": 1.0,
        "brier": pytest.approx((p - 0.8) ** 2),
        "log_loss": pytest.approx(-(0.8 * math.log(p) + 0.2 * math.log(1 - p))),
    }
    assert (first.answer, first.reference) == ("So it is.", "So it is.")
    assert (second.scores["accuracy"], second.answer, second.reference) == (0.0, "No.", "Rain fell.")
    assert (third.scores["accuracy"], third.scores["log_loss"]) == (0.5, pytest.approx(math.log(2)))
    assert third.answer == "(a tie)"


@pytest.mark.parametrize("lead", [800.0, -800.0])
def test_scores_far_apart_overflow_nothing(lead: float) -> None:
    first, *_ = records(Scores(So=lead), sets=["harmless"])
    assert first.scores["log_loss"] == pytest.approx(0.2 * 800 if lead > 0 else 0.8 * 800)


def test_a_score_that_is_no_number_is_an_error() -> None:
    first, *_ = records(Scores(So=math.nan), sets=["helpful"])
    assert (first.scores, first.error) == ({}, "a score is not a finite number")


def test_a_policy_is_asked_for_the_answers_alone() -> None:
    """A token costs it a nat and the first one two: in sum it prefers the short answer, by the mean the long one."""
    policy = ToyPolicy(lambda request: [-2.0] + [-1.0] * (len(request.continuation.split()) - 1), "plain")
    first, second, third = records(policy, sets=["helpful"])
    assert {request.context for request in policy.requests[:4]} == {PROMPT}
    assert [request.continuation for request in policy.requests[:2]] == [" So it is.", " No."]
    assert first.scores == {"accuracy": 1.0, "accuracy_sum": 0.0}
    assert second.details["tokens"] == [1, 2]
    assert third.error == "one of the answers is silence, which has no log-probability"


def test_the_laboratory_knows_the_true_utilities() -> None:
    source = LaboratorySource()
    for kind, data in SETS.items():
        rows = source.rows(data)
        assert len({row["id"] for row in rows}) == len(rows) > 300
        for row in rows:
            lead = row["utilities"][0] - row["utilities"][1]
            assert row["label"] == pytest.approx(1 / (1 + math.exp(-lead / NOISE)))
            assert lead != 0
            if kind == "harmless":
                asked = row["prompt"].removeprefix("Human: ").removesuffix("\n\nAssistant:")
                grades = [source.judge(asked, row[side]) for side in ("first", "second")]
                assert [-grade["harm"] for grade in grades if grade] == row["utilities"]
    assert 0.45 < sum(row["label"] > 0.5 for row in rows) / len(rows) < 0.55


def test_the_published_file_has_its_items(data_dir: Path) -> None:
    items = Preference(Preference.Config(sets=("harmless",))).items(PublishedSource(data_dir))
    assert len(items) == 2312
    assert len({item.id for item in items}) == 2312


# ---------------------------------------------------------------------------------------------------
# A study
# ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("accepts", [{"policy", "scorer"}, {"scorer"}])
def test_a_study_trains_and_measures_a_scorer(
    accepts: set[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A base, a data set and a preference model; an item that does not fit is left out for scorers too."""
    monkeypatch.setattr(Preference, "accepts", frozenset(accepts))
    model = save_model(tmp_path / "model", context=96)
    file = tmp_path / "rows.jsonl"
    write_rows(file, [{**ROWS[0], "prompt": f"Human: Why {word}?\n\nAssistant:"} for word in ("not", "me", "rain")])
    suite = Suite(
        name="preferences",
        title="Preferences",
        ladder="none",
        interventions={
            "none": Intervention(trainer="none"),
            "pairs": Intervention(trainer="rows", config={"file": str(file)}),
            "pm": Intervention(trainer="preference-model", config={"rows": 2}, inputs={"comparisons": "pairs"}),
        },
        benchmarks={"preference": Measurement(benchmark="preference", config={"sets": ["helpful"]})},
    )
    source = RowsSource({"helpful-comparisons": [*ROWS[:2], {**ROWS[0], "first": "Rain fell. " * 40}]})
    models = Models(device="cpu")
    base = Base("tiny", PolicySpec(model, fingerprint(model), 1000, 96))
    plan = make_plan(suite, [base], source, models.tokenizer)
    names = ["none", "pm"] if "policy" in accepts else ["pm"]
    assert [cell.intervention for cell in plan.cells] == names
    assert all(len(cell.items) == 2 and len(cell.excluded) == 1 for cell in plan.cells)
    answers = [item.data[side] for item in plan.cells[-1].items for side in ("first", "second")]
    assert plan.cells[-1].tokens == sum(map(len, answer_ids(models.tokenizer(model), [PROMPT] * 4, answers)))
    assert "1 of 3 items do not fit" in plan.notes[0]
    directory = RunDirectory.create(tmp_path / "run", "preferences")
    outcome = run_plan(plan, directory, Runner(directory, models, source, Listener()).work, {})
    assert (outcome.failures, outcome.computed) == ({}, len(names))
    results = load_results([directory.path])
    scored = results.records[results.records.cell == plan.cells[-1].hash]
    assert set(scored.metric) == {"accuracy", "brier", "log_loss"}
    assert len(scored) == 6
    again = run_plan(plan, directory, Runner(directory, Models(device="cpu"), source, Listener()).work, {})
    assert again.computed == 0
