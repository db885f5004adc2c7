"""The vocabulary of the smoke world, read from `words.yaml`."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import yaml

_ALL: dict[str, Any] = yaml.safe_load(files(__package__).joinpath("words.yaml").read_text("utf-8"))


def _words(name: str) -> tuple[str, ...]:
    given = _ALL[name]
    return tuple(given.split() if isinstance(given, str) else given)


TASKS, HARMS, THINGS = _words("tasks"), _words("harms"), _words("things")
TRADES, PRODUCTS = _words("trades"), _words("products")
PEOPLE, PLACES, TIMES, WEATHER = _words("people"), _words("places"), _words("times"), _words("weather")

#: (subjects, ways to ask, possible answers) of each relation
RELATIONS = tuple((r["subjects"].split(), r["questions"], r["values"].split()) for r in _ALL["relations"].values())
