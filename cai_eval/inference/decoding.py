"""Decoding a batch of rows one token at a time; rows come and go."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor
from transformers.cache_utils import Cache, DynamicCache

from .attention import SegmentStack, attending
from .forward import predicting_at
from .segments import SegmentBuffer
from .shared import CHUNK

Ids = tuple[int, ...]
KeysValues = dict[int, tuple[Tensor, Tensor]]  #: by layer

PREFILL_TOKENS = 2048  #: padded tokens of prompts that go through the model at once


class Decoder(Protocol):
    """A batch of texts that grow by a token a step."""

    def room(self) -> int:
        """How many texts can be admitted now."""
        ...

    def admit(self, texts: Sequence[Ids]) -> None:
        """Append rows that hold these texts, which may be empty."""
        ...

    def step(self, tokens: Tensor) -> Tensor:
        """Append tokens[i] to row i; logits [rows, vocabulary] of what follows."""
        ...

    def keep(self, order: Sequence[int]) -> None:
        """Row i becomes what row order[i] was; the others are dropped."""
        ...


class SharedDecoder:
    """Behind segments that all rows share; each row's own keys and values lie in memory set aside once.

    rows: most at a time. tokens: most that a row will hold.
    """

    def __init__(self, model: Any, stack: SegmentStack, rows: int, tokens: int) -> None:
        self._model = model
        self._stack = stack
        self._rows = rows
        self._cache = _RowCache(rows, tokens, model.device)

    def room(self) -> int:
        """Few free rows wait for more: texts are cheaper by the dozen, and equal ones are computed once."""
        free = self._rows - self._cache.rows
        return free if free * 4 >= self._rows else 0

    def admit(self, texts: Sequence[Ids]) -> None:
        for some in _fitting(texts):
            unique = list(dict.fromkeys(some))
            numbers = {text: number for number, text in enumerate(unique)}
            kept = prefill(self._model, self._stack, unique)
            self._cache.append([len(text) for text in some], kept, [numbers[text] for text in some])

    def step(self, tokens: Tensor) -> Tensor:
        lengths, mask = self._cache.grow()
        with attending(self._model, self._stack, mask):
            output = self._model(
                input_ids=tokens[:, None],
                position_ids=self._stack.length + lengths[:, None],
                past_key_values=self._cache,
                use_cache=True,
            )
        logits: Tensor = output.logits[:, -1]
        return logits

    def keep(self, order: Sequence[int]) -> None:
        self._cache.keep(order)


class _RowCache(Cache):  # type: ignore[misc]
    """Keys and values of rows of different lengths, in tensors [rows, key-value heads, tokens, width] a layer."""

    def __init__(self, rows: int, tokens: int, device: torch.device) -> None:
        super().__init__(layers=[])
        self.rows = 0
        self._most = (rows, tokens)
        self._lengths = torch.zeros(rows, dtype=torch.long, device=device)
        self._span = 0
        self._held: KeysValues = {}

    def append(self, lengths: Sequence[int], kept: KeysValues, which: Sequence[int]) -> None:
        """Rows of these lengths, with the keys and values kept[layer][which], [..., heads, longest, width]."""
        new = slice(self.rows, self.rows + len(lengths))
        for layer, pair in kept.items():
            for held, fresh in zip(self._layer(layer, *pair), pair, strict=True):
                held[new, :, : fresh.shape[2]] = fresh[list(which)]
        self._lengths[new] = torch.tensor(lengths, device=self._lengths.device)
        self.rows += len(lengths)

    def grow(self) -> tuple[Tensor, Tensor]:
        """Make each row longer by one. Returns the old lengths, and the mask [rows, 1, tokens] of the new."""
        self._old = self._lengths[: self.rows].clone()
        self._lengths[: self.rows] += 1
        self._span = int(self._lengths[: self.rows].max())
        reach = torch.arange(self._span, device=self._old.device)
        return self._old, reach <= self._old[:, None, None]

    def update(
        self, key_states: Tensor, value_states: Tensor, layer_idx: int, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Put one token's keys and values [rows, heads, 1, width] at the end of each row."""
        keys, values = self._layer(layer_idx, key_states, value_states)
        every = torch.arange(self.rows, device=self._old.device)
        keys[every, :, self._old] = key_states[:, :, 0]
        values[every, :, self._old] = value_states[:, :, 0]
        return keys[: self.rows, :, : self._span], values[: self.rows, :, : self._span]

    def keep(self, order: Sequence[int]) -> None:
        """Row i becomes what row order[i] was; a row that stays where it is costs nothing."""
        moves = [(i, old) for i, old in enumerate(order) if i != old]
        self.rows = len(order)
        if moves:
            to, of = torch.tensor(moves, device=self._lengths.device).T
            self._lengths[to] = self._lengths[of]
            for pair in self._held.values():
                for held in pair:
                    held[to, :, : self._span] = held[of, :, : self._span]

    def get_seq_length(self, layer_idx: int = 0) -> int:
        return self._span

    def _layer(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        if layer not in self._held:
            rows, tokens = self._most
            self._held[layer] = (
                keys.new_zeros(rows, keys.shape[1], tokens, keys.shape[3]),
                values.new_zeros(rows, values.shape[1], tokens, values.shape[3]),
            )
        return self._held[layer]


def prefill(model: Any, stack: SegmentStack, texts: Sequence[Ids]) -> KeysValues:
    """Keys and values of texts behind the stack, [texts, heads, longest, width] for each layer; {} for empty texts.

    Padded on the right with their own last token: pads come after all else, so no text sees them.
    """
    kept: KeysValues = {}
    longest = max(map(len, texts))
    if longest:
        rows = [text + (text[-1:] or (0,)) * (longest - len(text)) for text in texts]
        ids = torch.tensor(rows, device=model.device)
        positions = (stack.length + torch.arange(longest, device=model.device)).expand(len(texts), -1)
        mask = torch.ones(longest, longest, dtype=torch.bool, device=model.device).tril().expand(len(texts), -1, -1)
        nowhere = torch.empty(0, dtype=torch.long, device=model.device)
        with attending(model, stack, mask, kept), predicting_at(model, nowhere):
            model(input_ids=ids, position_ids=positions, use_cache=False)
    return kept


def share(model: Any, stack: SegmentStack, ids: Ids) -> SegmentStack:
    """The stack with a segment of these ids behind it, filled in chunks so that memory stays bounded."""
    buffer = SegmentBuffer(ids)
    for start in range(0, len(ids), CHUNK):
        behind = stack.push(buffer.segment()) if start else stack
        buffer.append(prefill(model, behind, [ids[start : start + CHUNK]]))
    return stack.push(buffer.segment())


def _fitting(texts: Sequence[Ids]) -> Iterator[Sequence[Ids]]:
    """Consecutive texts, as many at a time as may go through the model at once."""
    some: list[Ids] = []
    for text in texts:
        if some and (len(some) + 1) * max(len(text), *map(len, some)) > PREFILL_TOKENS:
            yield some
            some = []
        some.append(text)
    yield some


class PlainDecoder:
    """Through the model's own attention and cache, padded on the left; a new batch starts when the last is done.

    prefix: put before every text. rows: most at a time.
    """

    def __init__(self, model: Any, prefix: Ids, rows: int) -> None:
        self._model = model
        self._prefix = prefix
        self._rows = rows
        self._takes_positions = "position_ids" in inspect.signature(model.forward).parameters
        self._seen = torch.zeros(0, 0, dtype=torch.long, device=model.device)

    def room(self) -> int:
        return 0 if len(self._seen) else self._rows

    def admit(self, texts: Sequence[Ids]) -> None:
        self._cache = DynamicCache(config=self._model.config)
        whole = [self._prefix + text for text in texts]
        longest = max(map(len, whole))
        pads = [longest - len(text) for text in whole]
        device = self._model.device
        self._seen = torch.tensor(
            [[0] * pad + [1] * len(text) for pad, text in zip(pads, whole, strict=True)],
            dtype=torch.long, device=device,
        )  # fmt: skip
        if longest:
            ids = torch.tensor([[*[0] * pad, *text] for pad, text in zip(pads, whole, strict=True)], device=device)
            nowhere = torch.empty(0, dtype=torch.long, device=device)
            with predicting_at(self._model, nowhere):
                self._forward(ids)

    def step(self, tokens: Tensor) -> Tensor:
        self._seen = torch.nn.functional.pad(self._seen, (0, 1), value=1)
        logits: Tensor = self._forward(tokens[:, None]).logits[:, -1]
        return logits

    def keep(self, order: Sequence[int]) -> None:
        chosen = torch.tensor(order, dtype=torch.long, device=self._seen.device)
        self._seen = self._seen[chosen]
        self._cache.batch_select_indices(chosen)

    def _forward(self, ids: Tensor) -> Any:
        positions = (self._seen.cumsum(-1) - 1).clamp(min=0)[:, -ids.shape[1] :]
        extra = {"position_ids": positions} if self._takes_positions else {}
        return self._model(
            input_ids=ids, attention_mask=self._seen, past_key_values=self._cache, use_cache=True, **extra
        )
