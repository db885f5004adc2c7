"""Preference models' calibration, and the figures of Bai et al. 2022a, on made-up results."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import synthetic
from scipy.special import expit

from cai_eval.contracts import Metric, Record, Results, Trained
from cai_eval.errors import UserError
from cai_eval.reports.bai_2022_rlhf import TASKS
from cai_eval.reports.gaps import gaps
from cai_eval.reports.preferences import Preferences
from cai_eval.study.figures import lacking, paper_figures
from cai_eval.testing import check_report

LADDER = {"70m": 18.9e6, "410m": 302e6}
SERIES = {"none": "pretrained", "hh-rlhf": "HH RLHF"}
MODELS = {"pretrained": "pretrained", "helpful-pm": "helpful PM", "hh-pm": "HH PM"}
METRIC = Metric("accuracy", "accuracy", chance=0.5, primary=True)


def comparisons(scale: float, count: int = 4000) -> list[Record]:
    """Scores whose difference is the logarithm of the odds, times `scale`; labels are drawn by these odds."""
    random = np.random.default_rng(0)
    scores = random.normal(0, 1, size=(count, 2))
    difference = scores[:, 0] - scores[:, 1]
    label = (random.random(count) < expit(difference)).astype(float)
    right = (difference > 0) == (label > 0.5)
    return [
        Record(
            f"i{i}",
            f"c{i}",
            "helpful" if i % 2 else "harmless",
            {"accuracy": float(right[i])},
            details={"scores": (scale * scores[i]).tolist(), "label": label[i]},
        )
        for i in range(count)
    ]


@pytest.fixture(scope="module")
def study() -> Results:
    """Policies and preference models of two sizes; the second size is twice too sure."""
    cells, found, frames = {}, {}, []
    for name in MODELS:
        for scale, (rung, parameters) in enumerate(LADDER.items(), 1):
            cell, records = f"{name}{rung}", comparisons(scale)
            if name == "pretrained":
                records = [replace(record, details={"logprobs": [-1.0, -2.0]}) for record in records]
            about = {"model": rung, "rung": rung, "parameters": int(parameters), "intervention": name, "seed": "0"}
            cells[cell] = {**about, "benchmark": "preference", "label": "", "items": len(records), "errors": 0}
            found[cell] = records
            rows = [(cell, r.item, r.cluster, r.category, "accuracy", r.scores["accuracy"]) for r in records]
            frames.append(pd.DataFrame(rows, columns=["cell", "item", "cluster", "category", "metric", "value"]))
    table = pd.DataFrame.from_dict(cells, orient="index").rename_axis("cell")
    return Results(pd.concat(frames), table, {"preference": (METRIC,)}, found.__getitem__, MODELS)


def drawn(results: Results, number: str):
    (figure,) = paper_figures("bai-2022-rlhf", number)
    assert lacking(figure, results) == []
    return figure.draw(results)


def test_keeps_the_promises_of_a_report() -> None:
    check_report(Preferences)


def test_agreement_follows_the_logistic_where_scores_are_calibrated(study: Results) -> None:
    bins = drawn(study, "9").data
    assert set(bins["panel"]) == {"HH preference model", "helpful preference model, helpfulness"}
    calibrated, sure = (bins[(bins["rung"] == rung) & (bins["intervention"] == "hh-pm")] for rung in LADDER)
    assert ((calibrated["low"] < calibrated["calibrated"]) & (calibrated["calibrated"] < calibrated["high"])).sum() >= 9
    assert (sure["agreed"] < sure["calibrated"] - 0.05).sum() >= 6
    assert calibrated["comparisons"].sum() == 4000
    assert bins[bins["intervention"] == "helpful-pm"]["comparisons"].sum() == 2 * 2000


def test_a_tie_agrees_by_half_and_a_soft_label_by_its_chance(study: Results) -> None:
    def record(scores: list[float], label: float) -> Record:
        return Record("i", "c", details={"scores": scores, "label": label})

    given = [record([1, 1], 1.0), record([2, 1], 0.7), record([1, 2], 0.7)]
    (first, _) = gaps(replace(study, details=lambda _: given), "hh-pm")
    assert first.agreed == pytest.approx([0.5, 0.7, 0.3])
    assert first.gap == pytest.approx([0, 1, 1])


def test_training_seeds_of_a_size_are_one_curve(study: Results) -> None:
    again = study.cells[study.cells["intervention"] == "hh-pm"].assign(seed="1").rename(index="{} again".format)
    seeds = replace(
        study, cells=pd.concat([study.cells, again]), details=lambda cell: study.details(cell.removesuffix(" again"))
    )
    assert [(each.about["rung"], each.gap.size) for each in gaps(seeds, "hh-pm")] == [(rung, 8000) for rung in LADDER]


def test_bins_of_few_comparisons_are_joined_and_their_intervals_stay_shares(study: Results) -> None:
    given = [Record(f"i{n}", f"c{n}", details={"scores": [n, 0], "label": float(n % 5 > 0)}) for n in range(50)]
    figure, *_ = Preferences(Preferences.Config()).draw(replace(study, details=lambda _: given))
    bins = figure.data[figure.data["rung"] == next(iter(LADDER))]
    assert bins["comparisons"].tolist() == [25, 25]
    assert bins["low"].min() >= 0
    assert bins["high"].max() <= 1


def test_the_page_has_a_figure_for_each_preference_model_and_none_for_policies(study: Results) -> None:
    names = [figure.name for figure in Preferences(Preferences.Config()).draw(study)]
    assert names == ["gaps-helpful-pm", "gaps-hh-pm"]


def test_accuracy_as_they_learn_is_drawn_from_their_logs(study: Results, tmp_path: Path) -> None:
    told = [{"step": step, "evaluation": {"accuracy": 0.5 + step / 100}} for step in (0, 5, 10, 20)]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(each) + "\n" for each in told))
    (tmp_path / "comparisons.json").write_text(json.dumps({"trained": 300, "held_out": 40}))
    made = [
        Trained("hh-pm", rung, 10**n, 0, "scorer", "preference-model", {"rows": 32}, {}, tmp_path)
        for n, rung in enumerate(LADDER, 5)
    ]
    *_, figure = Preferences(Preferences.Config()).draw(replace(study, trained=made))
    assert figure.name == "learning"
    assert figure.data["comparisons"].tolist() == [160, 320, 640] * 2
    assert figure.data["accuracy"].tolist() == pytest.approx([0.55, 0.6, 0.7] * 2)
    assert "On 40 comparisons" in figure.caption


def test_accuracy_against_size_shows_the_preference_models_alone(study: Results) -> None:
    data = drawn(study, "7").data
    assert set(data["intervention"]) == {"helpful-pm", "hh-pm"}
    assert data["parameters"].nunique() == 2


@pytest.fixture
def tasks(monkeypatch: pytest.MonkeyPatch) -> Results:
    world = replace(synthetic.WORLDS["lm-eval:hellaswag"])
    monkeypatch.setattr(synthetic, "WORLDS", {**synthetic.WORLDS, **dict.fromkeys(TASKS, world)})
    return synthetic.results(LADDER, SERIES, [*TASKS, "hhh", "truthfulqa"], items=60)


def test_the_mean_over_tasks_is_that_of_their_scores(tasks: Results) -> None:
    by_task = drawn(tasks, "28").data
    mean = drawn(tasks, "3").data.set_index(["rung", "intervention"])
    for place, own in by_task.groupby(["rung", "intervention"]):
        assert mean.loc[place, "value"] == pytest.approx(own["value"].mean())
        assert mean.loc[place, "items"] == own["items"].sum()
        assert mean.loc[place, "high"] - mean.loc[place, "value"] < (own["high"] - own["value"]).max()


def test_tasks_that_are_there_are_drawn_from_an_imported_run(tasks: Results) -> None:
    plain = replace(
        tasks,
        cells=tasks.cells[tasks.cells["intervention"] == "none"],
        metrics={name: tasks.metrics[name] for name in TASKS if name != "lm-eval:mmlu"},
    )
    assert set(drawn(plain, "28").data["benchmark"]) == TASKS.keys() - {"lm-eval:mmlu"}


def test_figure_5_shows_policies_and_says_what_the_paper_prints(tasks: Results) -> None:
    left, right = drawn(tasks, "5L"), drawn(tasks, "5R")
    assert "86%" in left.caption
    assert "75%" in left.caption
    assert set(right.data["metric"]) == {"mc1"}
    with pytest.raises(UserError, match="does not record mc1"):
        drawn(replace(tasks, metrics={**tasks.metrics, "truthfulqa": tasks.metrics["hhh"]}), "5R")
