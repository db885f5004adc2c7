"""Plug-ins are found by entry point, and whatever is wrong with one is said of that one alone."""

import subprocess
import sys
from pathlib import Path

import pytest

from cai_eval import registry
from cai_eval.errors import UserError

MODULE = """
from pydantic import BaseModel, ConfigDict

class Echo:
    name = "echo"
    title = "Says it again"
    argument = "text"

    class Config(BaseModel):
        model_config = ConfigDict(extra="forbid", frozen=True)
        text: str
        times: int = 1

    def __init__(self, config):
        self.config = config

class Mute:
    name = "mute"
    title = "Says nothing"

    class Config(BaseModel):
        model_config = ConfigDict(extra="forbid", frozen=True)

    def __init__(self, config):
        self.config = config

class Late:
    title = "late".title()

NOT_A_CLASS = 3
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Puts a package with these trainers on the path: name → "module:attribute"."""

    def make(name: str, trainers: dict[str, str]) -> None:
        folder = tmp_path / name
        metadata = folder / f"{name}-1.dist-info"
        metadata.mkdir(parents=True)
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
        lines = "\n".join(f"{key} = {value}" for key, value in trainers.items())
        (metadata / "entry_points.txt").write_text(f"[cai_eval.trainers]\n{lines}\n")
        (folder / f"{name}_plugins.py").write_text(MODULE)
        monkeypatch.syspath_prepend(str(folder))

    return make


def test_a_plugin_of_a_package_is_found_and_built(package):
    package("parrot", {"echo": "parrot_plugins:Echo"})
    assert "echo" in registry.names("trainers")
    assert registry.load("trainers", "echo").title == "Says it again"
    assert registry.create("trainers", "echo", {"text": "hello", "times": 2}).config.times == 2


def test_an_argument_goes_where_the_class_says(package):
    package("parrot", {"echo": "parrot_plugins:Echo", "mute": "parrot_plugins:Mute"})
    assert registry.create("trainers", "echo:a:b").config.text == "a:b"
    assert registry.load("trainers", "echo:a") is registry.load("trainers", "echo")
    with pytest.raises(UserError, match=r"its config sets 'text' again"):
        registry.create("trainers", "echo:a", {"text": "b"})
    with pytest.raises(UserError, match=r"'mute' takes no argument: write 'mute', not 'mute:a'"):
        registry.create("trainers", "mute:a")


def test_an_invalid_config_names_plugin_and_keys(package):
    package("parrot", {"echo": "parrot_plugins:Echo", "mute": "parrot_plugins:Mute"})
    with pytest.raises(UserError) as caught:
        registry.create("trainers", "echo", {"text": "x", "tmies": 2})
    assert str(caught.value) == "trainer 'echo': unknown key 'tmies' (did you mean 'times'?)."
    with pytest.raises(UserError, match=r"^suite\.yaml:\('times',\): 'times' should"):
        registry.create("trainers", "echo:x", {"times": "often"}, lambda location: f"suite.yaml:{location}")
    with pytest.raises(UserError, match=r"trainer 'echo': 'times' should be a valid integer, .*, not 'often'"):
        registry.create("trainers", "echo", {"text": "x", "times": "often"})
    with pytest.raises(UserError, match=r"trainer 'mute': unknown key 'loud' \(it takes no keys\)"):
        registry.create("trainers", "mute", {"loud": True})


def test_an_unknown_name_is_told_its_neighbours(package):
    package("parrot", {"echo": "parrot_plugins:Echo"})
    with pytest.raises(UserError, match=r"unknown trainer 'ecko': did you mean 'echo'"):
        registry.load("trainers", "ecko")


def test_two_packages_with_one_name_are_both_named(package):
    package("parrot", {"echo": "parrot_plugins:Echo"})
    package("canyon", {"echo": "canyon_plugins:Echo"})
    assert registry.names("trainers").count("echo") == 1
    with pytest.raises(UserError, match=r"'echo' is offered by 'canyon' and 'parrot': uninstall one"):
        registry.load("trainers", "echo")


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("nowhere:Echo", "No module named 'nowhere'"),
        ("parrot_plugins:Ekko", "no attribute 'Ekko'"),
        ("parrot_plugins:NOT_A_CLASS", "is not a class"),
    ],
)
def test_a_broken_plugin_breaks_itself_only(package, target, reason):
    package("parrot", {"broken": target, "echo": "parrot_plugins:Echo"})
    assert {"broken", "echo"} <= set(registry.names("trainers"))
    with pytest.raises(UserError, match=reason) as caught:
        registry.load("trainers", "broken")
    assert "'broken' of package 'parrot'" in str(caught.value)
    described = {each.name: each for each in registry.describe("trainers")}
    assert reason in described["broken"].problem
    assert described["echo"] == registry.Description("echo", "Says it again", "parrot", "parrot_plugins:Echo")


def test_an_unknown_group_is_a_bug_of_the_caller():
    with pytest.raises(ValueError, match="unknown group"):
        registry.names("trainer")


def test_built_in_plugins_are_described_without_importing_them():
    program = (
        "import sys\n"
        "from cai_eval import registry\n"
        "print([d for g in registry.GROUPS for d in registry.describe(g) if d.problem or not d.title])\n"
        "heavy = {'pydantic', 'torch', 'transformers', 'datasets', 'lm_eval', 'matplotlib', 'pandas', 'scipy'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n[]\n"


def test_a_title_that_is_not_written_out_is_taken_from_the_class(package):
    package("parrot", {"late": "parrot_plugins:Late"})
    assert [each.title for each in registry.describe("trainers") if each.name == "late"] == ["Late"]


@pytest.mark.parametrize(
    ("group", "name"), [(group, name) for group in registry.GROUPS for name in registry.names(group)]
)
def test_every_installed_plugin_loads_under_its_own_name(group, name):
    assert registry.load(group, name).name == name


def test_looking_names_up_imports_no_plugin_and_no_pydantic():
    program = (
        "import sys\n"
        "from cai_eval import registry\n"
        "assert 'none' in registry.names('trainers')\n"
        "print(sorted(m for m in sys.modules if m == 'pydantic' or m.startswith('cai_eval.trainers')))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_built_in_entry_points_are_those_of_pyproject():
    import tomllib

    declared = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]["entry-points"]
    for group in registry.GROUPS:
        assert set(declared[f"cai_eval.{group}"]) <= set(registry.names(group))
