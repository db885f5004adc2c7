"""Policies, scorers, a source and a workshop that answer at once, from the text alone."""

from __future__ import annotations

import hashlib
import json
import math
import random
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cai_eval.contracts import (
    JSON,
    DatasetSpec,
    Format,
    Item,
    PolicySpec,
    Published,
    Request,
    Sample,
    Sampling,
    Scored,
    ScorerSpec,
    Source,
)
from cai_eval.errors import unknown


class ToyPolicy(ABC):
    """A policy that gives each text a number; words are its tokens. Subclasses say which number."""

    def __init__(self, format: Format = "plain") -> None:
        self.format: Format = format

    @property
    def spec(self) -> PolicySpec:
        """A made-up model with a context that holds anything."""
        name = type(self).__name__
        return PolicySpec(name, name, parameters=1_000_000, context=1_000_000, format=self.format)

    @abstractmethod
    def number(self, text: str) -> float:
        """The log-probability of each token of a continuation, nats."""

    def score(self, requests: Sequence[Request]) -> list[Scored]:
        """The same number for every word of the continuation, which depends on context and continuation."""
        scores = []
        for request in requests:
            value = self.number(request.context + request.continuation)
            scores.append(Scored((value,) * max(1, self.count_tokens(request.continuation)), greedy=value > -0.1))
        return scores

    def generate(self, prompts: Sequence[str], sampling: Sampling, keys: Sequence[str]) -> list[list[Sample]]:
        """Nothing: the empty text, ended by the end-of-text token."""
        return [[Sample("", (0,), (self.number(key),), "end")] * sampling.samples for key in keys]

    def count_tokens(self, text: str) -> int:
        return len(text.split())


class ConstantPolicy(ToyPolicy):
    """Finds every continuation equally probable, however long it is and however a benchmark normalises."""

    def number(self, text: str) -> float:
        return 0.0

    def score(self, requests: Sequence[Request]) -> list[Scored]:
        return [Scored(scored.logprobs, greedy=False) for scored in super().score(requests)]


class NaNPolicy(ToyPolicy):
    """Computes nothing but NaN, as a broken half-precision model does."""

    def number(self, text: str) -> float:
        return math.nan


class RandomPolicy(ToyPolicy):
    """Answers by the hash of the text: without sense, and always the same."""

    def number(self, text: str) -> float:
        return math.log(1 - _generator(text).random())

    def generate(self, prompts: Sequence[str], sampling: Sampling, keys: Sequence[str]) -> list[list[Sample]]:
        """Words of the prompt in a random order; the stream depends on prompt, key and sample index."""
        samples = []
        for prompt, key in zip(prompts, keys, strict=True):
            samples.append([self._sample(prompt, sampling, f"{key}/{i}") for i in range(sampling.samples)])
        return samples

    def _sample(self, prompt: str, sampling: Sampling, key: str) -> Sample:
        generator = _generator(f"{prompt}/{'' if sampling.temperature == 0 else key}")
        words = prompt.split() or ["yes"]
        text = " " + " ".join(generator.choices(words, k=generator.randint(1, min(8, sampling.max_tokens))))
        cut = min((position for stop in sampling.stop if (position := text.find(stop)) >= 0), default=len(text))
        ids = tuple(range(len(text.split())))
        return Sample(text[:cut], ids, (-1.0,) * len(ids), "stop" if cut < len(text) else "end")


class ToyScorer:
    """The numbers of a toy policy as a scorer's."""

    def __init__(self, policy: ToyPolicy) -> None:
        self.policy = policy

    @property
    def spec(self) -> ScorerSpec:
        """A made-up model."""
        policy = self.policy.spec
        return ScorerSpec(policy.model, policy.fingerprint, policy.parameters, policy.context)

    def score_texts(self, prompts: Sequence[str], answers: Sequence[str]) -> list[float]:
        return [self.policy.number(prompt + answer) for prompt, answer in zip(prompts, answers, strict=True)]


@dataclass(frozen=True)
class RowsSource:
    """Rows in memory, by the name of the published data set. texts: what `text` gives."""

    data: Mapping[str, Sequence[Mapping[str, JSON]]] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    name: str = "rows"

    def rows(self, data: Published) -> list[dict[str, JSON]]:
        """Copies of the rows. Raises UserError for a data set that it does not hold."""
        if data.name not in self.data:
            raise unknown("data set", data.name, self.data)
        copies: list[dict[str, JSON]] = json.loads(json.dumps(self.data[data.name]))
        return copies

    def text(self, name: str) -> str | None:
        return self.texts.get(name)

    def ideal(self, benchmark: str, item: Item, policy: PolicySpec) -> float | None:
        """None: nobody knows."""
        return None

    def judge(self, prompt: str, answer: str) -> Mapping[str, float] | None:
        """None: nobody judges."""
        return None


@dataclass(frozen=True)
class ToyWorkshop:
    """A workshop in which every policy is a `RandomPolicy`; data sets are read from their files."""

    directory: Path
    source: Source = field(default_factory=RowsSource)
    seed: int = 0

    def tokenizer(self, spec: PolicySpec) -> Any:
        return byte_tokenizer()

    def policy(self, spec: PolicySpec) -> ToyPolicy:
        return RandomPolicy(spec.format)

    def scorer(self, spec: ScorerSpec) -> ToyScorer:
        return ToyScorer(RandomPolicy())

    def rows(self, spec: DatasetSpec) -> Iterator[dict[str, JSON]]:
        with open(spec.path, encoding="utf-8") as file:
            yield from map(json.loads, file)

    def progress(self, done: float, total: float, note: str = "") -> None:
        """Refuses a report of more than everything."""
        if not 0 <= done <= total:
            raise AssertionError(f"progress is reported as {done} of {total}")


def write_rows(path: Path, rows: Iterable[Mapping[str, JSON]]) -> DatasetSpec:
    """A data set as JSON lines at `path`."""
    lines = [json.dumps(row, sort_keys=True) + "\n" for row in rows]
    content = "".join(lines).encode()
    path.write_bytes(content)
    return DatasetSpec(str(path), len(lines), hashlib.sha256(content).hexdigest())


def byte_tokenizer() -> Any:
    """A transformers tokenizer with one token a byte and a start-of-text token of its own, made in memory."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    symbols = ["<s>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    tokenizer = Tokenizer(models.BPE({symbol: i for i, symbol in enumerate(symbols)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.TemplateProcessing("<s> $A", special_tokens=[("<s>", 0)])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="<s>")


def _generator(text: str) -> random.Random:
    return random.Random(hashlib.sha256(text.encode()).digest())
