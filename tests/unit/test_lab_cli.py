"""`cai-eval lab` as a user calls it, but for long trainings."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cai_eval.cli import main
from cai_eval.lab import shipped
from cai_eval.lab.corpus import KINDS
from cai_eval.lab.world import make_world

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Call:
    """Calls `cai-eval lab`; gives (exit code, standard output, standard error)."""
    monkeypatch.setenv("CAI_EVAL_CACHE", str(tmp_path / "cache"))

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["cai-eval", "lab", *arguments])
        with pytest.raises(SystemExit) as exit_:
            main()
        captured = capsys.readouterr()
        return exit_.value.code, captured.out, captured.err

    return run


def test_show_draws_of_every_kind(call: Call) -> None:
    code, said, _ = call("show")
    assert code == 0
    assert [kind.name for kind in KINDS if f"{kind.name} ({kind.share:.1%} of the corpus)" not in said] == []
    assert call("show", "--kind", "recall", "--count", "2")[1].count("\n\n") > 2
    assert call("show")[1] == said


def test_show_tells_facts_with_their_planted_frequencies(call: Call) -> None:
    _, said, _ = call("show", "facts")
    fact = make_world().facts[0]
    (line,) = (line for line in said.splitlines() if line.startswith(f"{fact.id} ("))
    assert f"*{fact.options[fact.truth]} {fact.shares[fact.truth]:.2f}" in line
    assert line.count("*") == 1
    assert len(said.splitlines()) == len(make_world().facts) + 1


def test_show_counts_the_splits(call: Call) -> None:
    _, said, _ = call("show", "splits")
    assert f"test: {sum(hazard.split == 'test' for hazard in make_world().hazards)} hazards" in said


@pytest.mark.parametrize(
    ("arguments", "mend"),
    [
        (("show", "--kind", "storys"), "did you mean 'stories'"),
        (("build", "--without", "foru"), "did you mean 'forum'"),
        (("build", "--rung", "98"), "did you mean '98k'"),
        (("build", "--tokens", "7"), "7 tokens are too few"),
    ],
)
def test_what_there_is_not_is_refused(call: Call, arguments: tuple[str, ...], mend: str) -> None:
    code, _, said = call(*arguments)
    assert code == 2
    assert mend in said
    assert len(said.strip().splitlines()) == 1


def test_verify_finds_a_changed_weight(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, said, _ = call("verify", "--checksums")
    assert code == 0
    assert said.splitlines() == [f"{name}: as the ladder says" for name in shipped.shipped()]
    shutil.copytree(shipped.SHELF, tmp_path / "shelf")
    monkeypatch.setattr(shipped, "SHELF", tmp_path / "shelf")
    changed = next((tmp_path / "shelf").glob("*.safetensors"))
    content = bytearray(changed.read_bytes())
    content[len(content) // 2] ^= 4
    changed.write_bytes(content)
    code, _, said = call("verify", "--checksums")
    assert code == 2
    assert said == f"cai-eval: {changed} is missing, truncated or changed: install cai-eval again.\n"
