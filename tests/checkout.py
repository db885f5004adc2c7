"""A small folder in the layout of QuixBugs, with programs of our own: the right ones and the buggy ones."""

from pathlib import Path

PROGRAMS = {
    "double": (
        'def double(n, by=2):\n    return n * 3\n\n\n"""\nDouble\n\nInput:\n    n: an int\n"""\n',
        "def double(n, by=2):\n    return n * by\n",
    ),
    "sqrt": (
        'from math import floor\n\ndef sqrt(x, epsilon):\n    return x\n\n"""\nSquare root\n"""\n',
        "def sqrt(x, epsilon):\n    return x ** 0.5\n",
    ),
    "spread": (
        'def spread(pairs):\n    yield 1\n\n"""\nSpread\n"""\n',
        "def spread(pairs):\n    return [(a, b) for a, b in pairs]\n",
    ),
    "head": (
        'def head(node):\n    return node\n\n"""\nFirst value\n"""\n',
        "def head(node):\n    return node.value\n",
    ),
}
CASES = {"double": "[[2], 4]\n\n[[2, 3], 6]\n", "sqrt": "[[2, 0.01], 1.4142]\n", "spread": "[[[[1, 2]]], [[1, 2]]]\n"}
HEAD_TEST = """\
import pytest
from node import Node

if pytest.use_correct:
    from correct_python_programs.head import head
else:
    from python_programs.head import head


def test1():
    assert head(Node(3)) == 3


def test2():
    node = Node(1)
    node.value = 2
    assert head(node) == 2
"""
NODE = "class Node:\n    def __init__(self, value=None):\n        self.value = value\n"


def write_checkout(folder: Path) -> Path:
    """Write it into `folder`, which is returned."""
    for name in ("python_programs", "correct_python_programs", "json_testcases", "python_testcases"):
        (folder / name).mkdir()
    for name, (buggy, correct) in PROGRAMS.items():
        (folder / "python_programs" / f"{name}.py").write_text(buggy)
        (folder / "correct_python_programs" / f"{name}.py").write_text(correct)
    for name, cases in CASES.items():
        (folder / "json_testcases" / f"{name}.json").write_text(cases)
    (folder / "python_programs" / "node.py").write_text(NODE)
    (folder / "python_testcases" / "test_head.py").write_text(HEAD_TEST)
    return folder
