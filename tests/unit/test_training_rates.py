"""Learning rates where nobody names one: the laboratory's for small models, others for larger ones."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tiny import save_model

from cai_eval.contracts import PolicySpec, ScorerSpec, Workshop
from cai_eval.models.fingerprint import fingerprint
from cai_eval.models.loading import load_tokenizer
from cai_eval.prefixes import make_prefix
from cai_eval.study.suite import load_suite
from cai_eval.study.workshop import Models, NodeWorkshop
from cai_eval.testing import RowsSource, ToyScorer, write_rows
from cai_eval.testing.toys import RandomPolicy
from cai_eval.trainers.context_distillation import ContextDistillation
from cai_eval.trainers.fine_tune import FineTune
from cai_eval.trainers.ppo import PPO
from cai_eval.trainers.preference_model import PreferenceModel
from cai_eval.training.log import read_log
from cai_eval.training.rates import SMALL, usual_rate

ROWS = [
    {
        "prompt": f"Human: Why {n}?\n\nAssistant:",
        "first": "So.",
        "second": "No.",
        "label": 1,
        "text": "Human: Why?\n\nAssistant: So.",
    }
    for n in range(4)
]
SOURCE = RowsSource({"helpful-prompts": [{"id": str(n), "prompt": f"Why {n}?", "kind": "benign"} for n in range(4)]})


class OneRate(NodeWorkshop):
    """Whose scorer is a toy."""

    def scorer(self, spec: ScorerSpec) -> Any:
        return ToyScorer(RandomPolicy())


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> PolicySpec:
    model = save_model(tmp_path_factory.mktemp("tiny"))
    return PolicySpec(model, fingerprint(model), SMALL, 512)


@pytest.mark.parametrize(
    ("trainer", "config", "small", "other"),
    [
        (FineTune, {"steps": 1}, 3e-4, 1e-5),
        (ContextDistillation, {"steps": 1, "exact": True}, 1e-3, 5e-5),
        (PreferenceModel, {"rows": 3}, 1e-3, 1e-5),
        (PPO, {"updates": 1, "batch": 2, "minibatches": 1, "max_tokens": 4}, 1e-4, 3e-6),
    ],
)
def test_a_rate_that_nobody_names_follows_the_size(
    trainer: Any,
    config: dict[str, Any],
    small: float,
    other: float,
    start: PolicySpec,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CAI_EVAL_CACHE", str(tmp_path / "cache"))
    rows = write_rows(tmp_path / "rows.jsonl", ROWS)
    prompted = replace(start, prefix=make_prefix(load_tokenizer(start.model), "A ferry left.", ""), format="dialogue")
    inputs = {"dialogues": rows, "texts": rows, "comparisons": rows, "teacher": prompted}
    inputs["reward"] = ScorerSpec("scorer", "scorer", 1, 1000)

    def rate(parameters: int, **more: float) -> float:
        directory = tmp_path / f"{parameters} {more}"
        directory.mkdir()
        workshop: Workshop = OneRate(directory, 0, SOURCE, Models(device="cpu"), lambda done, total, note: None)
        learner = trainer(trainer.Config(**config, **more, warmup=0))
        learner.run({"start": replace(start, parameters=parameters), **inputs}, workshop)
        return max(float(entry["rate"]) for entry in read_log(directory / "log.jsonl") if "rate" in entry)

    assert rate(SMALL) == small
    assert rate(SMALL + 1) == other
    assert rate(SMALL + 1, rate=0.5 * other) == 0.5 * other


def test_small_models_end_where_they_say() -> None:
    assert [usual_rate(parameters, 2.0, 1.0) for parameters in (1, SMALL, SMALL + 1)] == [2.0, 2.0, 1.0]


def test_published_data_take_no_rate_of_the_laboratory() -> None:
    named = {name for name, each in load_suite("constitutional-ai").interventions.items() if "rate" in each.config}
    published = load_suite("constitutional-ai", published=True).interventions
    assert "sl-cai" in named
    assert not any("rate" in each.config for each in published.values())
