"""Stable chance: the same parts get the same number on any machine, in any order of asking.

Which combinations are held out of training is decided here, so that neither a seed nor the order of drawing can move
an item from one split into another.
"""

from __future__ import annotations

import hashlib
from typing import Literal, get_args

Split = Literal["pretraining", "post", "validation", "test"]

SPLITS: tuple[Split, ...] = get_args(Split)
BOUNDS = (0.75, 0.85, 0.90, 1.00)  #: where each split ends


def share(*parts: str | int) -> float:
    """A number in [0, 1), uniform over parts: the first 53 bits of a SHA-256 digest."""
    digest = hashlib.sha256(repr(parts).encode()).digest()
    return (int.from_bytes(digest[:8], "big") >> 11) / 2**53


def split(*parts: str | int) -> Split:
    """The split that this combination of parts belongs to: .75, .10, .05 and .10 of all, in the order of `SPLITS`."""
    number = share(*parts)
    return next(name for name, bound in zip(SPLITS, BOUNDS, strict=True) if number < bound)
