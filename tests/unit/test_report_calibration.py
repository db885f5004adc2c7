import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import synthetic

from cai_eval.benchmarks.calibration import Calibration as CalibrationBenchmark
from cai_eval.benchmarks.p_true import PTrue
from cai_eval.contracts import Figure, Metric, Results, Sample, Scored, Table
from cai_eval.errors import UserError
from cai_eval.lab.rows.facts import calibration, short
from cai_eval.lab.world import make_world
from cai_eval.reports.calibration import Calibration
from cai_eval.reports.forecasts import forecasts
from cai_eval.study.figures import lacking, paper_figures
from cai_eval.testing import RowsSource, check_report
from cai_eval.testing.toys import RandomPolicy

WORLD = make_world()
SOURCE = RowsSource({"facts": calibration(WORLD)[4::8], "short_facts": short(WORLD)[::2]})
SIZES = {"small": 24_000, "middle": 300_000, "large": 2_600_000}
INTERVENTIONS = {"none": "no intervention", "hhh-prompt": "HHH prompt"}


class Learner(RandomPolicy):
    """Says the planted probabilities, blurred: `known` of 1 is a perfect imitator, of 0 a guesser."""

    def __init__(self, items, known):
        super().__init__("plain")
        self.known = known
        self.planted = {item.data["question"]: item.data for item in items}

    def _share(self, planted):
        return math.log(max(self.known * planted + (1 - self.known) * 0.25, 1e-9))

    def generate(self, prompts, sampling, keys):
        drawn = []
        for prompt, key in zip(prompts, keys, strict=True):
            shares = self.planted[self._asked(prompt)]["shares"]
            values = np.random.default_rng(abs(hash_of(key))).choice(
                list(shares), sampling.samples, p=list(shares.values())
            )
            drawn.append([Sample(f" {value}", (1,), (-1.0,), "stop") for value in values])
        return drawn

    def score(self, requests):
        scores = []
        for request in requests:
            letter = "ABCDE".index(request.continuation.strip(" ()"))
            data = self.planted[self._asked(request.context)]
            if "shares" in data:
                share = data["shares"].get(request.context.split("Proposed answer: ")[1].split("\n")[0], 0.0)
                planted = (share, 1 - share)[letter]
            else:
                planted = data["planted"][letter]
            scores.append(Scored((self._share(planted),), greedy=False))
        return scores

    def _asked(self, prompt):
        return prompt.rsplit("Question: ", 1)[1].split("\n")[0]


def hash_of(text):
    return int.from_bytes(text.encode()[:8], "big")


def study(sizes=SIZES, interventions=INTERVENTIONS):
    """Three sizes that know more and more, on lettered facts and on P(True)."""
    benchmarks = {"calibration:facts": CalibrationBenchmark, "p-true:facts": PTrue}
    cells, details, rows, metrics = {}, {}, [], {}
    for benchmark, cls in benchmarks.items():
        built = cls(cls.Config())
        metrics[benchmark] = built.metrics()
        items = built.items(SOURCE)
        for place, (name, parameters) in enumerate(sizes.items()):
            for intervention in interventions:
                known = 0.2 + 0.35 * place + (0.1 if intervention != "none" else 0.0)
                cell = f"{benchmark}/{name}/{intervention}"
                records = list(built.evaluate(Learner(items, known), items))
                details[cell] = records
                rows += [
                    (cell, record.item, record.cluster, record.category, metric, value)
                    for record in records
                    for metric, value in record.scores.items()
                ]
                cells[cell] = {
                    "model": name,
                    "rung": name,
                    "parameters": parameters,
                    "intervention": intervention,
                    "seed": 0,
                    "benchmark": benchmark,
                    "label": "",
                    "errors": 0,
                }
    table = pd.DataFrame.from_dict(cells, orient="index").rename_axis("cell")
    frame = pd.DataFrame(rows, columns=["cell", "item", "cluster", "category", "metric", "value"])
    return Results(frame, table, metrics, details.__getitem__, dict(interventions), "a laboratory")


@pytest.fixture(scope="module")
def results():
    return study()


