"""What the documentation names is there, and what docs/plugins.md shows is what the tests run."""

import re
from importlib import import_module
from itertools import pairwise
from pathlib import Path

import click
import pytest

from cai_eval.cli import cli
from cai_eval.study.suite import load_suite

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
EACH_PAGE = pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
EXCERPT = re.compile(r"<!-- excerpt: (\S+) -->\n```\w+\n(.*?)\n```", re.DOTALL)
PAGE = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
EXCERPTS = EXCERPT.findall(PAGE)
WHOLE = sorted(
    str(path.relative_to(ROOT))
    for pattern in ("pyproject.toml", "suite.yaml", "cai_eval_quiz/[a-z]*.py", "tests/*.py")
    for path in (ROOT / "tests" / "plugin_package").glob(pattern)
)


@pytest.mark.parametrize(("path", "text"), EXCERPTS, ids=[f"{path}-{i}" for i, (path, _) in enumerate(EXCERPTS)])
def test_every_listing_stands_in_its_file(path, text):
    assert f"\n{text}\n" in "\n" + (ROOT / path).read_text(encoding="utf-8")


@pytest.mark.parametrize("path", WHOLE)
def test_the_package_is_shown_whole(path):
    shown = {line for where, text in EXCERPTS if where == path for line in text.splitlines()}
    assert set((ROOT / path).read_text(encoding="utf-8").splitlines()) - {""} <= shown


def test_no_listing_of_code_is_unchecked():
    assert PAGE.count("\n```python") + PAGE.count("\n```toml") + PAGE.count("\n```yaml") == len(EXCERPTS) > 12


@EACH_PAGE
def test_links_lead_somewhere(page):
    for target, anchor in re.findall(r"\]\((?!http)([^)#]*)(?:#([^)]*))?\)", page.read_text(encoding="utf-8")):
        place = (page.parent / target).resolve() if target else page
        assert place.exists(), target
        headings = re.findall(r"^#+ (.*)", place.read_text(encoding="utf-8"), re.MULTILINE) if anchor else []
        assert not anchor or anchor in {re.sub(r"[^\w -]", "", each).lower().replace(" ", "-") for each in headings}


@EACH_PAGE
def test_names_and_files_exist(page):
    text = page.read_text(encoding="utf-8")
    for name in set(re.findall(r"`(cai_eval(?:\.\w+)+)(?:\([^`]*\))?`", text)):
        module, _, attribute = name.rpartition(".")
        assert hasattr(import_module(module), attribute) or import_module(name)
    for path in re.findall(r"`((?:cai_eval|tests|benchmarks|trainers|reports|constitutions)/[^` ]*)`", text):
        assert (ROOT / path).exists(), path


@EACH_PAGE
def test_commands_and_their_options_exist(page):
    """In listings and in running text, where they may be shortened."""
    shown = re.findall(
        r"(?:^    (?:\.venv/bin/)?|`|&& )(cai-eval [^`\n#&]*)", page.read_text(encoding="utf-8"), re.MULTILINE
    )
    for line in shown:
        command, words = called(line.split()[1:])
        options = {name for parameter in command.params for name in (*parameter.opts, "--help", "--version")}
        asked = [word for word in words if word.startswith("-")]
        assert not set(asked) - options, line
        said = dict(pairwise(words))
        if not said.get("--suite", ".yaml").endswith(".yaml"):
            load_suite(said["--suite"], said.get("--scale"))


def called(words):
    """The command that some words call, and those behind its name."""
    command, context = cli, click.Context(cli)
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        inner = command.get_command(context, words[0])
        assert inner, words
        command, words = inner, words[1:]
    return command, words
