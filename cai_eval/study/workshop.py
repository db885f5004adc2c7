"""Live models for the runner and for trainers: each loaded once, few held at a time."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from cai_eval.contracts import Artefact, DatasetSpec, Policy, PolicySpec, Scorer, ScorerSpec, Source
from cai_eval.data import check_row
from cai_eval.errors import UserError

if TYPE_CHECKING:
    from cai_eval.inference.forward import Usage
    from cai_eval.inference.logprobs import Engine
    from cai_eval.inference.policy import LanguageModelPolicy
    from cai_eval.inference.scorer import LanguageModelScorer
    from cai_eval.inference.store import ResponseStore

T = TypeVar("T")


@dataclass
class Models:
    """Engines, scorers and tokenizers by fingerprint.

    held: how many models stay in memory at once. seed: of generation.
    """

    device: str | None = None
    dtype: str | None = None
    store: ResponseStore | None = None
    seed: int = 0
    held: int = 1
    _live: OrderedDict[str, Any] = field(default_factory=OrderedDict)
    _tokenizers: dict[str, Any] = field(default_factory=dict)

    def tokenizer(self, model: str) -> Any:
        """The tokenizer of a model, loaded once."""
        from cai_eval.models.loading import load_tokenizer

        if model not in self._tokenizers:
            self._tokenizers[model] = load_tokenizer(model)
        return self._tokenizers[model]

    def engine(self, spec: PolicySpec) -> Engine:
        """The engine of a policy's weights."""
        from cai_eval.inference.logprobs import Engine
        from cai_eval.models.loading import load_model

        return self._held(spec, lambda: Engine(load_model(spec.model, device=self.device, dtype=self.dtype)))

    def policy(self, spec: PolicySpec) -> LanguageModelPolicy:
        """A live policy."""
        from cai_eval.inference.policy import LanguageModelPolicy

        return LanguageModelPolicy(spec, self.engine(spec), self.tokenizer(spec.model), self.store, self.seed)

    def scorer(self, spec: ScorerSpec) -> LanguageModelScorer:
        """A live scorer."""
        from cai_eval.inference.scorer import LanguageModelScorer
        from cai_eval.models.scorers import load_scorer

        def load() -> LanguageModelScorer:
            model = load_scorer(spec.model, device=self.device, dtype=self.dtype)
            return LanguageModelScorer(spec, model, self.tokenizer(spec.model))

        return self._held(spec, load)

    def usage(self, artefact: Artefact) -> Usage:
        """What the artefact's model has done so far; a copy."""
        return replace((self.engine(artefact) if isinstance(artefact, PolicySpec) else self._scorer(artefact)).usage)

    def notice(self, artefact: Artefact) -> str:
        """Why the artefact's model is not served by the shared prefix, or ""; a scorer has no prefix."""
        return self.engine(artefact).notice if isinstance(artefact, PolicySpec) else ""

    def subject(self, artefact: Artefact) -> Policy | Scorer:
        """What a benchmark is put to."""
        return self.policy(artefact) if isinstance(artefact, PolicySpec) else self._scorer(artefact)

    def _scorer(self, artefact: Artefact) -> LanguageModelScorer:
        assert isinstance(artefact, ScorerSpec), "data sets answer nothing"
        return self.scorer(artefact)

    def _held(self, spec: PolicySpec | ScorerSpec, load: Callable[[], T]) -> T:
        """What is live by the fingerprint, or is loaded now; the one unused for longest goes first."""
        key = spec.fingerprint
        if key not in self._live:
            while len(self._live) >= self.held:
                self._live.popitem(last=False)
            self._live[key] = load()
        self._live.move_to_end(key)
        model: T = self._live[key]
        return model


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
        return self.models.scorer(spec)

    def rows(self, spec: DatasetSpec) -> Iterator[dict[str, Any]]:
        """Blank lines are passed over. Raises UserError, naming the line, for what is no JSON object in UTF-8, and as
        `check_row` does.
        """
        with open(spec.path, "rb") as handle:
            for number, line in enumerate(handle, 1):
                if line.strip():
                    where = f"{spec.path}, line {number}"
                    try:
                        row = json.loads(line.decode("utf-8-sig"))
                    except ValueError as error:
                        raise UserError(f"{where}: not JSON ({error}); correct the line.") from error
                    check_row(row, where)
                    yield row

    def progress(self, done: float, total: float, note: str = "") -> None:
        self.report(done, total, note)
