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
from dataclasses import dataclass, replace
from typing import Any

from cai_eval import registry
from cai_eval.contracts import Artefact, Benchmark, Item, PolicySpec, ScorerSpec, Source
from cai_eval.errors import UserError
from cai_eval.study.graph import Graph, Node, blame, digest
from cai_eval.study.lengths import Ruler
from cai_eval.study.suite import Measurement, Suite


@dataclass(frozen=True)
class Base:
    """One untouched model of the ladder.

    label: how it is named, unlike any other. size: how figures name it and its replicates, which are the same model
    from other initialisations and make one point together. replicate: which of them it is, from 0.
    """

    label: str
    policy: PolicySpec
    size: str = ""
    replicate: int = 0


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
class Making:
    """What is trained for the cells, by the name that the suite gives it. inputs: slot → reference."""

    rung: str
    parameters: int
    intervention: str
    run: int
    node: Node
    inputs: Mapping[str, str]


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
    makings: tuple[Making, ...] = ()

    def nodes(self) -> Iterator[Node]:
        """Everything that must exist before the cells run, inputs first."""
        seen: set[str] = set()
        for cell in self.cells:
            for node in cell.node.walk():
                if node.hash not in seen:
                    seen.add(node.hash)
                    yield node


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
    limits: Mapping[str, int] | None = None,
    seed: int = 0,
    settings: Mapping[str, Any] | None = None,
    progress: Progress = lambda note: None,
) -> Plan:
    """Lay out a study.

    bases: smallest first. interventions, benchmarks: names in the suite, all of them by default; they stand in the
    suite's order, so that a base stays the base. limit: items a benchmark, drawn by hash so that a smaller limit is a
    subset of a larger one; limits: of single benchmarks, where `limit` is None. seed: of training and of generation.
    settings: what else changes answers (dtype), part of each cell's hash. Raises UserError where nothing is left to
    run or a plug-in fails.
    """
    chosen = tuple(name for name in suite.interventions if name in (interventions or suite.interventions))
    graph = Graph(suite, [base.policy for base in bases], source, load_tokenizer, seed)
    for intervention in chosen:
        graph.lineage(intervention)  # refuses circles before anything walks them
    cells: list[Cell] = []
    skipped: list[Skipped] = []
    notes: list[str] = []
    for name in (name for name in suite.benchmarks if name in (benchmarks or suite.benchmarks)):
        progress(f"planning {name}")
        most = limit if limit is not None else (limits or {}).get(name)
        part = suite.benchmarks[name]
        subjects = [each for each in chosen if each in (part.interventions or chosen)]
        if not subjects:
            continue
        planner = _Planner(graph, bases, subjects, name, part, most)
        cells += planner.cells({"seed": seed, **(settings or {})})
        skipped += planner.skipped
        notes += planner.notes
    order = {base.label: position for position, base in enumerate(bases)}
    cells.sort(key=lambda cell: order[cell.rung])
    if not cells:
        reasons = "; ".join(dict.fromkeys(skip.reason for skip in skipped))
        raise UserError(
            f"nothing is left to run: {reasons or 'no intervention is one that a benchmark can be put to'}; take "
            "models with a larger context, or other interventions."
        )
    made = tuple(_makings(graph, bases, cells))
    return Plan(suite, tuple(bases), chosen, tuple(cells), tuple(skipped), tuple(dict.fromkeys(notes)), made)


def _makings(graph: Graph, bases: Sequence[Base], cells: Sequence[Cell]) -> Iterator[Making]:
    """The suite's interventions whose artefacts are trained, as far as the cells need them."""
    needed = {node.hash for cell in cells for node in cell.node.walk()}
    for name, part in graph.suite.interventions.items():
        for position, base in enumerate(bases):
            for run in range(part.seeds):
                node = graph.node(name, position, {}, run)
                if node.hash in needed and not node.final:
                    yield Making(base.label, base.policy.parameters, name, run, node, graph.references(name))


