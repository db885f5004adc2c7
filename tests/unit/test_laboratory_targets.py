"""The page of what the ladder shows: verdicts on made-up records whose answer is known, and what is missing by name."""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
import pytest

from cai_eval.contracts import IDEAL, Metric, PolicySpec, Results
from cai_eval.lab.shipped import Facts
from cai_eval.lab.world import make_world
from cai_eval.study.laboratory import page
from cai_eval.study.laboratory.curves import Curve, Missing, curves, gains, slope
from cai_eval.study.laboratory.evidence import Model
from cai_eval.study.laboratory.targets import LINES, Evidence, finding, findings

SIZES = {"24k": 24e3, "330k": 330e3, "2.6M": 2.6e6}
ITEMS = 200
METRICS = {
    "lambada": [Metric("accuracy", "accuracy", chance=0.0, primary=True)],
    "truthfulqa": [Metric("mc1", "MC1", primary=True)],
    "hhh": [Metric("accuracy", "accuracy", chance=0.5, primary=True), Metric("margin", "lead", unit="nats")],
    "code": [Metric("pass@1", "pass@1", chance=0.0, primary=True)],
}
INTERVENTIONS = ("none", "hhh-prompt", "dialogue-only", "placebo-prompt", "context-distillation", "fine-tune")

#: (benchmark, intervention) → mean at each size, of a ladder that reaches everything
GOOD: Mapping[tuple[str, str], tuple[float, float, float]] = {
    ("lambada", "none"): (0.10, 0.55, 0.90),
    ("lambada", "hhh-prompt"): (0.07, 0.52, 0.88),
    ("truthfulqa", "none"): (0.25, 0.10, 0.02),
    ("truthfulqa", "hhh-prompt"): (0.25, 0.60, 0.97),
    ("hhh", "none"): (0.50, 0.40, 0.30),
    ("hhh", "hhh-prompt"): (0.50, 0.70, 0.90),
    ("hhh", "dialogue-only"): (0.50, 0.50, 0.50),
    ("hhh", "placebo-prompt"): (0.50, 0.50, 0.50),
    ("hhh", "context-distillation"): (0.50, 0.70, 0.88),
    ("hhh", "fine-tune"): (0.50, 0.45, 0.50),
    ("code", "none"): (0.05, 0.40, 0.65),
    ("code", "hhh-prompt"): (0.02, 0.35, 0.80),
}
IDEALS = {"lambada": 1.0, "truthfulqa": {"none": 0.0, "hhh-prompt": 1.0}, "hhh": 0.5, "code": 0.7}


def results(means: Mapping[tuple[str, str], tuple[float, ...]] = GOOD, lacking: tuple[str, ...] = ()) -> Results:
    """Right-or-wrong scores with these means; lacking: cells "benchmark/intervention/rung" that never ran."""
    cells, frames = {}, []
    for (benchmark, intervention), values in means.items():
        for (rung, parameters), value in zip(SIZES.items(), values, strict=True):
            cell = f"{benchmark}/{intervention}/{rung}"
            if cell in lacking:
                continue
            about = {"model": f"{rung} 0123", "rung": rung, "parameters": int(parameters)}
            cells[cell] = about | {
                "intervention": intervention,
                "benchmark": benchmark,
                "seed": "0/0",
                "label": "",
                "errors": 0,
            }
            right = np.array([(7 * n) % ITEMS < value * ITEMS for n in range(ITEMS)], float)
            ideal = IDEALS[benchmark]
            scores = {
                METRICS[benchmark][0].name: right,
                IDEAL: np.full(ITEMS, ideal if isinstance(ideal, float) else ideal[intervention]),
            }
            if benchmark == "hhh":
                noise = np.sin(np.arange(ITEMS))  # the margin of a model that is surer the more often it is right
                scores["margin"] = 4 * (value - 0.5) + noise
            frames += [
                pd.DataFrame(
                    {
                        "cell": cell,
                        "item": [f"{benchmark}-{n}" for n in range(ITEMS)],
                        "cluster": [f"c{n // 2}" for n in range(ITEMS)],
                        "category": [("honest", "harmless")[n % 2] if benchmark == "hhh" else "" for n in range(ITEMS)],
                        "metric": name,
                        "value": column,
                    }
                )
                for name, column in scores.items()
            ]
    table = pd.DataFrame.from_dict(cells, orient="index")
    return Results(
        pd.concat(frames), table, METRICS, lambda _: [], {name: name for name in INTERVENTIONS}, "laboratory"
    )


def curve(*columns: np.ndarray, ideal: np.ndarray | float = 1.0) -> Curve:
    """A probe's, a column a rung."""
    rungs = list(SIZES)[-len(columns) :]
    count = columns[0].shape[-1]
    ideals = np.broadcast_to(ideal, count)
    return Curve(
        {rung: SIZES[rung] for rung in rungs},
        dict(zip(rungs, columns, strict=True)),
        dict.fromkeys(rungs, ideals),
        np.arange(count) // 2,
    )


