"""Filling segments, and keeping the last few of them between calls."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch

from .attention import Segment, SegmentStack


def concatenate(chunks: Sequence[Segment]) -> Segment:
    """One segment of several consecutive ones."""
    ids = tuple(i for c in chunks for i in c.ids)
    keys = tuple(torch.cat(layer, 2) for layer in zip(*(c.keys for c in chunks), strict=True))
    values = tuple(torch.cat(layer, 2) for layer in zip(*(c.values for c in chunks), strict=True))
    return Segment(ids, keys, values)


@dataclass
class SegmentCache:
    """The segments used last, by all the tokens from the start of the text to their end.

    capacity: segments kept.
    """

    capacity: int = 8
    _kept: OrderedDict[tuple[tuple[int, ...], ...], Segment] = field(default_factory=OrderedDict)

    def get(self, stack: SegmentStack, ids: tuple[int, ...], fill: Callable[[], Segment]) -> Segment:
        """The segment of `ids` behind `stack`: the kept one, or else what `fill()` gives."""
        key = (*(s.ids for s in stack.segments), ids)
        if key not in self._kept:
            self._kept[key] = fill()
        self._kept.move_to_end(key)
        while len(self._kept) > self.capacity:
            self._kept.popitem(last=False)
        return self._kept[key]

    @property
    def bytes(self) -> int:
        """Memory of the kept segments."""
        return sum(s.bytes for s in self._kept.values())
