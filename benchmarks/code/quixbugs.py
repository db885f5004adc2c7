"""QuixBugs (Lin et al. 2017) as synthesis: 38 of its 40 classic algorithms from signature and description.

Read from a checkout of https://github.com/jkoppel/QuixBugs. Of a program's file only its imports, the signature
and the description at its end are shown; the body, in which the bug is, is not. The corrected program is the
reference. A function that works on linked nodes is shown the class of these nodes.
"""

from __future__ import annotations

import ast
import json
import textwrap
from collections.abc import Iterator
from pathlib import Path

from cai_eval.errors import UserError

from .tasks import Task

PROGRAMS, CORRECT, CASES, TESTS = "python_programs", "correct_python_programs", "json_testcases", "python_testcases"

#: Their tests compare or hash nodes, which stay in the program's process: no other may say that two are equal.
LEFT_OUT = {"reverse_linked_list", "shortest_path_length"}

#: Results as the cases have them in JSON: what is generated as a list, tuples as lists. The cases of `sqrt` alone are
#: equal within a tolerance, their last argument.
CHECK = """\
def plain(value):
    if value is None or isinstance(value, (str, int, float)):
        return value
    return [plain(each) for each in value]

for arguments, expected in {cases!r}:
    found = plain(candidate(*arguments))
    assert found == expected or {close}
"""
CLOSE = "abs(found - expected) <= arguments[-1]"


def read_checkout(folder: Path) -> list[Task]:
    """The tasks, in alphabetical order. Raises UserError where `folder` is no checkout."""
    if not (folder / PROGRAMS).is_dir():
        raise UserError(
            f"{str(folder)!r} is no checkout of QuixBugs (no folder {PROGRAMS}): clone "
            "https://github.com/jkoppel/QuixBugs and give its folder as `checkout`."
        )
    try:
        tasks = list(_tasks(folder))
    except (OSError, SyntaxError, ValueError) as error:
        raise UserError(f"the QuixBugs in {str(folder)!r} cannot be read ({error}): clone it again.") from error
    if not tasks:
        raise UserError(f"there is no program with tests in {str(folder)!r}: clone QuixBugs again.")
    return tasks


def _tasks(folder: Path) -> Iterator[Task]:
    for path in sorted((folder / PROGRAMS).glob("*.py")):
        cases, tests = folder / CASES / f"{path.stem}.json", folder / TESTS / f"test_{path.stem}.py"
        if path.stem in LEFT_OUT:
            continue
        if cases.is_file():
            lines = [json.loads(line) for line in cases.read_text("utf-8").splitlines() if line.strip()]
            test = CHECK.format(cases=lines, close=CLOSE if path.stem == "sqrt" else False)
        elif tests.is_file():
            test = bare_test(tests.read_text("utf-8"))
        else:
            continue
        nodes = (folder / PROGRAMS / "node.py").read_text("utf-8").strip() + "\n\n\n" if "Node(" in test else ""
        prompt = nodes + prompt_of(path.read_text("utf-8"), path.stem)
        solution = nodes + (folder / CORRECT / path.name).read_text("utf-8")
        yield Task(f"QuixBugs/{path.stem}", prompt, path.stem, test, solution)


def prompt_of(source: str, name: str) -> str:
    """The module's imports, the function's signature, and the text at the module's end as its docstring.

    Raises ValueError where there is no such function or no such text.
    """
    body = ast.parse(source).body
    imports = [ast.unparse(node) for node in body if isinstance(node, (ast.Import, ast.ImportFrom))]
    function = next((node for node in body if isinstance(node, ast.FunctionDef) and node.name == name), None)
    texts = [node.value.value for node in body if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)]
    if function is None or not texts or not isinstance(texts[-1], str):
        raise ValueError(f"{name} has no function of its name or no description")
    description = textwrap.indent(texts[-1].strip(), "    ")
    head = "\n".join(imports) + "\n\n\n" if imports else ""
    return f'{head}def {name}({ast.unparse(function.args)}):\n    """\n{description}\n    """'


def bare_test(source: str) -> str:
    """A test module of upstream's without its imports, then a call of each of its tests."""
    module = ast.parse(source)
    kept = [node for node in module.body if not isinstance(node, (ast.Import, ast.ImportFrom, ast.If))]
    tests = [node.name for node in kept if isinstance(node, ast.FunctionDef) and node.name.startswith("test")]
    return "\n".join([ast.unparse(ast.Module(kept, [])), *(f"{name}()" for name in tests)])
