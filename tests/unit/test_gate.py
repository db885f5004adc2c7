"""The gate's verdicts, its files and its command, on runs made up without a model."""

import json
import re
import shlex
import sys
from dataclasses import replace
from itertools import product
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pyarrow as pa
import pytest
import yaml
from finished import ACCURACY, PROTOCOL, write_run
from hypothesis import given
from hypothesis import strategies as st

from cai_eval import statistics
from cai_eval.cli import main
from cai_eval.cli.check import command
from cai_eval.config import validate
from cai_eval.contracts import Metric, ScorerSpec
from cai_eval.errors import UserError
from cai_eval.statistics import Level, Loss
from cai_eval.study.gate import outputs
from cai_eval.study.gate.baseline import baseline_of, load_baseline, save_baseline
from cai_eval.study.gate.pairing import beyond, pairs, thresholds
from cai_eval.study.gate.verdicts import Pair, Place, failed, flips, judge, verdict
from cai_eval.study.store import RunDirectory
from cai_eval.study.suite import Suite, Threshold, load_suite

DOCS = Path(__file__).parents[2] / "docs"

NATS = Metric("loss", "loss", unit="nats", higher_is_better=False, primary=True)
GOOD = [1.0] * 320 + [0.0] * 80
BAD = [0.0] * 100 + [1.0] * 220 + [0.0] * 80


def checked(before, after):
    return judge(pairs(baseline_of(before), baseline_of(after), thresholds(after)))


def pair(before, after, metric=ACCURACY, *, same_weights=False, tolerance=0.02, clusters=None):
    before, after = np.atleast_2d(before).astype(float), np.atleast_2d(after).astype(float)
    items = [str(i) for i in range(before.shape[1])]
    clusters = np.arange(len(items)) if clusters is None else clusters
    return Pair(Place("m", "i", "b"), metric, items, clusters, before, after, same_weights, 0.01, tolerance)


# -- verdicts ---------------------------------------------------------------------------------------


def test_a_great_loss_regresses_and_a_gain_passes():
    lost, won = judge([pair(GOOD, BAD), pair(BAD, GOOD)])
    assert (lost.verdict, won.verdict) == ("regressed", "passed")
    assert lost.loss.value == pytest.approx(0.25)
    assert won.loss.upper < 0
    assert len(lost.lost) == len(won.won) == 100
    assert not lost.won
    assert not won.lost


def test_a_metric_that_is_better_lower_is_turned_round():
    rng = np.random.default_rng(0)
    before = rng.normal(3, 1, 300)
    after = before + 0.5 + rng.normal(0, 0.5, 300)
    worse, better = judge([pair(before, after, NATS), pair(after, before, NATS)])
    assert (worse.verdict, better.verdict) == ("regressed", "passed")
    assert worse.loss.value == pytest.approx(np.mean(after - before))
    assert worse.lost == ()


@given(
    value=st.floats(-1, 1),
    margin=st.floats(0, 1),
    p=st.floats(0, 1),
    alpha=st.floats(0.001, 0.4),
    tolerance=st.floats(0, 1),
)
def test_verdicts_are_what_the_rule_says(value, margin, p, alpha, tolerance):
    loss = Loss(value, value + margin, p, 0.1, 0.1, 0.0, 10, 10)
    found = verdict(loss, p, alpha, tolerance)
    assert (found == "regressed") == (p < alpha and value > tolerance)
    assert (found == "passed") == (value + margin < tolerance)


def test_what_the_data_cannot_say_is_inconclusive():
    """One cluster: nothing is known of others like it."""
    (judgement,) = judge([pair(GOOD, GOOD, clusters=np.zeros(400, int))])
    assert judgement.verdict == "inconclusive"
    assert outputs.as_json([judgement])[0]["settled_by"] is None
    assert "items of more clusters" in outputs.reason(judgement)


def test_the_same_weights_with_the_same_scores_pass_however_few_items():
    few = [1.0, 0.0, 1.0]
    same, other = judge([pair(few, few, same_weights=True), pair(few, few)])
    assert (same.verdict, other.verdict) == ("passed", "inconclusive")


def test_strictness_decides_on_what_is_inconclusive_only():
    passed, inconclusive, regressed = judge([pair(BAD, GOOD), pair(GOOD[:9], GOOD[:9]), pair(GOOD, BAD)])
    for judgements, loose, strict in [
        ([passed], False, False),
        ([passed, inconclusive], False, True),
        ([passed, regressed], True, True),
    ]:
        assert failed(judgements, strict=False) is loose
        assert failed(judgements, strict=True) is strict


