"""Outside data into typed values: a mapping or a YAML file in, a validated object or a `UserError` out.

pydantic and yaml are imported on first use.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Any, TypeVar, Union, get_args, get_origin, get_type_hints

from cai_eval.errors import UserError

if TYPE_CHECKING:
    import yaml
    from pydantic import ValidationError

_PYDANTIC = re.compile(r"\b(?:Input|String|List|Tuple|Set|Dictionary) should")  #: we name the key instead
T = TypeVar("T")
Location = tuple[str | int, ...]  #: keys and list indices from the root of the data to a value
Where = Callable[[Location], str]  #: what to say before a problem at a location ("suite.yaml:7", "trainer 'none'")


def validate(model: type[T], data: object, where: Where) -> T:
    """`data` as a `model` (a pydantic model, or a dataclass).

    Raises UserError that names each offending key, with the nearest known ones for an unknown key.
    """
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(model).validate_python(data)
    except ValidationError as error:
        raise UserError(_sentence(error, model, where)) from None


def load_yaml(path: Path, model: type[T]) -> T:
    """The YAML file at `path` as a `model`. Raises UserError that names the file and the line."""
    data, where = parse_yaml(path)
    return validate(model, data, where)


def parse_yaml(path: Path) -> tuple[object, Where]:
    """What the YAML file at `path` holds, and "path:line" for any location in it.

    A location that is not in the file (a key that is missing) has the line of what should hold it. Raises
    UserError where the file cannot be read, is not YAML or says one key twice.
    """
    import yaml

    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise UserError(f"{path} cannot be read: {reason}.") from None
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        lines = dict(_lines(node, (), path)) if node is not None else {}
        data = loader.construct_document(node) if node is not None else None
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise UserError(f"{path}{line}: not valid YAML: {error.problem}.") from None
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not valid YAML: {error}.") from None

    def where(location: Location) -> str:
        while location and location not in lines:
            location = location[:-1]
        return f"{path}:{lines.get(location, 1)}"

    return data, where


def _lines(node: yaml.Node, location: Location, path: Path) -> Iterator[tuple[Location, int]]:
    """Location → line number (from 1) of every key and list entry under `node`; refuses repeated keys."""
    import yaml

    if isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue  # `{{name}}`, say; what makes data of the nodes refuses it
            line = key.start_mark.line + 1
            if key.value in seen:
                raise UserError(f"{path}:{line}: {key.value!r} stands on line {seen[key.value]} already.")
            seen[key.value] = line
            yield (*location, key.value), line
            yield from _lines(value, (*location, key.value), path)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield (*location, index), value.start_mark.line + 1
            yield from _lines(value, (*location, index), path)


def _sentence(error: ValidationError, model: type, where: Where) -> str:
    problems = []
    for entry in error.errors(include_url=False, include_context=False):
        location: Location = entry["loc"]
        name = ".".join(str(part) for part in location)
        match entry["type"]:
            case "extra_forbidden" | "unexpected_keyword_argument":
                problem = f"unknown key {name!r}" + _near(str(location[-1]), _keys(model, location[:-1]))
            case "missing":
                problem = f"the key {name!r} is missing"
            case "dataclass_type" | "model_type" | "dict_type":
                problem = (
                    f"{repr(name) if name else 'the file'} should hold keys and values, not {_short(entry['input'])}"
                )
            case _:
                message = _PYDANTIC.sub("should", entry["msg"].removeprefix("Value error, "))
                message = message.removesuffix(".").partition(" after validation")[0]
                given = "" if entry["type"] == "value_error" else f", not {_short(entry['input'])}"
                problem = (f"{name!r} " if name else "") + message + given
        problems.append(f"{where(location)}: {problem}")
    return "; ".join(problems) + "."


def _near(key: str, known: list[str]) -> str:
    near = get_close_matches(key, known, n=3, cutoff=0.5)
    if near:
        return " (did you mean " + " or ".join(repr(name) for name in near) + "?)"
    return " (known: " + ", ".join(known) + ")" if known else " (it takes no keys)"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _keys(annotation: Any, location: Location) -> list[str]:
    """Names of the fields of whatever stands at `location`, as far as annotations tell."""
    known = _fields(annotation)
    if known:
        return _keys(known.get(str(location[0])), location[1:]) if location else list(known)
    below = location if get_origin(annotation) in (Union, UnionType) else location[1:]
    return [name for inner in get_args(annotation) for name in _keys(inner, below)]


def _fields(model: Any) -> dict[str, Any]:
    """Field name → annotation of a pydantic model or a dataclass; nothing for other types."""
    if hasattr(model, "model_fields"):
        return {name: field.annotation for name, field in model.model_fields.items()}
    if is_dataclass(model):
        hints = get_type_hints(model)
        return {field.name: hints[field.name] for field in fields(model)}
    return {}