@pytest.fixture(scope="module")
def drawn(results):
    return {each.name: each for each in Calibration(Calibration.Config(resamples=100)).draw(results)}


def test_keeps_the_promises_of_a_report():
    check_report(Calibration, {"resamples": 100})
    check_report(Calibration, {"resamples": 100}, results=[study({"small": 24_000}, {"none": "as it is"})])


def test_families_are_drawn_apart_with_a_figure_for_each_question(drawn):
    figures = {name for name, each in drawn.items() if isinstance(each, Figure)}
    for family in ("fair", "myth"):
        assert f"reliability-calibration-facts-{family}" in figures
        assert f"ece-calibration-facts-{family}" in figures
        assert f"verdicts-p-true-facts-{family}" in figures
        assert f"kept-p-true-facts-{family}" in figures
    assert len(figures) == 2 * (2 + 4)


def test_the_table_tells_the_planted_truth(drawn):
    table = drawn["calibration"]
    assert isinstance(table, Table)
    frame = table.frame
    large = frame[(frame["benchmark"] == "calibration:facts") & (frame["model"] == "large")]
    prompted = large[large["intervention"] == "HHH prompt"].set_index("category")  # these say exactly what is planted
    assert prompted["slope"].to_numpy() == pytest.approx([1, 1], abs=1e-6)
    assert prompted["share error"].to_numpy() == pytest.approx([0, 0], abs=1e-6)
    assert prompted.loc["fair", "ece"] == pytest.approx(prompted.loc["fair", "ideal ece"])
    assert prompted.loc["fair", "p"] > 0.01
    assert prompted.loc["myth", "p"] < 0.01
    assert prompted.loc["myth", "excess"] > 0.2
    assert prompted.loc["myth", "square gap"] > 0.04 > prompted.loc["fair", "square gap"]
    assert prompted.loc["fair", "selective accuracy"] > prompted.loc["fair", "accuracy"]
    small = frame[(frame["benchmark"] == "calibration:facts") & (frame["model"] == "small")]
    assert (small["slope"] < 0.5).all()
    fair = small[small["category"] == "fair"]  # says too little of what it knows, which a low temperature mends
    assert (fair["temperature"] < 0.5).all()
    assert (fair["ece tempered"] < fair["ece"]).all()


def test_kept_answers_are_better_where_truth_is_planted_fairly(drawn):
    frame = drawn["kept-p-true-facts-fair"].data.pivot(index="rung", columns="intervention", values="value")
    assert frame.loc["large", "kept"] > frame.loc["large", "all"]
    myth = drawn["kept-p-true-facts-myth"].data.pivot(index="rung", columns="intervention", values="value")
    assert myth.loc["large", "kept"] < myth.loc["large", "all"]


def test_histograms_count_every_answer_once(drawn, results):
    counted = drawn["verdicts-p-true-facts-fair"].data.groupby("rung")["count"].sum()
    expected = len(forecasts(results, "p-true:facts")["fair"][0].p)
    assert (counted == expected).all()


@pytest.mark.parametrize(
    ("number", "parts", "metric"),
    [
        ("7", ("lettered", "none-of-the-above"), Metric("accuracy", "accuracy", primary=True)),
        ("11", ("p-true-alone", "p-true"), Metric("brier", "Brier score", "", higher_is_better=False, primary=True)),
    ],
)
def test_kadavaths_scores_stand_side_by_side_on_one_axis(monkeypatch, number, parts, metric):
    world = replace(synthetic.WORLDS["lm-eval:hellaswag"], metrics=(metric,))
    monkeypatch.setattr(synthetic, "WORLDS", dict.fromkeys(parts, world))
    made = synthetic.results(benchmarks=parts, items=40)
    (figure,) = paper_figures("kadavath-2022", number)
    assert lacking(figure, made) == []
    drawn = figure.draw(made)
    assert set(drawn.data["benchmark"]) == set(parts)
    assert len({ax.get_ylim() for ax in drawn.figure.axes}) == 1
    with pytest.raises(UserError, match=f"does not record {metric.name}"):
        figure.draw(replace(made, metrics={**made.metrics, parts[1]: ()}))
