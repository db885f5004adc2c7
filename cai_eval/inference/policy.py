"""Live policies: a language model behind its prefix, and a stand-in that only counts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, astuple
from typing import TYPE_CHECKING, Any

from cai_eval.contracts import JSON, ContextTooLong, Format, PolicySpec, Request, Sample, Sampling, Scored
from cai_eval.inference.encoding import Encoder, Ids
from cai_eval.inference.store import Key, ResponseStore, Scope

if TYPE_CHECKING:
    from cai_eval.inference.logprobs import Engine

NUMERICS = 2  #: raised whenever the arithmetic of inference changes: answers stored before no longer count


class LanguageModelPolicy:
    """A language model behind its prefix (contracts.Policy); what it answered once, it looks up.

    Answers are kept in `store`, where there is one, under everything that can change them. seed: of the random
    streams of `generate`. Both methods raise ContextTooLong before anything is computed.
    """

    def __init__(
        self, spec: PolicySpec, engine: Engine, tokenizer: Any, store: ResponseStore | None, seed: int
    ) -> None:
        self._spec = spec
        self._engine = engine
        self._tokenizer = tokenizer
        self._encoder = Encoder(tokenizer, spec.prefix)
        self._store = store
        self._seed = seed

    @property
    def spec(self) -> PolicySpec:
        return self._spec

    @property
    def format(self) -> Format:
        return self._spec.format

    def count_tokens(self, text: str) -> int:
        """Tokens of `text` as it stands behind the prefix, separator included."""
        return self._encoder.behind_prefix(self._encoder.prompts([text])[0])

    def score(self, requests: Sequence[Request]) -> list[Scored]:
        """Log-probabilities in nats, in the order of the requests; equal requests are computed once."""
        from cai_eval.inference.logprobs import Target

        encoded = self._encoder.requests(requests)
        self._refuse_long(len(e.ids) for e in encoded)
        scope = self._scope("score")
        keys = {e: scope.key(e.ids, e.start) for e in encoded}
        answers = self._look_up(keys.values())
        missing = [e for e, key in keys.items() if key not in answers]
        targets = [Target(e.ids, e.start) for e in missing]
        scores = self._engine.logprobs(self._encoder.head, targets) if targets else []
        answers |= self._keep({keys[e]: [s.logprobs, s.greedy] for e, s in zip(missing, scores, strict=True)})
        scored = {e: Scored(tuple(answers[key][0]), answers[key][1]) for e, key in keys.items()}
        return [scored[e] for e in encoded]

    def generate(self, prompts: Sequence[str], sampling: Sampling, keys: Sequence[str]) -> list[list[Sample]]:
        """`sampling.samples` continuations of each prompt; prompt i's random streams are those of (seed, keys[i])."""
        from cai_eval.inference.generation import Prompt, generate

        ids = self._encoder.prompts(prompts)
        self._refuse_long(len(one) + sampling.max_tokens for one in ids)
        scope = self._scope("generate", sampling=asdict(sampling), seed=self._seed)
        todo = [Prompt(one, key) for one, key in zip(ids, keys, strict=True)]
        places = {prompt: scope.key(prompt.ids, prompt.key) for prompt in todo}
        answers = self._look_up(places.values())
        missing = [prompt for prompt, place in places.items() if place not in answers]
        drawn = generate(self._engine, self._tokenizer, self._encoder.head, missing, sampling, self._seed)
        answers |= self._keep(
            {places[prompt]: [astuple(s) for s in samples] for prompt, samples in zip(missing, drawn, strict=True)}
        )
        return [[_sample(*fields) for fields in answers[places[prompt]]] for prompt in todo]

    def _refuse_long(self, lengths: Iterable[int]) -> None:
        longest = len(self._encoder.head) + max(lengths, default=0)
        if longest > self._spec.context:
            raise ContextTooLong(
                f"a request of {longest} tokens, prefix included, does not fit in the model's context of "
                f"{self._spec.context}"
            )

    def _scope(self, kind: str, **settings: JSON) -> Scope:
        import torch
        import transformers

        weights = next(self._engine.model.parameters())
        return Scope(
            {
                "kind": kind,
                "model": self._spec.fingerprint,
                "head": self._encoder.head,
                "dtype": str(weights.dtype),
                "device": weights.device.type,
                "numerics": NUMERICS,
                "libraries": [torch.__version__, transformers.__version__],
                "shared": not self._engine.notice,
                **settings,
            }
        )

    def _look_up(self, keys: Iterable[Key]) -> dict[Key, JSON]:
        return self._store.get(list(keys)) if self._store else {}

    def _keep(self, answers: dict[Key, JSON]) -> dict[Key, JSON]:
        if self._store and answers:
            self._store.put(answers)
        return answers


class DryPolicy:
    """Stands in for a policy while planning: computes nothing, and counts what it is asked.

    longest: tokens of the longest call behind the prefix, continuation or `max_tokens` included.
    total: tokens of all calls, counted so, once a sample. requests: how many there were.
    Log-probabilities are 0, samples empty.
    """

    def __init__(self, spec: PolicySpec, tokenizer: Any) -> None:
        self._spec = spec
        self._encoder = Encoder(tokenizer, spec.prefix)
        self.reset()

    @property
    def spec(self) -> PolicySpec:
        return self._spec

    @property
    def format(self) -> Format:
        return self._spec.format

    def reset(self) -> None:
        """Forget what was counted: the next numbers are those of the next item."""
        self.longest = self.total = self.requests = 0

    def count_tokens(self, text: str) -> int:
        """Tokens of `text` as it stands behind the prefix, separator included."""
        return self._encoder.behind_prefix(self._encoder.prompts([text])[0])

    def score(self, requests: Sequence[Request]) -> list[Scored]:
        encoded = self._encoder.requests(requests)
        for e in encoded:
            self._count(e.ids)
        return [Scored((0.0,) * (len(e.ids) - e.start), False) for e in encoded]

    def generate(self, prompts: Sequence[str], sampling: Sampling, keys: Sequence[str]) -> list[list[Sample]]:
        for ids in self._encoder.prompts(prompts):
            self._count(ids, sampling.max_tokens, sampling.samples)
        return [[Sample("", (), (), "length")] * sampling.samples for _ in prompts]

    def _count(self, ids: Ids, more: int = 0, times: int = 1) -> None:
        tokens = self._encoder.behind_prefix(ids) + more
        self.longest = max(self.longest, tokens)
        self.total += tokens * times
        self.requests += times


def _sample(text: str, tokens: list[int], logprobs: list[float], finish: Any, near_ties: int) -> Sample:
    return Sample(text, tuple(tokens), tuple(logprobs), finish, near_ties)