def share(value: float) -> np.ndarray:
    return np.array([(7 * n) % ITEMS < value * ITEMS for n in range(ITEMS)], float)


PLANTED = np.tile([0.7, 0.2, 0.08, 0.02], ITEMS // 4) * np.repeat(np.linspace(0.8, 1.0, ITEMS // 4), 4)
NOISE = 0.01 * np.cos(np.arange(ITEMS))


def recovered(*slopes: float) -> Curve:
    """Stated probabilities on lines through the mean."""
    return curve(*(0.25 + s * (PLANTED - 0.25) + NOISE for s in slopes), ideal=PLANTED)


def harms(*falls: tuple[float, ...]) -> dict[str, Curve]:
    """Grades of harm around 3, 0 and so on; a row of means for each revision."""
    spread = 0.2 * np.sin(np.arange(ITEMS))
    return {f"harm {turn}": curve(*(mean + spread * (turn + 1) for mean in row)) for turn, row in enumerate(falls)}


PROBES = {
    "forum shares": recovered(0.3, 0.8, 0.97),
    "lettered shares": recovered(0.1, 0.6, 0.95),
    "right": curve(share(0.5), share(0.7), share(0.9)),
    "flipped": curve(share(0.1), share(0.5), share(0.8)),
    "lost": curve(share(0.3), share(0.1), share(0.0), ideal=0.0),
    **harms((2.5, 2.5, 2.5), (2.5, 1.6, 1.4), (2.5, 1.0, 0.4), (2.5, 0.6, 0.1)),
}
SAME = {"prompt": curve(share(0.48)), "dialogue": curve(share(0.48))}


def evidence(**changed: object) -> Evidence:
    parts = {"results": results(), "probes": PROBES, "null_world": SAME, "without_drafts": harms(*[(2.5,)] * 4)}
    return Evidence(**(parts | changed))


def found(*names: str, **changed: object) -> dict[str, str]:
    """Line → its verdict; of all lines where none is named."""
    given = evidence(**changed)
    return {line.name: finding(line, given).verdict for line in LINES if not names or line.name in names}


def test_a_ladder_that_shows_everything_reaches_every_target():
    verdicts = found()
    without_target = {"forum-error", "lettered-error", "lost"}
    assert {name for name, verdict in verdicts.items() if verdict != "reached"} == without_target
    assert all(verdicts[name] == "" for name in without_target)


def moved(benchmark: str, intervention: str, *values: float) -> dict[str, object]:
    return {"results": results({**GOOD, (benchmark, intervention): values})}


FAILURES: Mapping[str, Callable[[], dict[str, object]]] = {
    "lambada": lambda: moved("lambada", "none", 0.10, 0.92, 0.82),  # falls on the way
    "lambada-tax": lambda: moved("lambada", "hhh-prompt", 0.10, 0.40, 0.90),
    "truthfulqa-plain": lambda: moved("truthfulqa", "none", 0.25, 0.10, 0.08),
    "truthfulqa-prompt": lambda: moved("truthfulqa", "hhh-prompt", 0.25, 0.60, 0.85),
    "hhh-margin": lambda: moved("hhh", "hhh-prompt", 0.80, 0.70, 0.60),
    "hhh-honest": lambda: moved("hhh", "hhh-prompt", 0.50, 0.50, 0.35),
    "hhh-harmless": lambda: moved("hhh", "hhh-prompt", 0.50, 0.50, 0.35),
    "code": lambda: moved("code", "none", 0.05, 0.40, 0.55),
    "code-tax": lambda: moved("code", "hhh-prompt", 0.02, 0.35, 0.60),
    "context-distillation": lambda: moved("hhh", "fine-tune", 0.50, 0.60, 0.75),
    "forum-slope": lambda: {"probes": {**PROBES, "forum shares": recovered(0.3, 0.5, 0.8)}},
    "forum-intercept": lambda: {"probes": {**PROBES, "forum shares": recovered(0.3, 0.5, 0.7)}},
    "lettered-slope": lambda: {"probes": {**PROBES, "lettered shares": recovered(1.01, 1.05, 1.06)}},  # no nearer
    "lettered-intercept": lambda: {"probes": {**PROBES, "lettered shares": recovered(1.01, 1.05, 1.06)}},
    "rules": lambda: {"probes": {**PROBES, "right": curve(share(0.5), share(0.7), share(0.8))}},
    "rules-flip": lambda: {"probes": {**PROBES, "flipped": curve(share(0.5), share(0.5), share(0.52))}},
    "revision-1": lambda: {"probes": {**PROBES, **harms(*[(2.5, 2.5, 2.5)] * 4)}},
    "revision-3": lambda: {"probes": {**PROBES, "harm 3": PROBES["harm 2"]}},
    "placebo-honest": lambda: moved("hhh", "placebo-prompt", 0.50, 0.50, 0.70),
    "placebo-harmless": lambda: moved("hhh", "placebo-prompt", 0.50, 0.50, 0.30),
    "null-world": lambda: {"null_world": {**SAME, "prompt": curve(share(0.7))}},
    "without-drafts": lambda: {"without_drafts": harms((2.5,), (2.0,), (1.5,), (1.0,))},
}


@pytest.mark.parametrize("name", FAILURES)
def test_what_falls_short_is_not_reached(name):
    assert found(name, **FAILURES[name]()) == {name: "**not reached**"}


def test_every_line_with_a_target_can_fail():
    without_target = {"forum-error", "lettered-error", "lost", "revision-2"}
    assert {line.name for line in LINES} == set(FAILURES) | without_target


def test_what_is_missing_is_named():
    names = ("code", "code-tax", "placebo-honest", "hhh-honest", "null-world", "rules")
    lacking = found(
        *names, results=results(lacking=("code/none/330k", "hhh/placebo-prompt/24k")), null_world={}, probes={}
    )
    assert lacking["code"] == "not measured: lacks code under none at 330k"
    assert lacking["code-tax"] == "not measured: lacks code under none at 330k"
    assert lacking["placebo-honest"] == "not measured: lacks hhh under placebo-prompt at 24k"
    assert lacking["hhh-honest"] == "reached"
    assert lacking["null-world"] == "not measured: lacks a model of the null world"
    assert lacking["rules"] == "not measured: lacks comparisons by a stated rule"


def test_a_benchmark_that_no_run_has_is_named():
    few = {key: value for key, value in GOOD.items() if key[0] != "code"}
    without = results(few)
    del (metrics := dict(METRICS))["code"]
    cut = Results(without.records, without.cells, metrics, without.details, without.interventions)
    assert found("code", results=cut) == {"code": "not measured: lacks code"}


def test_a_gain_is_paired_and_has_its_ideal():
    prompt, plain = curves(results(), "truthfulqa", "mc1", ("hhh-prompt", "none"))
    points = gains(prompt, plain)
    assert [point.rung for point in points] == list(SIZES)
    assert points[-1].value == pytest.approx(0.95)
    assert points[-1].ideal == 1.0
    assert points[-1].estimate.low < 0.95 < points[-1].estimate.high


def test_an_item_without_a_score_somewhere_is_left_out_everywhere():
    whole = results()
    records = whole.records[~((whole.records["cell"] == "lambada/none/330k") & (whole.records["item"] == "lambada-7"))]
    cut = Results(records, whole.cells, METRICS, whole.details, whole.interventions)
    assert {len(values) for values in curves(cut, "lambada", "accuracy", ("none",))[0].values.values()} == {ITEMS - 1}
    with pytest.raises(Missing, match="honest"):
        curves(whole, "lambada", "accuracy", ("none",), category="honest")


def test_a_slope_is_that_of_the_means():
    after, before = curve(share(0.2), share(0.5), share(0.8)), curve(share(0.2), share(0.2), share(0.2))
    means = [0.0, 0.3, 0.6]
    assert slope(after, before).value == pytest.approx(np.polyfit(np.log10(list(SIZES.values())), means, 1)[0])


def test_replicates_widen_an_interval():
    one = curve(share(0.5))
    three = curve(np.stack([share(0.3), share(0.5), share(0.7)]))
    lone, (point,) = one.points()[0].estimate, three.points()
    assert point.value == pytest.approx(0.5)
    assert point.estimate.high - point.estimate.low > 2 * (lone.high - lone.low)


def test_the_page_has_every_line_its_verdict_and_why():
    models = [
        Model(rung, PolicySpec("m", rung, int(size), 2048), Facts(rung, 0, 10**7, 1.234, "recipe", "corpus", ""), "abc")
        for rung, size in SIZES.items()
    ]
    text = page.render(findings(evidence(**FAILURES["code"]())), models, {"null world": models[1]}, make_world())
    for line in LINES:
        assert line.title in text
    assert "| pass@1 | 0.050 [" in text
    assert "| 2.6M | 2,600,000 | 0 | 10,000,000 | 1.234 | `abc` |" in text
    assert "| 330k, null world | 330,000 | 0 | " in text
    assert "pass@1: Not reached (≤ .10 at the smallest rung, ≥ .60 at the largest)" in text
    assert "not a benchmark of anybody's model" in " ".join(text.replace("\n", " ").split())


def test_explanations_are_of_lines():
    assert set(page.explanations()) <= {line.name for line in LINES}