def test_the_family_is_the_gate():
    """A loss that is found alone is not found among many that show nothing."""
    slight = pair(GOOD, [0.0] * 12 + GOOD[12:308] + [0.0] * 12 + [1.0] * 4 + [0.0] * 76)
    alone = judge([slight])[0]
    among = judge([slight, *[pair(GOOD, GOOD)] * 60])[0]
    assert alone.p_adjusted == alone.loss.p < 0.01
    assert among.p_adjusted == pytest.approx(61 * among.loss.p)
    assert among.loss.detectable > alone.loss.detectable


# -- seeds ------------------------------------------------------------------------------------------


def seeded(random, means):
    return np.array([(random.random(400) < mean).astype(float) for mean in means])


def test_training_seeds_that_differ_widen_what_is_said_of_a_method():
    """Eight points apart on average, but seeds of one method are twenty apart."""
    random = np.random.default_rng(3)
    before, after = seeded(random, (0.9, 0.7, 0.8)), seeded(random, (0.82, 0.62, 0.72))
    method = judge([pair(before, after)])[0]
    weights = judge([pair(before, after, same_weights=True)])[0]
    assert (method.pair.scope, weights.pair.scope) == ("this method", "these weights")
    assert (method.verdict, weights.verdict) == ("inconclusive", "regressed")
    assert method.loss.value == pytest.approx(weights.loss.value)
    assert "more training seeds" in outputs.reason(method)


def test_a_single_seed_speaks_of_these_weights():
    random = np.random.default_rng(4)
    three, one = seeded(random, (0.9, 0.7, 0.8)), seeded(random, (0.8,))
    assert {each.pair.scope for each in judge([pair(three, one), pair(one, three)])} == {"these weights"}


def test_replicates_of_a_size_are_seeds_too(tmp_path):
    random = np.random.default_rng(6)
    runs = [
        write_run(tmp_path / weights, {"none": seeded(random, (0.8, 0.7)).tolist()}, weights=weights, models=2)
        for weights in "ab"
    ]
    (judgement,) = checked(*runs)
    assert judgement.pair.before.shape == judgement.pair.after.shape == (2, 400)
    assert judgement.pair.scope == "this method"
    assert checked(runs[0], runs[0])[0].pair.scope == "these weights"  # the same two models: nothing was trained


def test_methods_are_judged_by_both_variance_components():
    random = np.random.default_rng(5)
    before, after = seeded(random, (0.9, 0.7, 0.8)), seeded(random, (0.6, 0.5, 0.4, 0.5))
    loss = statistics.loss_of_method(before, after, None, Level(0.01, 3))
    estimate = statistics.seeded_difference(before, after, level=0.98)
    assert (loss.value, loss.upper) == (estimate.value, estimate.high)
    between = before.mean(1).var(ddof=1) / 3 + after.mean(1).var(ddof=1) / 4
    assert loss.seeds_share == pytest.approx(between / estimate.se**2)


def test_the_items_to_settle_it_follow_the_square_root_law():
    loss = Loss(0.01, 0.05, 0.2, 0.1, 0.06, 0.0, 100, 100)
    fixed, seeds, many = loss, replace(loss, seeds_share=0.2), replace(loss, seeds_share=0.3)
    assert statistics.items_to_settle(fixed, 0.03) == pytest.approx(400, rel=0.01)  # the bound comes twice as near
    assert statistics.items_to_settle(seeds, 0.03) == pytest.approx(1600, rel=0.01)  # .8 / 16 + .2 = .25
    assert statistics.items_to_settle(many, 0.03) == np.inf
    assert statistics.items_to_settle(replace(loss, value=0.03), 0.02) == pytest.approx(400, rel=0.01)  # not yet sure


def test_flips_are_of_shares_only():
    fewer, more = flips(pair([1, 0, 1, 1], [0, 1, 1, 0.6]))
    assert [flip.item for flip in fewer] == ["0"]
    assert [flip.item for flip in more] == ["1"]
    assert flips(pair([1, 0], [0, 1], NATS)) == ((), ())


# -- files ------------------------------------------------------------------------------------------


def test_a_baseline_survives_the_disk_and_is_small(tmp_path):
    run = write_run(tmp_path / "run", {"none": [GOOD], "tuned": [GOOD, BAD]})
    baseline = baseline_of(run)
    save_baseline(baseline, tmp_path / "b.zst")
    save_baseline(baseline, tmp_path / "again.zst")
    assert load_baseline(tmp_path / "b.zst") == baseline
    assert (tmp_path / "b.zst").read_bytes() == (tmp_path / "again.zst").read_bytes()
    assert (tmp_path / "b.zst").stat().st_size < 5_000
    assert [(cell.intervention, cell.seed) for cell in baseline.cells] == [
        ("none", "0"),
        ("tuned", "0"),
        ("tuned", "1"),
    ]


