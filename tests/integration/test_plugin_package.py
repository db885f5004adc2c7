"""A stranger's package is found, validated and run, with no change to the core."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tiny import save_model

PACKAGE = Path(__file__).parents[1] / "plugin_package"
COMMAND = [sys.executable, "-m", "cai_eval"]


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """Where the package is installed, outside our own environment."""
    folder = tmp_path_factory.mktemp("stranger")
    source = shutil.copytree(PACKAGE, folder / "source")
    options = ["--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--no-compile"]
    subprocess.run(
        [sys.executable, "-m", "pip", "install", *options, "--target", str(folder / "site"), str(source)], check=True
    )
    return folder / "site"


@pytest.fixture
def command(site, tmp_path):
    """Runs a program that has the package on its path; gives what it printed."""

    def run(*arguments: object) -> str:
        environment = {**os.environ, "PYTHONPATH": str(site), "CAI_EVAL_CACHE": str(tmp_path / "cache")}
        done = subprocess.run(
            [str(argument) for argument in arguments], capture_output=True, text=True, env=environment, cwd=tmp_path
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def test_it_is_listed(command):
    for group, name, title in [
        ("benchmarks", "quiz", "Quiz"),
        ("trainers", "note", "A note"),
        ("reports", "changes", "Repaired and broken"),
    ]:
        listed = command(*COMMAND, "list", group)
        assert name in listed
        assert title in listed


def test_its_own_tests_pass(command):
    assert "4 passed" in command(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", PACKAGE / "tests")


def test_it_runs(command, tmp_path):
    save_model(tmp_path / "small")
    suite = PACKAGE / "suite.yaml"
    command(*COMMAND, "run", "--suite", suite, "--models", "small", "--data", PACKAGE, "--out", "out")
    cells = [json.loads(path.read_text()) for path in (tmp_path / "out").glob("cells/*/cell.json")]
    assert sorted((cell["intervention"], cell["benchmark"], cell["items"]) for cell in cells) == [
        ("none", "quiz", 12),
        ("note", "quiz", 12),
    ]
    page = (tmp_path / "out" / "report" / "index.html").read_text(encoding="utf-8")
    assert "Repaired and broken items" in page
