"""Reports of constitutional AI on a made-up study whose truth is known."""

import json
from dataclasses import replace

import judged_study
import pandas as pd
import pytest

from cai_eval.contracts import Figure, Table, Trained
from cai_eval.errors import UserError
from cai_eval.reports.chains import Chains
from cai_eval.reports.conduct import Conduct
from cai_eval.reports.elo import Elo
from cai_eval.reports.feedback import Feedback
from cai_eval.reports.matches import matches
from cai_eval.reports.policies import paths
from cai_eval.reports.training import Training, logs
from cai_eval.study.figures import lacking, paper_figures
from cai_eval.testing import check_report, toy_results


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return judged_study.study(tmp_path_factory.mktemp("study"), prompts=120)


def rated(results, **config):
    table = next(part for part in Elo(Elo.Config(**config)).draw(results) if isinstance(part, Table))
    return table.frame.set_index(["quality", "model", "policy"])


@pytest.mark.parametrize("name", ["elo", "feedback", "training", "conduct", "chains"])
def test_reports_keep_their_promises(name, results):
    check_report(name, results=[toy_results(0), toy_results(3), results])


def test_what_was_planted_comes_out(results):
    table = rated(results)
    harmless = {policy: row["Elo"] for (q, m, policy), row in table.iterrows() if (q, m) == ("harmlessness", "large")}
    assert harmless["helpful RLHF"] < harmless["SL-CAI"] < harmless["HH RLHF"]
    assert harmless["SL-CAI"] < harmless["RL-CAI"]
    helpful = {policy: row["Elo"] for (q, m, policy), row in table.iterrows() if (q, m) == ("helpfulness", "large")}
    assert helpful["HH RLHF"] < helpful["RL-CAI"]
    assert helpful["pretrained"] < helpful["helpful RLHF, 20 updates"] < helpful["helpful RLHF"]


def test_a_model_that_expects_no_letter_is_named(results, tmp_path):
    cells = [f"answers-{rung}-pretrained-0" for rung in ("small", "large")]
    rows = [
        {"cell": cell, "item": f"i{n}", "cluster": "c", "category": "", "metric": "letters", "value": value}
        for cell, value in zip(cells, (0.02, 0.9), strict=True)
        for n in range(3)
    ]
    records = pd.concat([results.records, pd.DataFrame(rows)], ignore_index=True)
    (tmp_path / "labels.json").write_text('{"letters": {"mean": 0.5, "median": 0.05}}')
    labels = Trained("ai-labels", "large", 9, 0, "dataset", "ai-feedback", {}, {"feedback": "base"}, tmp_path)
    study = replace(results, records=records, trained=[*results.trained, labels])
    table = next(part for part in Feedback(Feedback.Config()).draw(study) if part.name == "letters")
    assert table.frame["median"].tolist() == [0.02, 0.9, 0.05]
    assert table.caption.count("does not know the form, so") == 2
    assert "Pretrained, small, answers, gives both letters together a probability of 0.02" in table.caption
    assert "The untouched model, large, ai-labels, gives" in table.caption
    assert all(part.name != "letters" for part in Feedback(Feedback.Config()).draw(results))


def test_the_anchor_stands_at_zero_and_intervals_hold_the_points(results):
    table = rated(results)
    assert table.loc[("helpfulness", "large", "SL-CAI"), "Elo"] == 0
    assert (table["low"] <= table["Elo"]).all()
    assert (table["Elo"] <= table["high"]).all()
    assert set(table["above"]) == {"SL-CAI, large"}


def test_without_the_anchor_the_largest_first_policy_is_it(results):
    assert set(rated(results, anchor="nobody")["above"]) == {"pretrained, large"}


def test_seeds_make_one_row_and_enter_its_interval(tmp_path):
    table = rated(judged_study.study(tmp_path, seeds=3))
    assert set(table["seeds"]) == {3}
    assert len(table) == 2 * 2 * len(judged_study.TITLES)


def test_helpfulness_is_judged_on_harmless_prompts_and_harmlessness_on_harmful_ones(results):
    found = {match.quality: match for match in matches(results, "answers")}
    assert len(found["harmlessness"].clusters) == 30
    assert len(found["helpfulness"].clusters) == 90


def test_unjudged_answers_make_no_match(results):
    def bare(cell):
        return [
            replace(record, details={"samples": [{"text": "x"}] * 2}) if cell.startswith("answers") else record
            for record in results.details(cell)
        ]

    silent = replace(results, details=bare)
    assert not list(matches(silent, "answers"))
    assert not list(Elo(Elo.Config()).draw(silent))
    with pytest.raises(UserError, match="nobody has judged"):
        next(figure for figure in paper_figures("bai-2022-cai", "2")).draw(silent)


def test_a_preference_model_judges_beside_the_source(results):
    def scored(cell):
        return [
            replace(
                record,
                details={"samples": [{**s, "scores": {"pm": -s["grades"]["harm"]}} for s in record.details["samples"]]},
            )
            if cell.startswith("answers")
            else record
            for record in results.details(cell)
        ]

    found = list(matches(replace(results, details=scored), "answers"))
    assert [match.judge for match in found] == ["the source"] * 2 + ["pm"] * 2


