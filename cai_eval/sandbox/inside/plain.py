"""Plain data: the closed set of values that cross between judge and program, as JSON with tags.

Nothing is unpickled. `None`, booleans, strings, floats, small integers and lists are themselves; everything else is
an object of one key, the tag. A subclass of a plain type (a named tuple, a kind of string) crosses as the plain type,
so that its own idea of equality stays behind. What is none of these crosses by reference or not at all.
"""

import builtins
import collections
import importlib
import sys
from collections.abc import Callable
from typing import Any

Encoded = Any
"""What `json` reads and writes."""

SEQUENCES: dict[str, type[Any]] = {
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
    "deque": collections.deque,
}
MAPPINGS: dict[str, type[Any]] = {
    "counter": collections.Counter,
    "ordered": collections.OrderedDict,
    "dict": dict,
}
WRITTEN = {"datetime": "datetime", "date": "datetime", "time": "datetime", "Decimal": "decimal"}
"""Types that cross as their text, and the module of each; few programs import those."""
TYPES = {name: kind for name, kind in vars(builtins).items() if isinstance(kind, type)}
SMALL = 1 << 63


def encode(value: object, refer: Callable[[object], Encoded]) -> Encoded:
    """`value` as JSON can hold it; what is not plain data is left to `refer`.

    Raises RecursionError for data that hold themselves.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int(value) if -SMALL < value < SMALL else {"int": hex(value)}
    if isinstance(value, float):
        return float(value)
    if isinstance(value, list):
        return [encode(item, refer) for item in value]
    for tag, kind in SEQUENCES.items():
        if isinstance(value, kind):
            return {tag: [encode(item, refer) for item in value]}
    for tag, kind in MAPPINGS.items():
        if isinstance(value, kind):
            return {tag: [[encode(key, refer), encode(item, refer)] for key, item in value.items()]}
    return _encode_rare(value, refer)


def _encode_rare(value: object, refer: Callable[[object], Encoded]) -> Encoded:
    if isinstance(value, complex):
        return {"complex": [value.real, value.imag]}
    if isinstance(value, bytes | bytearray):
        return {"bytearray" if isinstance(value, bytearray) else "bytes": value.decode("latin-1")}
    if isinstance(value, range):
        return {"range": [encode(part, refer) for part in (value.start, value.stop, value.step)]}
    if "fractions" in sys.modules and isinstance(value, sys.modules["fractions"].Fraction):
        return {"fraction": [encode(part, refer) for part in value.as_integer_ratio()]}
    for tag, module in WRITTEN.items():
        if module in sys.modules and isinstance(value, getattr(sys.modules[module], tag)):
            return {tag: str(value)}
    if isinstance(value, type) and TYPES.get(value.__name__) is value:
        return {"type": value.__name__}
    return refer(value)


def decode(data: Encoded, resolve: Callable[[str, Encoded], object]) -> Any:
    """The value of `data`; tags that are not of plain data are left to `resolve`.

    Raises ValueError, TypeError, KeyError, AttributeError or ArithmeticError for what `encode` would not have made.
    """
    if isinstance(data, list):
        return [decode(item, resolve) for item in data]
    if not isinstance(data, dict):
        return data
    ((tag, body),) = data.items()
    if tag in SEQUENCES:
        return SEQUENCES[tag](decode(item, resolve) for item in body)
    if tag in MAPPINGS:
        return MAPPINGS[tag]({decode(key, resolve): decode(item, resolve) for key, item in body})
    if tag in WRITTEN:
        kind = getattr(importlib.import_module(WRITTEN[tag]), tag)
        return getattr(kind, "fromisoformat", kind)(body)
    return _REST[tag](body) if tag in _REST else resolve(tag, body)


_REST: dict[str, Callable[[Any], object]] = {
    "int": lambda text: int(text, 16),
    "complex": lambda parts: complex(*parts),
    "bytes": lambda text: text.encode("latin-1"),
    "bytearray": lambda text: bytearray(text, "latin-1"),
    "range": lambda parts: range(*_integers(parts)),
    "fraction": lambda parts: importlib.import_module("fractions").Fraction(*_integers(parts)),
    "type": TYPES.__getitem__,
}


def _integers(parts: list[Encoded]) -> list[int]:
    return [int(part["int"], 16) if isinstance(part, dict) else int(part) for part in parts]
