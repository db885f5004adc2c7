"""Decoding a batch of rows one token at a time; rows come and go."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor
from transformers.cache_utils import Cache, DynamicCache

from .attention import SegmentStack, attending
from .forward import predicting_at
from .prefill import Ids, KeysValues, prefill

MARGIN = 16  #: tokens at least that rows may grow by before their memory does


class Decoder(Protocol):
    """A batch of texts that grow by a token a step."""

    def room(self) -> int:
        """How many texts can be admitted now."""
        ...

    def admit(self, texts: Sequence[Ids]) -> int:
        """Append rows that hold these texts, which may be empty; how many tokens went through the model."""
        ...

    def step(self, tokens: Tensor) -> Tensor:
        """Append tokens[i] to row i; logits [rows, vocabulary] of what follows."""
        ...

    def keep(self, order: Sequence[int]) -> None:
        """Row i becomes what row order[i] was; the others are dropped."""
        ...


class SharedDecoder:
    """Behind segments that all rows share; a row holds its own keys and values only. rows: most at a time."""

    def __init__(self, model: Any, stack: SegmentStack, rows: int) -> None:
        self._model = model
        self._stack = stack
        self._rows = rows
        self._cache = _RowCache(model.device)

    def room(self) -> int:
        """Few free rows wait for more: texts are cheaper by the dozen, and equal ones are computed once."""
        free = self._rows - self._cache.rows
        return free if free * 4 >= self._rows else 0

    def admit(self, texts: Sequence[Ids]) -> int:
        kept, sent = prefill(self._model, self._stack, texts)
        self._cache.append([len(text) for text in texts], kept)
        return sent

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
    """Keys and values of rows of different lengths, in tensors [rows, key-value heads, tokens, width] a layer.

    These have as many rows as there were when they last grew, and tokens to spare: memory that no row came to use
    would be paid for, and attention is fastest where rows lie close together.
    """

    def __init__(self, device: torch.device) -> None:
        super().__init__(layers=[])
        self._lengths = torch.zeros(0, dtype=torch.long, device=device)
        self._span = 0
        self._held: KeysValues = {}

    @property
    def rows(self) -> int:
        return len(self._lengths)

    def append(self, lengths: Sequence[int], kept: KeysValues) -> None:
        """Rows of these lengths, with their keys and values [rows, heads, longest, width]."""
        before, rows = self.rows, self.rows + len(lengths)
        for layer, pair in kept.items():
            longest = pair[0].shape[2]
            for held, fresh in zip(self._layer(layer, pair, rows, longest), pair, strict=True):
                held[before:rows, :, :longest] = fresh
        self._span = max(self._span, *lengths)
        self._lengths = torch.cat([self._lengths, torch.tensor(lengths, device=self._lengths.device)])

    def grow(self) -> tuple[Tensor, Tensor]:
        """Make each row longer by one. Returns the old lengths, and the mask [rows, 1, tokens] of the new."""
        self._old, self._lengths = self._lengths, self._lengths + 1
        self._every = torch.arange(self.rows, device=self._old.device)
        self._span = int(self._lengths.max())
        reach = torch.arange(self._span, device=self._old.device)
        return self._old, reach <= self._old[:, None, None]

    def update(
        self, key_states: Tensor, value_states: Tensor, layer_idx: int, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Put one token's keys and values [rows, heads, 1, width] at the end of each row."""
        keys, values = self._layer(layer_idx, (key_states, value_states), self.rows, self._span)
        keys[self._every, :, self._old] = key_states[:, :, 0]
        values[self._every, :, self._old] = value_states[:, :, 0]
        return keys[: self.rows, :, : self._span], values[: self.rows, :, : self._span]

    def keep(self, order: Sequence[int]) -> None:
        """Row i becomes what row order[i] was; a row that stays where it is costs nothing."""
        moves = [(i, old) for i, old in enumerate(order) if i != old]
        if moves:
            to, of = torch.tensor(moves, device=self._lengths.device).T
            self._lengths[to] = self._lengths[of]
            for pair in self._held.values():
                for held in pair:
                    held[to, :, : self._span] = held[of, :, : self._span]
        self._lengths = self._lengths[: len(order)]

    def get_seq_length(self, layer_idx: int = 0) -> int:
        return self._span

    def _layer(self, layer: int, like: tuple[Tensor, Tensor], rows: int, tokens: int) -> tuple[Tensor, Tensor]:
        """Where the layer's keys and values lie, moved to a larger place if there is no room for so many."""
        held = self._held.get(layer)
        if held is None or held[0].shape[0] < rows or held[0].shape[2] < tokens:
            tokens = max(tokens, self._span)
            room = tokens + max(MARGIN, tokens // 2)
            keys, values = (one.new_zeros(rows, one.shape[1], room, one.shape[3]) for one in like)
            if held is not None:
                filled = min(self._span, held[0].shape[2])
                for new, old in zip((keys, values), held, strict=True):
                    new[: self.rows, :, :filled] = old[: self.rows, :, :filled]
            self._held[layer] = keys, values
        return self._held[layer]


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

    def admit(self, texts: Sequence[Ids]) -> int:
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
        return self._seen.numel()

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