@dataclass(frozen=True)
class _Room:
    """What a prefix and the longest item need of a rung's context, in tokens. label: of the prefix."""

    rung: str
    label: str
    prefix: int
    item: int
    context: int

    @property
    def shortage(self) -> int:
        return self.prefix + self.item - self.context


class _Planner:
    """Lays out one benchmark."""

    def __init__(
        self,
        graph: Graph,
        bases: Sequence[Base],
        interventions: Sequence[str],
        name: str,
        part: Measurement,
        limit: int | None,
    ) -> None:
        self.graph = graph
        self.bases = bases
        self.interventions = interventions
        self.name = name
        self.part = part
        with blame(f"benchmark {name!r}"):
            self.benchmark: Benchmark = registry.create("benchmarks", part.benchmark, part.config)
            self.asked = limited(self.benchmark.items(graph.source), limit)
        if not self.asked:
            raise UserError(f"benchmark {name!r} has no items: check its config and its data.")
        ids = [item.id for item in self.asked]
        if len(set(ids)) < len(ids):
            raise UserError(f"benchmark {name!r} gives two items one id, {max(ids, key=ids.count)!r}: mend its items.")
        self.ruler = Ruler(self.benchmark, self.asked, graph.load_tokenizer)
        self.policies, self.scorers = (
            [name for name in interventions if graph.node(name, 0, {}).kind == kind and kind in self.benchmark.accepts]
            for kind in ("policy", "scorer")
        )
        self.skipped: list[Skipped] = []
        self.notes: list[str] = []

    def cells(self, settings: Mapping[str, Any]) -> Iterator[Cell]:
        kept = self.fitting() if self.policies or self.scorers else []
        if not kept:
            return
        choice, left_out = self.choice(kept)
        excluded = tuple(sorted({item.id for item in self.asked} - {item.id for item in kept}))
        identity = {
            "benchmark": self.part.benchmark,
            "config": self.part.config,
            "version": self.benchmark.version,
            "items": items_digest(kept),
            **settings,
        }
        for intervention in self.interventions:
            if intervention in left_out or intervention not in (*self.policies, *self.scorers):
                continue
            for position, base in enumerate(self.bases):
                for run, node in enumerate(self.runs(intervention, position, choice)):
                    yield Cell(
                        rung=base.label,
                        parameters=base.policy.parameters,
                        intervention=intervention,
                        run=run,
                        benchmark=self.name,
                        plugin=self.part.benchmark,
                        config=self.part.config,
                        node=node,
                        items=tuple(kept),
                        excluded=excluded,
                        tokens=self.ruler.total(node, kept),
                        hash=digest({"node": node.hash, **identity}),
                    )

    def runs(self, intervention: str, position: int, choice: Mapping[str, int]) -> list[Node]:
        """The nodes of an intervention at a rung, one for each training seed; one alone where nothing is trained."""
        seeds = range(self.graph.part(intervention).seeds)
        nodes = {node.hash: node for node in (self.graph.node(intervention, position, choice, run) for run in seeds)}
        if len(nodes) < len(seeds):
            self.notes.append(f"{intervention} has no training of its own: its {len(seeds)} seeds count as one.")
        return list(nodes.values())

    def fitting(self) -> list[Item]:
        """The items that fit every rung's context without a prefix, in each format that the study uses, and scorers'.

        Where there is none, the benchmark is left out.
        """
        formats = sorted({self.graph.node(name, 0, {}).policy.format for name in self.policies})
        bare: list[Artefact | None] = [replace(base.policy, format=form) for base in self.bases for form in formats]
        bare += [self.graph.node(name, rung, {}).artefact for name in self.scorers for rung in range(len(self.bases))]
        specs = [spec for spec in bare if isinstance(spec, PolicySpec | ScorerSpec)]
        over = {
            item.id: max(self.ruler.lengths(spec)[item.id].longest - spec.context for spec in specs)
            for item in self.asked
        }
        kept = [item for item in self.asked if over[item.id] <= 0]
        room = min(spec.context for spec in specs)
        if not kept:
            reason = (
                f"no item of {self.name!r} fits in every model's context "
                f"(the smallest has {room:,} tokens, {min(over.values()):,} too few)"
            )
            self.skipped += [Skipped(name, self.name, reason) for name in (*self.policies, *self.scorers)]
        elif len(kept) < len(self.asked):
            self.notes.append(
                f"{self.name}: {len(self.asked) - len(kept)} of {len(self.asked)} items do not fit in every model's "
                f"context (the smallest has {room:,} tokens); they are left out at every size."
            )
        if self.ruler.failures:
            self.notes.append(
                f"{self.name}: {len(self.ruler.failures)} of {len(self.asked)} items cannot be asked "
                f"({next(iter(self.ruler.failures.values()))})."
            )
        return kept

    def choice(self, items: Sequence[Item]) -> tuple[dict[str, int], set[str]]:
        """One alternative for each chooser, the same for all made from it; and the names that fit with none."""
        choice: dict[str, int] = {}
        lineages = {name: self.graph.lineage(name) for name in self.policies}
        known = dict.fromkeys(part for lineage in lineages.values() for part in lineage)
        for chooser in known:
            options = len(self.graph.alternatives(chooser))
            followers = [name for name, lineage in lineages.items() if chooser in lineage]
            for choice[chooser] in range(options):
                if all(self.room(follower, choice, items).shortage <= 0 for follower in followers):
                    if choice[chooser] and chooser in self.policies:
                        label = self.graph.node(chooser, 0, choice).policy.prefix.label
                        self.notes.append(
                            f"{self.name}: {label} for {chooser}, the most that fits every model and item."
                        )
                    break
        rooms = {name: self.room(name, choice, items) for name in known}
        left_out = set()
        for name, lineage in lineages.items():
            reason = ""
            room = rooms[name]
            if room.shortage > 0:
                even = "even " if choice[name] else ""
                prefix = f"{even}{room.label} ({room.prefix:,} tokens) and " if room.prefix else ""
                reason = (
                    f"{prefix}its longest item ({room.item:,} tokens) are more than the {room.context:,} tokens that "
                    f"{room.rung} can read"
                )
            elif self.graph.node(name, 0, choice).final:  # a control of what does not fit controls nothing
                reason = next((f"{part} does not fit" for part in lineage if rooms[part].shortage > 0), "")
            if reason:
                left_out.add(name)
                self.skipped.append(Skipped(name, self.name, reason))
        return choice, left_out

    def room(self, intervention: str, choice: Mapping[str, int], items: Sequence[Item]) -> _Room:
        """What this prefix and the longest item need, at the rung where they fit worst."""
        rooms = []
        for position, base in enumerate(self.bases):
            node = self.graph.node(intervention, position, choice)
            if node.kind == "policy":
                prefix, item = node.policy.prefix, self.ruler.longest(node, items)
                rooms.append(_Room(base.label, prefix.label, len(prefix.ids), item, node.policy.context))
        return max(rooms, key=lambda room: room.shortage, default=_Room("", "", 0, 0, 0))


def limited(items: Sequence[Item], limit: int | None) -> list[Item]:
    """At most `limit` items, drawn by the hash of their ids, in their own order."""
    if limit is None or limit >= len(items):
        return list(items)
    ranked = sorted(items, key=lambda item: hashlib.sha256(item.id.encode()).digest())
    drawn = {item.id for item in ranked[:limit]}
    return [item for item in items if item.id in drawn]


def items_digest(items: Sequence[Item]) -> str:
    """Hash of the items themselves, so that changed data never meets old records."""
    return digest([[item.id, item.cluster, item.category, item.data] for item in items])
