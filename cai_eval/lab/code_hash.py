"""Which files of this package decide what a module does: what generated data is filed under."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

PACKAGE = "cai_eval"


def digest(*modules: str) -> str:
    """sha256 (hex) over the files of these modules, named with what each holds."""
    total = hashlib.sha256()
    for name, path in sorted(files(*modules).items()):
        total.update(f"{name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return total.hexdigest()


def files(*modules: str) -> dict[str, Path]:
    """The files of the modules, of whatever of this package they import, and the YAML files that any of them names."""
    found: dict[str, Path] = {}
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name in found or (path := _path(name)) is None:
            continue
        found[name] = path
        tree = ast.parse(path.read_bytes())
        waiting += _imports(tree, name if path.name == "__init__.py" else name.rpartition(".")[0])
        found |= {f"{name}:{file.name}": file for file in _data(tree, path.parent)}
    return found


def _path(module: str) -> Path | None:
    """The file of a module of this package; None for other packages', and for what is no module."""
    if module.split(".")[0] != PACKAGE:
        return None
    try:
        spec = find_spec(module)
    except ModuleNotFoundError:  # its parent is no package: the name is that of a function or class
        return None
    return Path(spec.origin) if spec and spec.origin else None


def _imports(tree: ast.AST, package: str) -> Iterator[str]:
    """Everything that may be a module among what is imported. package: what relative imports start from."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")[: -(node.level - 1) or None] if node.level else []
            base = ".".join([*parts, *([node.module] if node.module else [])])
            yield from (base, *(f"{base}.{alias.name}" for alias in node.names))


def _data(tree: ast.AST, folder: Path) -> Iterator[Path]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.endswith(".yaml"):
            path = folder / node.value
            if path.is_file():
                yield path
