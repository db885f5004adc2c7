"""Filling segments, and keeping the last few of them between calls."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from torch import Tensor

from .attention import Segment, SegmentStack


class SegmentBuffer:
    """A segment that grows in place up to `ids`, so that its keys and values are never held twice."""

    def __init__(self, ids: tuple[int, ...]) -> None:
        self._ids = ids
        self._filled = 0
        self._layers: list[tuple[Tensor, Tensor]] = []

    def append(self, kept: Mapping[int, tuple[Tensor, Tensor]]) -> None:
        """The next tokens' keys and values [1, heads, tokens, width] of each layer."""
        if not self._layers:
            self._layers = [(self._empty(key), self._empty(value)) for _, (key, value) in sorted(kept.items())]
        tokens = next(iter(kept.values()))[0].shape[2]
        for layer, new in kept.items():
            for whole, part in zip(self._layers[layer], new, strict=True):
                whole[:, :, self._filled : self._filled + tokens] = part
        self._filled += tokens

    def segment(self) -> Segment:
        """What is there so far, as a view."""
        keys, values = ([both[i][:, :, : self._filled] for both in self._layers] for i in (0, 1))
        return Segment(self._ids[: self._filled], tuple(keys), tuple(values))

    def _empty(self, like: Tensor) -> Tensor:
        return like.new_empty((1, like.shape[1], len(self._ids), like.shape[3]))


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
