"""The vocabulary of the smoke world, read from `words.yaml`."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import yaml

_ALL: dict[str, Any] = yaml.safe_load(files(__package__).joinpath("words.yaml").read_text("utf-8"))


def _words(name: str) -> tuple[str, ...]:
    given = _ALL[name]
    return tuple(given.split() if isinstance(given, str) else given)


THINGS, TOOLS = _words("things"), _words("tools")
TASKS, HARMS = _words("tasks"), _words("harms")
PEOPLE, TREASURES, PLACES = _words("people"), _words("treasures"), _words("places")
TIMES, WEATHER, SEASONS = _words("times"), _words("weather"), _words("seasons")
OPENERS, ADJECTIVES = _words("openers"), _words("adjectives")

#: (subjects, ways to ask, possible answers) of each relation
RELATIONS = tuple((r["subjects"].split(), r["questions"], r["values"].split()) for r in _ALL["relations"].values())
