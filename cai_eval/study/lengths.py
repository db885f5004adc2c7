"""How long a benchmark's items are, learnt by putting them to a dry policy or scorer, which only counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from cai_eval.contracts import Benchmark, Item, PolicySpec, ScorerSpec
from cai_eval.errors import UserError
from cai_eval.study.graph import Node, digest

if TYPE_CHECKING:
    from cai_eval.inference.policy import DryPolicy
    from cai_eval.inference.scorer import DryScorer


@dataclass(frozen=True)
class Lengths:
    """Of one item: the longest sequence and the sum over requests, in tokens behind the prefix (scorers have none)."""

    longest: int
    total: int


class Ruler:
    """Measures one benchmark's items, once for each tokenizer, format and separator: nothing else matters.

    failures: item id → what the benchmark raised for it; its length is that of what was asked until then.
    """

    def __init__(self, benchmark: Benchmark, items: Sequence[Item], load_tokenizer: Callable[[str], Any]) -> None:
        self.benchmark = benchmark
        self.items = items
        self.load_tokenizer = load_tokenizer
        self.failures: dict[str, str] = {}
        self._known: dict[tuple[Any, ...], dict[str, Lengths]] = {}

    def lengths(self, spec: PolicySpec | ScorerSpec) -> Mapping[str, Lengths]:
        """Item id → lengths behind the policy's prefix."""
        tokenizer = self.load_tokenizer(spec.model)
        key: tuple[Any, ...] = (tokenizer_digest(tokenizer),)
        if isinstance(spec, PolicySpec):
            key += (spec.format, spec.prefix.separator if spec.prefix.ids else None)
        if key not in self._known:
            self._known[key] = self._measure(spec, tokenizer)
        return self._known[key]

    def longest(self, node: Node, items: Sequence[Item]) -> int:
        """Tokens of the longest of `items` behind the node's prefix.

        What format a trained policy will answer in is not known before it is trained: the longer one counts.
        """
        specs = [node.policy]
        if not node.final:
            specs = [replace(node.policy, format="plain"), replace(node.policy, format="dialogue")]
        return max(self.lengths(spec)[item.id].longest for spec in specs for item in items)

    def total(self, node: Node, items: Sequence[Item]) -> int:
        """Tokens of all that is asked about `items` behind the node's prefix."""
        assert isinstance(node.artefact, PolicySpec | ScorerSpec), "nothing is put to data sets"
        lengths = self.lengths(node.artefact)
        return sum(lengths[item.id].total for item in items)

    def _measure(self, spec: PolicySpec | ScorerSpec, tokenizer: Any) -> dict[str, Lengths]:
        dry = _dry(spec, tokenizer)
        measured = {}
        for item in self.items:
            dry.reset()
            try:
                for _ in self.benchmark.evaluate(dry, [item]):
                    pass
            except UserError:
                raise
            except Exception as error:  # the run will make it a record with an error
                self.failures[item.id] = f"{type(error).__name__}: {error}"
            measured[item.id] = Lengths(dry.longest, dry.total)
        return measured


def _dry(spec: PolicySpec | ScorerSpec, tokenizer: Any) -> DryPolicy | DryScorer:
    if isinstance(spec, PolicySpec):
        from cai_eval.inference.policy import DryPolicy

        return DryPolicy(spec, tokenizer)
    from cai_eval.inference.scorer import DryScorer

    return DryScorer(spec, tokenizer)


def tokenizer_digest(tokenizer: Any) -> str:
    """Hash of a fast tokenizer's whole definition; computed once for each object."""
    known = getattr(tokenizer, "_cai_eval_digest", None)
    if known is None:
        known = digest([tokenizer.backend_tokenizer.to_str(), tokenizer.bos_token, tokenizer.eos_token])
        tokenizer._cai_eval_digest = known
    return str(known)