def test_clusters_are_those_of_the_records(tmp_path):
    run = write_run(tmp_path / "run", {"none": [GOOD]})
    assert baseline_of(run).benchmarks["quiz"].clusters == tuple(i // 2 for i in range(400))


def test_a_scorer_is_known_by_its_weights_wherever_they_lie(tmp_path):
    found = []
    for name, weights, mark in (("a", "x", "1"), ("b", "y", "1"), ("c", "z", "2")):
        run = write_run(tmp_path / name, {"pm": [GOOD]}, weights=weights)
        scorer = ScorerSpec(str(tmp_path / name / "pm"), mark, 9, 64)
        RunDirectory.read(run).publish_artefact(f"pm00{weights}", scorer, {})
        found.append(baseline_of(run).cells[0].policy)
    assert found[0] == found[1] != found[2]


def test_an_item_that_never_had_a_score_is_left_out(tmp_path):
    before = write_run(tmp_path / "a", {"none": [[None, *GOOD[1:]]], "tuned": [[1.0, *GOOD[1:]]]})
    after = write_run(tmp_path / "b", {"none": [GOOD], "tuned": [GOOD]}, weights="v")
    none, tuned = checked(before, after)
    assert (none.loss.n, tuned.loss.n) == (399, 400)
    assert none.loss.value == tuned.loss.value == 0


def test_thresholds_are_those_of_the_runs_suite(tmp_path):
    before = write_run(tmp_path / "a", {"none": [GOOD]})
    after = write_run(tmp_path / "b", {"none": [BAD]}, gate={"quiz": {"tolerance": 0.4}}, weights="v")
    (judgement,) = checked(before, after)
    assert (judgement.pair.alpha, judgement.pair.tolerance) == (0.01, 0.4)
    assert judgement.verdict == "passed"


def test_thresholds_that_are_none_are_one_sentence(tmp_path):
    run = write_run(tmp_path / "run", {"none": [GOOD]}, gate={"quiz": {"tolerence": 0.4}})
    with pytest.raises(UserError, match=r"run\.json: unknown key 'tolerence' \(did you mean 'tolerance'"):
        thresholds(run)


def test_what_the_run_has_more_is_named(tmp_path):
    before = write_run(tmp_path / "a", {"none": [GOOD]})
    after = write_run(tmp_path / "b", {"none": [GOOD], "tuned": [BAD]})
    assert [j.verdict for j in checked(before, after)] == ["passed"]
    assert beyond(baseline_of(before), baseline_of(after)) == [Place("tiny", "tuned", "quiz")]


@pytest.mark.parametrize(
    ("scores", "options", "message"),
    [
        ({"none": [GOOD]}, {"suite": "other"}, "of suite 's', the run of 'other'"),
        ({"none": [GOOD]}, {"protocol": PROTOCOL | {"version": "2"}}, "version '1', now '2'"),
        ({"none": [GOOD]}, {"protocol": PROTOCOL | {"config": {"shots": 5}}}, "config"),
        ({"none": [GOOD]}, {"protocol": PROTOCOL | {"items": "changed"}}, "400 of 400 have the same name"),
        ({"none": [GOOD[:9]]}, {"protocol": PROTOCOL | {"items": "fewer"}}, "9 of 400 have the same name"),
        ({"none": [GOOD]}, {"names": "j"}, "share no item of quiz"),
        ({"none": [GOOD]}, {"metric": NATS}, "another metric"),
        ({"tuned": [GOOD]}, {}, "the run lacks tiny, none, quiz"),
        ({"none": [[None, float("nan"), *GOOD[2:]]]}, {}, "no score for item i0 and 1 more of tiny, none, quiz"),
    ],
)
def test_what_cannot_be_compared_is_one_sentence(tmp_path, scores, options, message):
    before = write_run(tmp_path / "a", {"none": [GOOD]})
    with pytest.raises(UserError) as error:
        checked(before, write_run(tmp_path / "b", scores, **options))
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_run_that_is_not_finished_is_no_side_of_a_gate(tmp_path):
    run = write_run(tmp_path / "run", {"none": [GOOD], "tuned": [GOOD]})
    (run / "cells/tuned00/cell.json").unlink()
    with pytest.raises(UserError, match=r"tiny-0, tuned, quiz .* has no result"):
        baseline_of(run)


def packed(content):
    return pa.Codec("zstd").compress(content.encode(), asbytes=True)


def spoilt(change):
    def spoil(whole):
        data = json.loads(pa.input_stream(pa.BufferReader(whole), compression="zstd").read())
        change(data)
        return packed(json.dumps(data))

    return spoil


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda whole: whole[: len(whole) // 2], "no whole baseline"),
        (lambda whole: whole[:-1], "no whole baseline"),
        (lambda whole: b"", "no whole baseline"),
        (lambda whole: b'{"format": 1}', "no whole baseline"),
        (lambda whole: packed("[1]"), "no whole baseline"),
        (spoilt(lambda data: data.update(format=2)), "another version"),
        (spoilt(lambda data: data.pop("cells")), "'cells' is missing"),
        (spoilt(lambda data: data.update(cells=[])), "holds no cell"),
        (spoilt(lambda data: data["cells"][0].update(scores=["high"])), "valid number"),
        (spoilt(lambda data: data["cells"][0]["scores"].pop()), "one score for each item"),
        (spoilt(lambda data: data["cells"][0]["scores"].__setitem__(0, float("nan"))), "no numbers"),
    ],
)
def test_a_baseline_that_is_no_good_is_one_sentence(tmp_path, spoil, message):
    path = tmp_path / "b.zst"
    save_baseline(baseline_of(write_run(tmp_path / "run", {"none": [GOOD]})), path)
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(UserError, match=message):
        load_baseline(path)


