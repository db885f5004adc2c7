"""Keys and values of texts that are to be continued; what some of them begin with alike is computed once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .attention import SegmentStack, attending
from .forward import Ints, predicting_at
from .last_block import feeding_at
from .segments import SegmentBuffer
from .shared import CHUNK, packed
from .trie import Row, plan

Ids = tuple[int, ...]
KeysValues = dict[int, tuple[Tensor, Tensor]]  #: by layer

BATCH_TOKENS = 2048  #: padded tokens that go through the model at once
ROW_TOKENS = 64  #: of a row that several short texts share; each token is compared with all of its row


def prefill(model: Any, stack: SegmentStack, texts: Sequence[Ids]) -> tuple[KeysValues, int]:
    """Keys and values of texts behind the stack, [texts, heads, longest, width] for each layer; none of empty texts.

    What stands behind a text's end is finite. The number is that of the tokens sent, padding included.
    """
    longest = max(map(len, texts))
    # A last token is not sent, for nothing is predicted from it; here something is from each token of a text.
    layout = plan([(*text, 0) for text in texts], [1] * len(texts), max(ROW_TOKENS, longest))
    starts = np.zeros(layout.units, np.int64)
    pool = _Pool()
    left = [(layout.root, stack)]
    while left:
        branch, behind = left.pop()
        if branch.ids:
            behind = share(model, behind, branch.ids)
            segment = behind.segments[-1]
            starts[branch.unit] = pool.append(dict(enumerate(zip(segment.keys, segment.values, strict=True))))
        for rows in _fitting(branch.rows):
            ids, depths, mask = packed(rows, model.device)
            start = pool.append(_forward(model, behind, ids, depths, mask))
            starts[[row.unit for row in rows]] = start + np.arange(len(rows)) * ids.shape[1]
        left.extend((child, behind) for child in branch.branches)
    places = np.zeros((len(texts), longest), np.int64)
    real = np.arange(longest) < np.array([[len(text)] for text in texts])
    places[real] = starts[layout.targets[:, 0]] + layout.targets[:, 1]
    return pool.at(torch.from_numpy(places).to(model.device)), pool.tokens


def share(model: Any, stack: SegmentStack, ids: Ids) -> SegmentStack:
    """The stack with a segment of these ids behind it, filled in chunks so that memory stays bounded."""
    buffer = SegmentBuffer(ids)
    for start in range(0, len(ids), CHUNK):
        chunk = np.array([ids[start : start + CHUNK]])
        behind = stack.push(buffer.segment()) if start else stack
        order = np.arange(chunk.shape[1])
        mask = torch.from_numpy(order <= order[:, None])[None].to(model.device)
        buffer.append(_forward(model, behind, chunk, order[None], mask))
    return stack.push(buffer.segment())


class _Pool:
    """Keys and values of all tokens that were sent, in that order."""

    def __init__(self) -> None:
        self.tokens = 0
        self._parts: defaultdict[int, list[tuple[Tensor, Tensor]]] = defaultdict(list)

    def append(self, kept: Mapping[int, tuple[Tensor, Tensor]]) -> int:
        """Take in [rows, heads, tokens, width] of each layer, row after row; the place of the first token."""
        start = self.tokens
        for layer, (keys, values) in kept.items():
            self._parts[layer].append((_flat(keys), _flat(values)))
        self.tokens += len(self._parts[0][-1][0])
        return start

    def at(self, places: Tensor) -> KeysValues:
        """For each layer what lies at these places [texts, tokens], as [texts, heads, tokens, width]."""
        found = {}
        for layer, parts in self._parts.items():
            keys, values = (torch.cat(side)[places].transpose(1, 2) for side in zip(*parts, strict=True))
            found[layer] = (keys, values)
        return found


def _flat(held: Tensor) -> Tensor:
    """[rows, heads, tokens, width] → [rows * tokens, heads, width]."""
    return held.transpose(1, 2).flatten(0, 1)


def _forward(model: Any, stack: SegmentStack, ids: Ints, depths: Ints, mask: Tensor) -> KeysValues:
    """Keys and values [rows, heads, tokens, width] of ids [rows, tokens] behind the stack; nothing is predicted."""
    device = model.device
    kept: KeysValues = {}
    nowhere = torch.empty(0, dtype=torch.long, device=device)
    with attending(model, stack, mask, kept), feeding_at(model, nowhere), predicting_at(model, nowhere):
        model(
            input_ids=torch.from_numpy(ids).to(device),
            position_ids=torch.from_numpy(stack.length + depths).to(device),
            use_cache=False,
        )
    return kept


def _fitting(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """The rows, as many at a time as may go through the model at once, alike in length."""
    some: list[Row] = []
    for row in sorted(rows, key=lambda row: -len(row.ids)):
        if some and (len(some) + 1) * len(some[0].ids) > BATCH_TOKENS:
            yield some
            some = []
        some.append(row)
    if some:
        yield some
