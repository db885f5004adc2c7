"""Names and texts from outside, made fit to be drawn, written and used as file names."""

import re

_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


def visible(value: object) -> str:
    """Control, direction and surrogate characters as ⟨code⟩: they would change what a reader sees, or end a file."""
    return _CONTROLS.sub(lambda found: f"⟨{ord(found[0]):04X}⟩", str(value))


def slug(name: str) -> str:
    """A name as part of a file name or of an anchor."""
    return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")
