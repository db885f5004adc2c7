"""The suite constitutional-ai at its smallest, from prompts to page."""

import json

import hh_rlhf
import pytest
import tiny
from click.testing import CliRunner

from cai_eval.cli import cli
from cai_eval.study.suite import load_suite, names, suite_path


@pytest.mark.parametrize("name", names())
def test_every_scale_of_a_shipped_suite_is_valid(name):
    import yaml

    for scale in (None, *yaml.safe_load(suite_path(name).read_text(encoding="utf-8")).get("scales", {})):
        load_suite(name, scale)
        load_suite(name, scale, published=True)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_whole_chain_runs_and_is_shown(tmp_path, monkeypatch):
    monkeypatch.setenv("CAI_EVAL_CACHE", str(tmp_path / "cache"))
    out = tmp_path / "run"
    order = ["run", "--suite", "constitutional-ai", "--scale", "smoke", "--rungs", "24k", "--out", str(out)]
    ran = CliRunner().invoke(cli, order, standalone_mode=False)
    assert ran.exception is None, ran.output
    assert ran.return_value == 0, ran.output
    figures = {path.stem for path in (out / "report" / "figures").glob("*.png")}
    assert {"frontier-source", "elo-source", "conduct-answers", "reward-kl", "bai-2022-cai-5"} <= figures
    assert {"gaps-helpful-pm", "gaps-hh-pm", "gaps-cai-pm", "learning"} <= figures
    tables = {path.stem for path in (out / "report" / "tables").glob("*.csv")}
    assert {"elo", "labels", "said", "rows-revisions", "rows-ai-labels"} <= tables
    trained = json.loads((out / "run.json").read_text())["trained"]
    assert {each["kind"] for each in trained} == {"policy", "scorer", "dataset"}
    page = (out / "report" / "index.html").read_text()
    assert "could not be drawn" not in page
    assert "Training-seed variance not measured" in page
    figure = CliRunner().invoke(cli, ["figures", "--paper", "bai-2022-cai", "--figure", "2", "--run", str(out)])
    assert figure.exit_code == 0, figure.output
    judged = CliRunner().invoke(cli, ["judge", "--run", str(out), "--scorer", "hh-pm"])
    assert judged.exception is None, judged.output
    assert "hh-pm" in (out / "report" / "tables" / "elo.csv").read_text()
    voted = CliRunner().invoke(cli, ["votes", "ask", str(out), "--constitution", "laboratory", "--count", "100"])
    assert voted.exception is None, voted.output
    assert "base-24k-by-laboratory" in (out / "report" / "tables" / "elo.csv").read_text()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_models_of_the_hub_learn_from_published_preferences(tmp_path, monkeypatch):
    monkeypatch.setenv("CAI_EVAL_CACHE", str(tmp_path / "cache"))
    model = tiny.save_model(tmp_path / "model", context=4096)
    data, out = hh_rlhf.save(tmp_path / "hh-rlhf"), tmp_path / "run"
    (tmp_path / "cache").mkdir(exist_ok=True)
    order = ["run", "--suite", "constitutional-ai", "--scale", "smoke", "--models", model, "--device", "cpu"]
    order += ["--benchmarks", "answers,revisions"]
    missing = CliRunner().invoke(cli, [*order, "--data", str(tmp_path / "cache")])
    assert "harmless-base/test.jsonl.gz" in str(missing.exception)
    ran = CliRunner().invoke(cli, [*order, "--data", str(data), "--out", str(out)], standalone_mode=False)
    assert ran.exception is None, ran.output
    assert ran.return_value == 0, ran.output
    labels = (out / "report" / "tables" / "labels.csv").read_text().splitlines()
    assert labels[0] == "policy,by people,by the source,by AI feedback,dialogues"
    hh = next(line for line in labels if line.startswith("HH RLHF,"))
    assert hh == "HH RLHF,64,0,0,0"
    judged = CliRunner().invoke(cli, ["judge", "--run", str(out), "--scorer", "hh-pm"])
    assert judged.exception is None, judged.output
    elo = (out / "report" / "tables" / "elo.csv").read_text()
    assert "helpfulness" in elo
    assert "harmlessness" in elo
