"""A wheel built from the tree installs and works outside it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PARTS = ("cai_eval", "benchmarks", "trainers", "reports", "constitutions", "pyproject.toml", "setup.py", "README.md")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder with the installed wheel, and nothing of the tree."""
    tree, wheels, site = (tmp_path_factory.mktemp(name) for name in ("tree", "wheels", "site"))
    for part in PARTS:
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
        copy(ROOT / part, tree / part)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", wheels, tree], check=True)
    (wheel,) = wheels.glob("*.whl")
    subprocess.run([*pip, "install", "--no-deps", "--target", site, wheel], check=True)
    shutil.rmtree(tree)
    return site


def call(site, *arguments):
    environment = {**os.environ, "PYTHONPATH": str(site)}
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(command, cwd=site.parent, env=environment, capture_output=True, text=True, check=True).stdout


def test_it_is_what_is_imported(site):
    program = "import cai_eval.trainers.none as n; print(n.__file__)"
    command = [sys.executable, "-c", program]
    environment = {**os.environ, "PYTHONPATH": str(site)}
    done = subprocess.run(command, cwd=site.parent, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(str(site))


def test_everything_is_in_it(site):
    found = {path.relative_to(site).as_posix() for path in site.rglob("*") if path.is_file()}
    tracked = [path for part in PARTS[:5] for path in (ROOT / part).rglob("*") if path.is_file()]
    wanted = {path.relative_to(ROOT).as_posix() for path in tracked if "__pycache__" not in path.parts}
    wanted = {name if name.startswith("cai_eval/") else f"cai_eval/{name}" for name in wanted}
    assert wanted <= found
    assert {name.split("/")[0] for name in found} <= {"cai_eval", "bin"} | {n for n in os.listdir(site) if "info" in n}


def test_it_lists_and_loads_every_plugin(site):
    lists = json.loads(call(site, "cai_eval", "list", "--json"))
    assert {row["name"] for row in lists["trainers"]} >= {"none", "hhh-prompt", "neutral-prefix", "dialogue-only"}
    assert "all plug-ins load" in call(site, "cai_eval", "doctor")
