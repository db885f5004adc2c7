"""Laboratories: little worlds with models trained on them, so that a study needs neither network nor data."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Protocol

from cai_eval.contracts import Source
from cai_eval.errors import unknown

LABORATORIES = {"lab": "cai_eval.lab.laboratory:ShippedLaboratory"}


class Laboratory(Protocol):
    """A world, as a source of rows and as a maker of models.

    title: one line for pages, what these models are and are not.
    """

    title: str

    def source(self) -> Source:
        """Rows and texts in this world's language."""
        ...

    def model(self, name: str, progress: Callable[[str], None]) -> str:
        """The directory of a model of this laboratory's ladder, made on first use. Raises UserError."""
        ...


def find(name: str) -> Laboratory:
    """The laboratory of that name. Raises UserError."""
    if name not in LABORATORIES:
        raise unknown("laboratory", name, LABORATORIES)
    module, _, attribute = LABORATORIES[name].partition(":")
    laboratory: Laboratory = getattr(import_module(module), attribute)()
    return laboratory
