"""Batched generation behind a shared prefix: the prefix's keys and values are held once, rows come and go."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from cai_eval.contracts import Sample, Sampling

from .attention import installed
from .decoding import Decoder, PlainDecoder, SharedDecoder
from .forward import out_of_memory
from .prefill import Ids, share
from .sampling import draw, uniforms
from .trie import SEGMENT_TOKENS

if TYPE_CHECKING:
    from .logprobs import Engine

ROWS = 64  #: samples in the batch at once
PLAIN_TOKENS = 16_384  #: of all prompts in the batch, where each row holds the prefix anew
ANCHOR = 4  #: tokens of the prompt that are decoded with the sample, for the blank or the bytes between the two


@dataclass(frozen=True)
class Prompt:
    """Ids behind the head, and the key of their random streams."""

    ids: Ids
    key: str


@dataclass
class _Row:
    """A sample that is being drawn.

    prompt, sample: which one. ids: of the prompt, behind the segments. numbers: its uniform random numbers.
    """

    prompt: int
    sample: int
    ids: Ids
    numbers: NDArray[np.float64]
    tokens: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    near_ties: int = 0


def generate(
    engine: Engine, tokenizer: Any, head: Ids, prompts: Sequence[Prompt], sampling: Sampling, seed: int
) -> list[list[Sample]]:
    """`sampling.samples` continuations of each of `head + prompt.ids`; fewer at once where memory runs out.

    In float32 on a CPU a sample does not depend on the other prompts, their order or the batch, but for near ties.
    """
    if sampling.max_tokens < 1:
        raise ValueError("max_tokens must be at least 1")
    if not prompts:
        return []
    generation = _Generation(engine, tokenizer, head, sampling, seed)
    rows = ROWS
    while True:
        # Samples that fill a batch by themselves share their prompt as a segment.
        alone = sampling.temperature > 0 and sampling.samples * 2 > rows
        try:
            with nullcontext() if engine.notice else installed(engine.model):
                if alone:
                    return [samples for prompt in prompts for samples in generation.run([prompt], rows)]
                return generation.run(prompts, rows)
        except RuntimeError as error:
            if not out_of_memory(error) or rows == 1:
                raise
            rows //= 2


class _Generation:
    """What all prompts of one call have in common."""

    def __init__(self, engine: Engine, tokenizer: Any, head: Ids, sampling: Sampling, seed: int) -> None:
        self._engine = engine
        self._text = SampleText(tokenizer, sampling.stop)
        self._ends = _ends(engine.model, tokenizer)
        self._head = head
        self._sampling = sampling
        self._seed = seed

    @torch.inference_mode()
    def run(self, prompts: Sequence[Prompt], rows: int) -> list[list[Sample]]:
        """Longest prompts first: those that are prefilled together are then alike in length."""
        different = self._sampling.samples if self._sampling.temperature else 1
        samples: dict[tuple[int, int], Sample] = {}
        waiting = deque(
            _Row(
                i,
                n,
                self._head[-1:] + prompts[i].ids,
                uniforms(self._seed, prompts[i].key, n, self._sampling.max_tokens),
            )
            for i in sorted(range(len(prompts)), key=lambda i: -len(prompts[i].ids))
            for n in range(different)
        )
        decoder, shared = self._decoder(waiting, min(rows, len(waiting)))
        active: list[_Row] = []
        while waiting or active:
            new = [waiting.popleft() for _ in range(min(decoder.room(), len(waiting)))]
            if new:
                self._engine.usage.sent += decoder.admit([row.ids[shared:-1] for row in new])
                active += new
            self._step(decoder, active)
            going = []
            for place, row in enumerate(active):
                sample = self._finished(row)
                if sample:
                    samples[row.prompt, row.sample] = sample
                else:
                    going.append(place)
            if len(going) < len(active):
                order = compact(going)
                decoder.keep(order)
                active = [active[place] for place in order]
        return [[samples[i, n % different] for n in range(self._sampling.samples)] for i in range(len(prompts))]

    def _decoder(self, rows: Sequence[_Row], most: int) -> tuple[Decoder, int]:
        """A decoder for at most so many rows at a time, and how many first ids of each it holds already."""
        model, head = self._engine.model, self._head[:-1]
        longest = max(len(row.ids) for row in rows)
        if self._engine.notice:
            return PlainDecoder(model, head, max(1, min(most, PLAIN_TOKENS // (len(head) + longest)))), 0
        common = common_run([row.ids[:-1] for row in rows])
        shared = len(common) if len(common) >= SEGMENT_TOKENS else 0
        stack = self._engine.segments(head)
        return SharedDecoder(model, share(model, stack, common) if shared else stack, most), shared

    def _step(self, decoder: Decoder, active: Sequence[_Row]) -> None:
        """Draw one token for each row."""
        device = self._engine.model.device
        last = torch.tensor([row.tokens[-1] if row.tokens else row.ids[-1] for row in active], device=device)
        logits = decoder.step(last)
        if device.type == "mps":  # it has no float64
            logits = logits.cpu()
        numbers = torch.tensor([row.numbers[len(row.tokens)] for row in active], dtype=torch.float64).to(logits.device)
        drawn = draw(logits, self._sampling.temperature, self._sampling.top_p, numbers)
        self._engine.usage.sent += len(active)
        columns = (drawn.tokens.tolist(), drawn.logprobs.tolist(), drawn.near_ties.tolist())
        for row, token, logprob, near_tie in zip(active, *columns, strict=True):
            row.tokens.append(token)
            row.logprobs.append(logprob)
            row.near_ties += near_tie

    def _finished(self, row: _Row) -> Sample | None:
        """The sample, where the row's last token ends it."""
        finish: Literal["stop", "end", "length"]
        if row.tokens[-1] in self._ends:
            text, finish = self._text.decode(row.ids, row.tokens[:-1]), "end"
        elif (cut := self._text.cut(row.ids, row.tokens)) is not None:
            text, finish = cut, "stop"
        elif len(row.tokens) == self._sampling.max_tokens:
            text, finish = self._text.decode(row.ids, row.tokens), "length"
        else:
            return None
        return Sample(text, tuple(row.tokens), tuple(row.logprobs), finish, row.near_ties)


