"""The suite constitutional-ai at its smallest, from prompts to page."""

import json

import pytest
from click.testing import CliRunner

from cai_eval.cli import cli
from cai_eval.study.suite import load_suite, names, suite_path


@pytest.mark.parametrize("name", names())
def test_every_scale_of_a_shipped_suite_is_valid(name):
    import yaml

    for scale in yaml.safe_load(suite_path(name).read_text(encoding="utf-8")).get("scales", {}):
        load_suite(name, scale)


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
    tables = {path.stem for path in (out / "report" / "tables").glob("*.csv")}
    assert {"elo", "labels", "said", "rows-revisions", "rows-ai-labels"} <= tables
    trained = json.loads((out / "run.json").read_text())["trained"]
    assert {each["kind"] for each in trained} == {"policy", "scorer", "dataset"}
    assert "could not be drawn" not in (out / "report" / "index.html").read_text()
    figure = CliRunner().invoke(cli, ["figures", "--paper", "bai-2022-cai", "--figure", "2", "--run", str(out)])
    assert figure.exit_code == 0, figure.output
    judged = CliRunner().invoke(cli, ["judge", "--run", str(out), "--scorer", "hh-pm"])
    assert judged.exception is None, judged.output
    assert "hh-pm" in (out / "report" / "tables" / "elo.csv").read_text()
