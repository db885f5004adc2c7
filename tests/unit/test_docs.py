"""What docs/plugins.md shows is what the tests run."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
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


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\(([^)#]+)\)", PAGE))))
def test_links_lead_somewhere(target):
    assert (ROOT / "docs" / target).resolve().exists()


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`(cai_eval(?:\.\w+)+)(?:\([^`]*\))?`", PAGE))))
def test_names_exist(name):
    from importlib import import_module

    module, _, attribute = name.rpartition(".")
    found = import_module(module)
    assert hasattr(found, attribute) or import_module(name)