class SampleText:
    """The text of samples as it stands behind their prompts, and where a stop string ends it."""

    def __init__(self, tokenizer: Any, stop: Sequence[str]) -> None:
        self._tokenizer = tokenizer
        self._stop = tuple(filter(None, stop))
        self._special = frozenset(tokenizer.all_special_ids)
        self._closing: dict[int, bool] = {}

    def decode(self, prompt: Sequence[int], tokens: Sequence[int]) -> str:
        """The text of `tokens` behind `prompt`: alone, a tokenizer may lose the blank before the first word."""
        anchor = [token for token in prompt[-ANCHOR:] if token not in self._special]
        before, whole = self._plain(anchor), self._plain([*anchor, *tokens])
        return whole[len(before) :] if whole.startswith(before) else self._plain(tokens)

    def cut(self, prompt: Sequence[int], tokens: Sequence[int]) -> str | None:
        """The text up to the first stop string, if there is one; it can only have come with the last token."""
        if not self._stop or not self._may_close(tokens[-1]):
            return None
        text = self.decode(prompt, tokens)
        places = [place for stop in self._stop if (place := text.find(stop)) >= 0]
        return text[: min(places)] if places else None

    def _may_close(self, token: int) -> bool:
        """Whether a stop string may end with this token: it has the last character of one, or bytes of some."""
        if token not in self._closing:
            text = self._plain([token, token])  # the second is not at the start of the text
            self._closing[token] = "\ufffd" in text or any(stop[-1] in text for stop in self._stop)
        return self._closing[token]

    def _plain(self, tokens: Sequence[int]) -> str:
        text: str = self._tokenizer.decode(list(tokens), clean_up_tokenization_spaces=False)
        return text


def compact(going: Sequence[int]) -> list[int]:
    """Places of the rows that go on (ascending), reordered so that as few as possible change place."""
    count = len(going)
    order = list(range(count))
    holes = sorted(set(order) - set(going))
    for hole, place in zip(holes, (place for place in going if place >= count), strict=True):
        order[hole] = place
    return order


def common_run(texts: Sequence[Ids]) -> Ids:
    """What all texts begin with: what the first and the last in order do."""
    first, last = min(texts), max(texts)
    pairs = zip(first, last, strict=False)
    return first[: next((place for place, (a, b) in enumerate(pairs) if a != b), len(first))]


def _ends(model: Any, tokenizer: Any) -> frozenset[int]:
    """The tokens that end a text, for the model or for its tokenizer."""
    listed = getattr(model.generation_config, "eos_token_id", None)
    ends = listed if isinstance(listed, list) else [listed]
    return frozenset(end for end in (*ends, tokenizer.eos_token_id) if end is not None)
