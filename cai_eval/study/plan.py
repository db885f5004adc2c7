"""From a suite and a ladder to cells: which items, behind which prefix, at what length.

No weights are needed here. Every benchmark is first put to a dry policy that answers nothing and counts tokens, so
what does not fit is known, and said, before a model is loaded. Two rules keep sizes comparable:

- an item too long for one rung is left out at every rung and for every intervention of that benchmark;
- an intervention with alternatives (k conversations of a prompt) uses one of them for the whole ladder and benchmark,
  the most wanted one that fits every rung and item; where none fits, the curve is left out and the reason is kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from cai_eval import registry
from cai_eval.contracts import Benchmark, Item, PolicySpec, Source
from cai_eval.errors import UserError
from cai_eval.study.graph import Graph, Node, digest
from cai_eval.study.suite import Measurement, Suite


@dataclass(frozen=True)
class Base:
    """One untouched model of the ladder. label: how figures name it."""

    label: str
    policy: PolicySpec


@dataclass(frozen=True)
class Cell:
    """One policy (or scorer) on one benchmark.

    benchmark: its name in the suite; plugin and config: what to build it from. tokens: sent behind the prefix, all
    requests together. excluded: ids of the items that do not fit, here or at another rung.
    """

    rung: str
    parameters: int
    intervention: str
    run: int
    benchmark: str
    plugin: str
    config: Mapping[str, Any]
    node: Node
    items: tuple[Item, ...]
    excluded: tuple[str, ...]
    tokens: int
    hash: str


@dataclass(frozen=True)
class Skipped:
    """A curve that is left out, and why."""

    intervention: str
    benchmark: str
    reason: str


@dataclass(frozen=True)
class Plan:
    """cells: in the order of running, one model after the other."""

    suite: Suite
    bases: tuple[Base, ...]
    interventions: tuple[str, ...]
    cells: tuple[Cell, ...]
    skipped: tuple[Skipped, ...]
    notes: tuple[str, ...]

    def nodes(self) -> Iterator[Node]:
        """Everything that must exist before the cells run, inputs first."""
        seen: set[str] = set()
        for cell in self.cells:
            for node in cell.node.walk():
                if node.hash not in seen:
                    seen.add(node.hash)
                    yield node


@dataclass(frozen=True)
class Lengths:
    """Of one item: the longest sequence and the sum over requests, in tokens behind the prefix."""

    longest: int
    total: int


Progress = Callable[[str], None]


def make_plan(
    suite: Suite,
    bases: Sequence[Base],
    source: Source,
    load_tokenizer: Callable[[str], Any],
    *,
    interventions: Sequence[str] | None = None,
    benchmarks: Sequence[str] | None = None,
    limit: int | None = None,
    seed: int = 0,
    settings: Mapping[str, Any] | None = None,
    progress: Progress = lambda note: None,
) -> Plan:
    """Lay out a study.

    bases: smallest first. limit: items a benchmark, drawn by hash so that a smaller limit is a subset of a larger one.
    seed: of training and of generation. settings: what else changes answers (dtype), part of each cell's hash.
    Raises UserError where nothing is left to run.
    """
    suite = suite.extended(interventions or (), benchmarks or ())
    chosen = tuple(interventions or suite.interventions)
    graph = Graph(suite, [base.policy for base in bases], source, load_tokenizer, seed)
    for intervention in chosen:
        graph.lineage(intervention)  # refuses circles before anything walks them
    planner = _Planner(graph, bases, source, chosen, {"seed": seed, **(settings or {})})
    cells: list[Cell] = []
    for name in benchmarks or suite.benchmarks:
        progress(f"planning {name}")
        cells += planner.cells(name, suite.benchmarks[name], limit)
    order = {base.label: position for position, base in enumerate(bases)}
    cells.sort(key=lambda cell: order[cell.rung])
    if not cells:
        reasons = "; ".join(dict.fromkeys(skip.reason for skip in planner.skipped))
        raise UserError(
            f"nothing is left to run ({reasons}): take models with a larger context, or fewer interventions."
        )
    return Plan(suite, tuple(bases), chosen, tuple(cells), tuple(planner.skipped), tuple(planner.notes))


class _Planner:
    def __init__(
        self,
        graph: Graph,
        bases: Sequence[Base],
        source: Source,
        interventions: Sequence[str],
        identity: Mapping[str, Any],
    ) -> None:
        self.graph = graph
        self.bases = bases
        self.source = source
        self.interventions = interventions
        self.identity = identity
        self.skipped: list[Skipped] = []
        self.notes: list[str] = []
        self._lengths: dict[tuple[Any, ...], list[Lengths]] = {}

    def cells(self, name: str, part: Measurement, limit: int | None) -> Iterator[Cell]:
        benchmark: Benchmark = registry.create("benchmarks", part.benchmark, part.config)
        items = limited(benchmark.items(self.source), limit)
        if not items:
            raise UserError(f"benchmark {name!r} has no items: check its config and its data.")
        asks = "policy" in benchmark.accepts
        kept = self._kept(name, benchmark, items) if asks else items
        excluded = tuple(sorted({item.id for item in items} - {item.id for item in kept}))
        choice, left_out = self._choice(name, benchmark, kept) if asks else ({}, set())
        identity = {
            "benchmark": part.benchmark,
            "config": part.config,
            "version": benchmark.version,
            "items": items_digest(kept),
            **self.identity,
        }
        for intervention in self.interventions:
            if intervention in left_out:
                continue
            for position, base in enumerate(self.bases):
                for run in range(self.graph.part(intervention).seeds):
                    node = self.graph.node(intervention, position, choice, run)
                    if node.kind not in benchmark.accepts:
                        continue
                    tokens = sum(length.total for length in self._measure(benchmark, kept, node)) if asks else 0
                    yield Cell(
                        rung=base.label,
                        parameters=base.policy.parameters,
                        intervention=intervention,
                        run=run,
                        benchmark=name,
                        plugin=part.benchmark,
                        config=part.config,
                        node=node,
                        items=tuple(kept),
                        excluded=excluded,
                        tokens=tokens,
                        hash=digest({"node": node.hash, **identity}),
                    )

    def _kept(self, name: str, benchmark: Benchmark, items: Sequence[Item]) -> list[Item]:
        """The items that fit every rung's context without a prefix, in each format that the study uses."""
        worst = [0] * len(items)
        room = min(base.policy.context for base in self.bases)
        formats = {self.graph.node(name, 0, {}).policy.format for name in self._policies()}
        for position in range(len(self.bases)):
            untouched = self.graph.base(position)
            for style in sorted(formats):
                node = replace(untouched, artefact=replace(untouched.policy, format=style))
                lengths = self._measure(benchmark, items, node)
                worst = [max(pair) for pair in zip(worst, (length.longest for length in lengths), strict=True)]
        kept = [item for item, longest in zip(items, worst, strict=True) if longest <= room]
        if not kept:
            raise UserError(
                f"no item of {name!r} fits a context of {room} tokens (the shortest needs {min(worst)}): "
                "take models with a larger context or leave the benchmark out."
            )
        if len(kept) < len(items):
            self.notes.append(
                f"{name}: {len(items) - len(kept)} of {len(items)} items need more than the {room} tokens of the "
                "smallest context; they are left out at every size."
            )
        return kept

    def _policies(self) -> list[str]:
        return [name for name in self.interventions if self.graph.node(name, 0, {}).kind == "policy"]

    def _choice(self, name: str, benchmark: Benchmark, items: Sequence[Item]) -> tuple[dict[str, int], set[str]]:
        """One alternative for each chooser, the same for all that are made from it, and what fits with none."""
        choice: dict[str, int] = {}
        left_out: set[str] = set()
        lineages = {intervention: self.graph.lineage(intervention) for intervention in self._policies()}
        choosers = dict.fromkeys(
            part for lineage in lineages.values() for part in lineage if len(self.graph.alternatives(part)) > 1
        )
        for chooser in choosers:
            followers = [intervention for intervention, lineage in lineages.items() if chooser in lineage]
            for index in range(len(self.graph.alternatives(chooser))):
                choice[chooser] = index
                if all(self._shortage(benchmark, items, follower, choice) <= 0 for follower in followers):
                    break
            if choice[chooser] and chooser in self.interventions:
                label = self.graph.node(chooser, 0, choice).policy.prefix.label
                self.notes.append(f"{name}: {label} for {chooser}, the most that fits every model and item.")
        shortages = {
            intervention: self._shortage(benchmark, items, intervention, choice)
            for intervention in dict.fromkeys(part for lineage in lineages.values() for part in lineage)
        }
        for intervention, lineage in lineages.items():
            reason = ""
            if shortages[intervention] > 0:
                reason = f"its longest item is {shortages[intervention]} tokens over the smallest context"
            elif self.graph.node(intervention, 0, choice).final:  # a control of what does not fit controls nothing
                reason = next((f"{part} does not fit" for part in lineage if shortages[part] > 0), "")
            if reason:
                left_out.add(intervention)
                self.skipped.append(Skipped(intervention, name, reason))
        return choice, left_out

    def _shortage(
        self, benchmark: Benchmark, items: Sequence[Item], intervention: str, choice: Mapping[str, int]
    ) -> int:
        """By how many tokens the longest item overruns the context behind this prefix, at the worst rung."""
        worst = -(1 << 62)
        for position in range(len(self.bases)):
            node = self.graph.node(intervention, position, choice)
            if node.kind != "policy":
                continue
            longest = max(length.longest for length in self._measure(benchmark, items, node))
            worst = max(worst, len(node.policy.prefix.ids) + longest - node.policy.context)
        return worst

    def _measure(self, benchmark: Benchmark, items: Sequence[Item], node: Node) -> list[Lengths]:
        """Dry run. The lengths behind a prefix depend on tokenizer, format and separator alone: those are the key.

        What a trained policy's format will be is not known before it is trained: the longer of the two counts.
        """
        if not node.final:
            both = [
                self._measure(benchmark, items, replace(node, artefact=replace(node.policy, format=style), final=True))
                for style in ("plain", "dialogue")
            ]
            return [max(pair, key=lambda length: length.longest) for pair in zip(*both, strict=True)]
        spec = node.policy
        tokenizer = self.graph.load_tokenizer(spec.model)
        behind = spec.prefix.separator if spec.prefix.ids else None
        key = (id(benchmark), items_digest(items), tokenizer_digest(tokenizer), spec.format, behind)
        if key not in self._lengths:
            self._lengths[key] = measure(benchmark, items, spec, tokenizer)
        return self._lengths[key]


