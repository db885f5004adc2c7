"""The later trainers keep the promises of a trainer, and are found as plug-ins."""

import doubles
import pytest

from cai_eval import registry
from cai_eval.contracts import Artefact
from cai_eval.testing import check_trainer, write_rows


@pytest.fixture
def installed(tmp_path, monkeypatch):
    doubles.install(tmp_path / "site", monkeypatch)


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("name", [double.name for double in doubles.DOUBLES])
def test_keeps_the_promises(name, tmp_path):
    inputs: dict[str, Artefact] = {}
    if name == "double-preferences":
        rows = [{"prompt": "Why?", "chosen": "So.", "rejected": "No."}]
        inputs["comparisons"] = write_rows(tmp_path / "rows.jsonl", rows)
    check_trainer(name, {"steps": 3}, inputs=inputs)


@pytest.mark.usefixtures("installed")
def test_every_default_is_an_intervention_that_exists():
    for double in doubles.DOUBLES:
        for declared in double.inputs.values():
            target = (declared.default or "base").partition("@")[0]
            assert target == "base" or target in registry.names("trainers")


def test_they_are_gone_after_the_test():
    assert "sl-cai" not in registry.names("trainers")