def test_our_own_baseline_holds_what_its_suite_asks():
    """.ci/run checks against it."""
    folder = Path(__file__).parents[1] / "gate"
    baseline, suite = load_baseline(folder / "baseline.json.zst"), load_suite(str(folder / "suite.yaml"))
    asked = set(product(suite.rungs, suite.interventions, suite.benchmarks))
    assert {(cell.rung, cell.intervention, cell.benchmark) for cell in baseline.cells} == asked
    assert {name: len(each.items) for name, each in baseline.benchmarks.items()} == suite.quick


# -- outputs ----------------------------------------------------------------------------------------

ODD = Place("1<b>", "a|b`", "x\x00&")


@pytest.fixture(scope="module")
def judgements():
    given = [pair(GOOD, BAD), pair(GOOD[:9], GOOD[:9]), pair(BAD, GOOD)]
    return judge([replace(each, place=ODD) for each in given])


@pytest.mark.parametrize("strict", [False, True])
def test_junit_counts_its_cases(judgements, strict):
    suite = ElementTree.fromstring(outputs.junit(judgements, strict))
    cases = suite.findall("testcase")
    assert len(cases) == int(suite.get("tests")) == 3
    assert len(suite.findall("testcase/failure")) == int(suite.get("failures")) == 1 + strict
    assert len(suite.findall("testcase/skipped")) == int(suite.get("skipped")) == 1 - strict
    text = cases[0].find("failure").text
    assert text.splitlines()[0] == "lost: 0 (1 → 0)"
    assert text.splitlines()[-1] == "lost: and 80 more"


def test_markdown_is_a_table_that_names_cannot_break(judgements):
    text = outputs.markdown(judgements, ["not in the baseline: *all* of it"])
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {row.replace("\\|", "").count("|") for row in rows} == {11}
    assert "<b>" not in text
    assert text.startswith("## cai-eval check: 1 regressed, 1 passed, 1 inconclusive")
    assert "- `0 (1 → 0)`" in text


def test_json_has_every_flip(judgements):
    rows = json.loads(json.dumps(outputs.as_json(judgements), allow_nan=False))
    assert [row["verdict"] for row in rows] == ["regressed", "inconclusive", "passed"]
    assert len(rows[0]["lost"]) == 100
    assert rows[1]["settled_by"] > 9


# -- the command ------------------------------------------------------------------------------------


