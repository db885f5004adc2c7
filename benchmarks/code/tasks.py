"""Programming tasks: what is asked, and how an answer is tested."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from cai_eval.contracts import Published
from cai_eval.data import Row

HUMANEVAL = Published(
    name="humaneval",
    file="HumanEval.jsonl.gz",
    sha256="b796127e635a67f93fb35c04f4cb03cf06f38c8072ee7cee8833d7bee06979ef",
    hub=("openai/openai_humaneval", "openai_humaneval", "test"),
    source="https://github.com/openai/human-eval",
    licence="MIT",
)
MBPP = Published(
    name="mbpp",
    file="mbpp.jsonl",
    sha256="ccf64ceae9c5403bf50a044cb6d505bfd2a2963ee58338ba268fd65beab92a9f",
    hub=("google-research-datasets/mbpp", "full", "test"),
    source="https://github.com/google-research/google-research/tree/master/mbpp",
    licence="CC-BY-4.0",
)
MBPP_TEST = range(11, 511)  #: task ids; the first ten are for few-shot prompts, the rest for training


@dataclass(frozen=True)
class Task:
    """A program to be completed.

    prompt: how it begins, without a line end: that belongs to the completion. entry_point: the function that is called.
    test: what calls it, under its name or as `candidate`. solution: a whole program that passes. setup: what runs
    between program and test.
    """

    id: str
    prompt: str
    entry_point: str
    test: str
    solution: str
    setup: str = ""


def humaneval(row: Row) -> Task:
    """Imports, signature and docstring; the completion is the body."""
    prompt = row["prompt"].rstrip()
    test = f"{row['test']}\n\ncheck(candidate)\n"
    return Task(row["task_id"], prompt, row["entry_point"], test, row["prompt"] + row["canonical_solution"])


def mbpp(row: Row) -> Task:
    """The description and the first of its three assertions as a docstring; the completion is a whole program.

    So do InCoder and BigCode's harness ask, without examples; Austin et al. 2021 show three solved tasks before it.
    """
    tests = row["test_list"]
    prompt = f'"""\n{row["text"].strip()}\n{tests[0].strip()}\n"""'
    code, setup = (text.replace("\r\n", "\n").strip() for text in (row["code"], row["test_setup_code"]))
    return Task(f"MBPP/{row['task_id']}", prompt, tested(code, tests[0]), "\n".join(tests), code, setup)


def tested(code: str, test: str) -> str:
    """The function of `code` that `test` calls. Raises ValueError where there is not exactly one."""
    defined = {node.name for node in ast.parse(code).body if isinstance(node, ast.FunctionDef)}
    called = {
        node.func.id
        for node in ast.walk(ast.parse(test))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    (name,) = defined & called
    return name