def measure(benchmark: Benchmark, items: Sequence[Item], spec: PolicySpec, tokenizer: Any) -> list[Lengths]:
    """Put each item to a dry policy and count."""
    from cai_eval.inference.policy import DryPolicy

    dry = DryPolicy(spec, tokenizer)
    lengths = []
    for item in items:
        dry.reset()
        for _ in benchmark.evaluate(dry, [item]):
            pass
        lengths.append(Lengths(dry.longest, dry.total))
    return lengths


def limited(items: Sequence[Item], limit: int | None) -> list[Item]:
    """At most `limit` items, drawn by the hash of their ids, in their own order."""
    if limit is None or limit >= len(items):
        return list(items)
    ranked = sorted(items, key=lambda item: hashlib.sha256(item.id.encode()).digest())
    drawn = {item.id for item in ranked[:limit]}
    return [item for item in items if item.id in drawn]


def items_digest(items: Sequence[Item]) -> str:
    """Hash of the items themselves, so that changed data never meets old records."""
    return digest([asdict(item) for item in items])


def tokenizer_digest(tokenizer: Any) -> str:
    """Hash of a fast tokenizer's whole definition; computed once for each object."""
    known = getattr(tokenizer, "_cai_eval_digest", None)
    if known is None:
        known = digest([tokenizer.backend_tokenizer.to_str(), tokenizer.bos_token, tokenizer.eos_token])
        tokenizer._cai_eval_digest = known
    return str(known)