@pytest.fixture
def call(monkeypatch, capsys, tmp_path):
    """Calls `cai-eval` where runs `good`, `same` and `bad` lie; gives (exit code, standard output, standard error)."""
    monkeypatch.chdir(tmp_path)
    for name, scores in {"good": GOOD, "same": GOOD, "bad": BAD}.items():
        write_run(tmp_path / name, {"none": [scores]}, weights="w" if name != "bad" else "v")

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["cai-eval", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_:
            main()
        captured = capsys.readouterr()
        return exit_.value.code, captured.out, captured.err

    return run


def test_the_command_passes_and_fails(call, tmp_path):
    code, out, err = call("baseline", "save", "good")
    assert (code, err) == (0, "")
    assert out.startswith("baseline.json.zst: 1 cells, ")
    code, out, _ = call("check", "--against", "baseline.json.zst", "--run", "same")
    assert code == 0
    assert "1 passed" in out
    files = ("--junit", "out.xml", "--summary", "out.md")
    code, out, _ = call("check", "--against", "baseline.json.zst", "--run", "bad", *files)
    assert code == 1
    assert "1 regressed" in out
    assert "lost: i0 (1 → 0)" in out
    assert ElementTree.parse(tmp_path / "out.xml").getroot().get("failures") == "1"
    code, out, _ = call("check", "--against", "baseline.json.zst", "--run", "bad", *files, "--json")
    assert code == 1
    assert json.loads(out)["verdicts"][0]["verdict"] == "regressed"
    assert (tmp_path / "out.md").read_text().count("## cai-eval check") == 2  # a summary is added to


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["check", "--run", "good"], "--against"),
        (["check", "--against", "none.zst", "--run", "good"], "cai-eval baseline save"),
        (["check", "--against", "good/run.json", "--run", "good"], "no whole baseline"),
        (["check", "--against", "b.zst"], "--run, or a suite"),
        (["check", "--against", "b.zst", "--run", "good", "--suite", "s"], "--run, or a suite"),
        (["check", "--against", "b.zst", "--run", "good", "--limit", "3"], "leave out the options"),
        (["check", "--against", "b.zst", "--run", "nowhere"], "no run.json"),
        (["check", "--against", "b.zst", "--suite", "alignment-taxes"], "did you mean 'alignment-tax'"),
        (["baseline", "save", "nowhere"], "no run.json"),
        (["baseline", "save", "good", "-o", "nowhere/b.zst"], "cannot write"),
        (["baseline", "save", "good", "-o", "same"], "is a directory"),
        (["check", "--against", "b.zst", "--run", "good", "--junit", "same"], "is a directory"),
        (["check", "--against", "same", "--run", "good"], "no whole baseline"),
        (["check", "--against", "cut.zst", "--run", "good"], "no whole baseline"),
        (["check", "--against", "b.zst", "--run", "other-suite"], "of suite 's', the run of 'other'"),
        (["check", "--against", "b.zst", "--run", "other-items"], "share no item of quiz"),
        (["check", "--against", "b.zst", "--run", "nan"], "no score for any item of quiz"),
        (["compare", "good", "other-items"], "share no item"),
        (["import", "lm-eval", "good/run.json"], "no results file of lm-eval"),
        (["import", "lm-eval", "good"], "no results file of lm-eval"),
        (["figures", "--paper", "askell-2021", "--run", "good", "--out", "b.zst"], "is a file"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(call, arguments, message):
    assert call("baseline", "save", "good", "-o", "b.zst")[0] == 0
    Path("cut.zst").write_bytes(Path("b.zst").read_bytes()[:-9])
    write_run(Path("other-suite"), {"none": [GOOD]}, suite="other")
    write_run(Path("other-items"), {"none": [GOOD]}, names="j")
    write_run(Path("nan"), {"none": [[float("nan")] * 400]})
    code, out, err = call(*arguments)
    assert code == 2
    assert message in err
    assert "Traceback" not in err
    assert out == ""


# -- the page ---------------------------------------------------------------------------------------


def test_the_workflow_calls_the_command_as_it_is():
    workflow = yaml.safe_load((DOCS / "github-actions.yml").read_text(encoding="utf-8"))
    (run,) = [step["run"] for step in workflow["jobs"]["check"]["steps"] if "cai-eval check" in step.get("run", "")]
    program, name, *arguments = shlex.split(run)
    assert (program, name) == ("cai-eval", "check")
    assert command.make_context(name, arguments).params["suite"] == "alignment-tax"


def test_the_thresholds_on_the_page_are_a_suites():
    (section,) = re.findall(r"```yaml\n(.*?)```", (DOCS / "ci.md").read_text(encoding="utf-8"), re.DOTALL)
    named = {"name": "s", "title": "S", "ladder": "x", "interventions": {"none": None}, "benchmarks": {"hhh": None}}
    suite = validate(Suite, {**named, **yaml.safe_load(section)}, str)
    assert suite.gate["hhh"] == Threshold(alpha=0.01, tolerance=0.05)
    with pytest.raises(UserError, match="unknown benchmark in gate 'lambada'"):
        suite.validate_plugins(lambda _: "suite.yaml")
