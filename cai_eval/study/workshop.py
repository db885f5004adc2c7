"""Live models for the runner and for trainers: each loaded once, few held at a time."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cai_eval.contracts import Artefact, DatasetSpec, Policy, PolicySpec, Scorer, ScorerSpec, Source
from cai_eval.errors import UserError

if TYPE_CHECKING:
    from cai_eval.inference.forward import Usage
    from cai_eval.inference.logprobs import Engine
    from cai_eval.inference.policy import LanguageModelPolicy
    from cai_eval.inference.store import ResponseStore


@dataclass
class Models:
    """Engines and tokenizers by fingerprint.

    held: how many engines stay in memory at once. seed: of generation.
    """

    device: str | None = None
    dtype: str | None = None
    store: ResponseStore | None = None
    seed: int = 0
    held: int = 1
    _engines: OrderedDict[str, Engine] = field(default_factory=OrderedDict)
    _tokenizers: dict[str, Any] = field(default_factory=dict)

    def tokenizer(self, model: str) -> Any:
        """The tokenizer of a model, loaded once."""
        from cai_eval.models.loading import load_tokenizer

        if model not in self._tokenizers:
            self._tokenizers[model] = load_tokenizer(model)
        return self._tokenizers[model]

    def engine(self, spec: PolicySpec) -> Engine:
        """The engine of a policy's weights; the one unused for longest goes first."""
        from cai_eval.inference.logprobs import Engine
        from cai_eval.models.loading import load_model

        key = spec.fingerprint
        if key not in self._engines:
            while len(self._engines) >= self.held:
                self._engines.popitem(last=False)
            self._engines[key] = Engine(load_model(spec.model, device=self.device, dtype=self.dtype))
        self._engines.move_to_end(key)
        return self._engines[key]

    def policy(self, spec: PolicySpec) -> LanguageModelPolicy:
        """A live policy."""
        from cai_eval.inference.policy import LanguageModelPolicy

        return LanguageModelPolicy(spec, self.engine(spec), self.tokenizer(spec.model), self.store, self.seed)

    def usage(self, artefact: Artefact) -> Usage:
        """What the artefact's engine has done so far; a copy."""
        return replace(self.engine(_policy(artefact)).usage)

    def notice(self, artefact: Artefact) -> str:
        """Why the artefact's model is not served by the shared prefix, or ""."""
        return self.engine(_policy(artefact)).notice

    def subject(self, artefact: Artefact) -> Policy | Scorer:
        """What a benchmark is put to."""
        return self.policy(_policy(artefact))


def _policy(artefact: Artefact) -> PolicySpec:
    if not isinstance(artefact, PolicySpec):
        raise UserError("this version of cai-eval runs no scorers: put the benchmark to policies.")
    return artefact


@dataclass(frozen=True)
class NodeWorkshop:
    """What a trainer is lent while it makes one node (contracts.Workshop)."""

    directory: Path
    seed: int
    source: Source
    models: Models
    report: Callable[[float, float, str], None]

    def tokenizer(self, spec: PolicySpec) -> Any:
        return self.models.tokenizer(spec.model)

    def policy(self, spec: PolicySpec) -> Policy:
        return self.models.policy(spec)

    def scorer(self, spec: ScorerSpec) -> Scorer:
        raise UserError("this version of cai-eval runs no scorers: give the trainer policies and data sets.")

    def rows(self, spec: DatasetSpec) -> Iterator[dict[str, Any]]:
        with open(spec.path, encoding="utf-8") as handle:
            for line in handle:
                yield json.loads(line)

    def progress(self, done: float, total: float, note: str = "") -> None:
        self.report(done, total, note)
