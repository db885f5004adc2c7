"""A preference model of published comparisons, trained and measured by one command."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from cai_eval.benchmarks.preference import SETS, Preference
from cai_eval.cli import cli
from cai_eval.data import PublishedSource
from cai_eval.study.plan import limited
from cai_eval.study.results import load_results
from cai_eval.testing import write_rows
from cai_eval.training.comparisons import read_comparisons

SUITE = """
name: published-preferences
title: A preference model of published comparisons
ladder: lab
interventions:
  none: {{title: no intervention}}
  pairs: {{trainer: rows, config: {{file: {file}}}}}
  pm:
    title: preference model
    trainer: preference-model
    config: {{rate: 3.0e-4, rows: 8}}
    inputs: {{comparisons: pairs}}
benchmarks:
  preference: {{config: {{sets: [harmless]}}}}
reports:
  scaling: {{}}
"""
ITEMS, PAIRS = 600, 200


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_published_comparisons_train_and_measure_a_preference_model(data_dir: Path, tmp_path: Path) -> None:
    """A model of 260,000 parameters that has read children's stories: it is not expected to learn what harms."""
    source = PublishedSource(data_dir)
    asked = {
        item.data["prompt"] for item in limited(Preference(Preference.Config(sets=("harmless",))).items(source), ITEMS)
    }
    rows = source.rows(SETS["harmless"])
    others = [row for row, each in zip(rows, read_comparisons(rows), strict=True) if each.prompt not in asked]
    shortest = sorted(others, key=lambda row: max(len(row["chosen"]), len(row["rejected"])))[:PAIRS]
    write_rows(tmp_path / "pairs.jsonl", shortest)
    (tmp_path / "suite.yaml").write_text(SUITE.format(file=tmp_path / "pairs.jsonl"), encoding="utf-8")
    model = data_dir / "stories260K_hf"
    options = f"--models {model} --data {data_dir} --limit {ITEMS} --out {tmp_path / 'run'} --device cpu"
    done = CliRunner().invoke(cli, ["run", "--suite", str(tmp_path / "suite.yaml"), *options.split()])
    assert done.exit_code == 0, done.output
    (counted,) = (tmp_path / "run" / "artefacts").glob("*/comparisons.json")
    counts = json.loads(counted.read_text())
    assert (counts["read"], counts["by"], counts["too_long"]) == (PAIRS, {"human": PAIRS}, 0)
    results = load_results([tmp_path / "run"])
    assert set(results.cells.intervention) == {"none", "pm"}
    for cell, about in results.cells.iterrows():
        accuracy = results.records[(results.records.cell == cell) & (results.records.metric == "accuracy")].value
        print(f"{about.intervention}: {accuracy.mean():.3f} of {len(accuracy)} comparisons")
        assert len(accuracy) > 100
        assert 0.3 < accuracy.mean() < 0.7