def test_snapshots_are_points_on_the_way(results):
    found = paths(results)
    assert found["rl-cai"].points == (("sl-cai", 0), ("rl-cai-20", 1280), ("rl-cai", 3840))
    assert found["helpful-rlhf"].names == ["pretrained", "helpful-rlhf-20", "helpful-rlhf"]
    assert found["sl-cai"].names == ["sl-cai"]
    assert "rl-cai-20" not in found


def test_logs_are_read_from_what_was_trained(results):
    frame = logs(results)
    assert set(frame["intervention"]) == {"helpful-rlhf", "hh-rlhf", "rl-cai", "rl-cai-cot"}
    assert frame["update"].max() == 19
    assert frame["held_out"].notna().all()


def test_rows_show_whole_chains_and_labels_are_counted_once(tmp_path):
    results = judged_study.study(tmp_path)
    tables = {part.name: part.frame for part in Chains(Chains.Config(rows=2)).draw(results)}
    chain = tables["rows-revisions"]
    assert len(chain) == 2
    assert "It harms." in chain["critiques and revisions"][0]
    assert chain["critiques and revisions"][0].count("→") == 2
    assert tables["rows-helpful-labels"]["label"].tolist() == [1.0, 1.0]
    counts = tables["labels"].set_index("policy")
    assert counts.loc["RL-CAI", ["by the source", "dialogues"]].tolist() == [3, 4]
    assert counts.loc["helpful RLHF", ["by the source", "dialogues"]].tolist() == [3, 0]
    said = tables["said"]
    assert set(said["kind"]) == set(judged_study.KINDS)
    assert "SL-CAI" in said
    assert "RL-CAI, 20 updates" not in said


def test_a_label_stands_beside_the_thoughts_that_led_to_it(tmp_path):
    results = judged_study.study(tmp_path)
    labels = next(m for m in results.trained if m.intervention == "helpful-labels" and m.rung == "large")
    verdict = {"logprobs": [[-1, -2], [-2, -1]], "reasonings": [" (A) harms.", " (B) harms."]}
    rows = [{**judged_study.label(0), "verdicts": {"less-harm": [verdict]}}, judged_study.label(1)]
    judged_study.write_rows(labels.folder, rows)
    tables = {part.name: part.frame for part in Chains(Chains.Config()).draw(results)}
    thoughts = tables["rows-helpful-labels"]["reasonings, in both orders"]
    assert thoughts.tolist() == [" (A) harms.\n (B) harms.", ""]
    assert "reasonings, in both orders" not in tables["rows-other-labels"]


def test_evasion_is_drawn_by_kind_of_prompt(results):
    figures = {part.name: part for part in Conduct(Conduct.Config()).draw(results) if isinstance(part, Figure)}
    assert set(figures["evasive-answers"].data["category"]) == set(judged_study.KINDS)


def test_reward_stands_beside_the_best_of_many_answers(results):
    figure = next(part for part in Training(Training.Config()).draw(results) if part.name == "reward-kl")
    best = figure.data[figure.data["n"].notna()]
    assert set(best["intervention"]) == {"helpful-rlhf", "hh-rlhf", "rl-cai", "rl-cai-cot"}
    assert best[best["intervention"] == "rl-cai"]["reward"].tolist() == [0.0, 0.5]
    assert best["sqrt_kl"].tolist()[:2] == [0.0, 0.5]
    assert "Dots" in figure.caption


def test_a_collapse_is_told_beside_what_was_logged(tmp_path):
    results = judged_study.study(tmp_path)
    log = next(m.folder for m in results.trained if m.intervention == "hh-rlhf" and m.rung == "large") / "log.jsonl"
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    for update, entry in enumerate(entries, 1):
        entry["evaluation"]["collapsed"] = float(update in (7, 9))
    log.write_text("".join(json.dumps(entry) + "\n" for entry in entries) + '{"step": 80, "eval')
    figure = next(part for part in Training(Training.Config()).draw(results) if part.name == "ppo-courses")
    assert figure.caption.endswith("known. HH RLHF collapsed to a few answers for all prompts in update 7.")


def test_the_law_that_made_the_log_fits_it_best(results):
    table = next(part for part in Training(Training.Config()).draw(results) if part.name == "reward-laws")
    # the made-up reward rises with the root of the update, and so does √KL
    assert (table.frame["error in √KL"] < 1e-9).all()
    assert (table.frame["error in KL"] > 1e-3).all()


@pytest.mark.parametrize("figure", paper_figures("bai-2022-cai"), ids=lambda figure: figure.figure)
def test_the_papers_figures_are_drawn_from_what_they_need(figure, results):
    if lacking(figure, results):
        assert figure.figure in {"4", "9", "11"}  # of the published comparisons
        return
    made = figure.draw(results)
    assert isinstance(made, Figure)
    assert not made.data.empty
    assert "interval" in made.caption.lower()
