"""The study's graph: which node makes which artefact from which others, and the hash each is stored under.

A node is named by everything that made it (DESIGN §3): an untouched model by its fingerprint, an instant trainer's
policy by what it says and shows, a trained artefact by trainer, version, config, seed and the hashes of its inputs.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cai_eval import registry
from cai_eval.contracts import Artefact, Kind, Policy, PolicySpec, Prefix, Scorer, ScorerSpec, Source, Trainer
from cai_eval.errors import UserError, unknown
from cai_eval.study.suite import Intervention, Suite

if TYPE_CHECKING:
    from cai_eval.contracts import DatasetSpec

LARGEST = "largest"


def digest(content: Any) -> str:
    """sha256 of canonical JSON, 32 hex digits."""
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


@contextmanager
def blame(plugin: str) -> Iterator[None]:
    """What a plug-in raises while a study is planned, as one sentence that names it."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"{plugin} fails with {type(error).__name__}: {error}; mend it or leave it out.") from error


def policy_identity(spec: PolicySpec) -> dict[str, Any]:
    """What distinguishes a policy's answers: weights, prefix ids and separator, format. Never where the weights lie."""
    return {
        "fingerprint": spec.fingerprint or spec.model,
        "prefix": list(spec.prefix.ids),
        "separator": spec.prefix.separator if spec.prefix.ids else "",
        "format": spec.format,
    }


@dataclass(frozen=True)
class Node:
    """One artefact to be had.

    artefact: known already for untouched models and for instant trainers upon them (`final`); for other
    policies and scorers a preview with the right tokenizer, context and prefix but without its weights.
    """

    kind: Kind
    trainer: str
    version: str
    config: Mapping[str, Any]
    seed: int
    inputs: Mapping[str, Node]
    artefact: Artefact | None
    final: bool

    @cached_property
    def hash(self) -> str:
        if self.final and isinstance(self.artefact, PolicySpec):
            return digest(policy_identity(self.artefact))
        return digest(
            {
                "trainer": self.trainer,
                "version": self.version,
                "config": self.config,
                "seed": self.seed,
                "inputs": {slot: node.hash for slot, node in self.inputs.items()},
            }
        )

    @property
    def policy(self) -> PolicySpec:
        """The artefact of a policy node."""
        assert isinstance(self.artefact, PolicySpec), "only policy nodes have a policy"
        return self.artefact

    def walk(self) -> Iterator[Node]:
        """All nodes that must exist before this one, each before those that need it, this one last."""
        seen: set[str] = set()
        for node in self.inputs.values():
            for below in node.walk():
                if below.hash not in seen:
                    seen.add(below.hash)
                    yield below
        yield self


@dataclass(frozen=True)
class PlanningWorkshop:
    """The workshop of instant trainers: a tokenizer and nothing that costs time."""

    source: Source
    seed: int
    load_tokenizer: Callable[[str], Any]

    @property
    def directory(self) -> Path:
        raise RuntimeError("an instant trainer writes no files")

    def tokenizer(self, spec: PolicySpec) -> Any:
        return self.load_tokenizer(spec.model)

    def policy(self, spec: PolicySpec) -> Policy:
        raise RuntimeError("an instant trainer runs no model")

    def scorer(self, spec: ScorerSpec) -> Scorer:
        raise RuntimeError("an instant trainer runs no model")

    def rows(self, spec: DatasetSpec) -> Iterator[dict[str, Any]]:
        raise RuntimeError("an instant trainer reads no rows")

    def progress(self, done: float, total: float, note: str = "") -> None:
        """An instant trainer has no progress to show."""


class Graph:
    """Resolves references ("base", "NAME", "NAME@largest") to nodes.

    bases: the untouched policies of the ladder, smallest first. Nodes are made once and shared.
    """

    def __init__(
        self,
        suite: Suite,
        bases: Sequence[PolicySpec],
        source: Source,
        load_tokenizer: Callable[[str], Any],
        seed: int = 0,
    ) -> None:
        self.suite = suite
        self.bases = bases
        self.source = source
        self.load_tokenizer = load_tokenizer
        self.seed = seed
        self._made: dict[str, Node] = {}
        self._known: dict[tuple[Any, ...], Node] = {}
        self._settled: dict[str, dict[str, int]] = {}

    def base(self, rung: int) -> Node:
        """The untouched model of a rung."""
        return Node("policy", "", "", {}, 0, {}, self.bases[rung], final=True)

    def alternatives(self, intervention: str) -> list[Mapping[str, Any]]:
        """The configs an intervention may run with, from the most wanted to the least."""
        part = self.part(intervention)
        with blame(f"intervention {intervention!r}"):
            return list(registry.create("trainers", part.trainer, part.config).alternatives())

    def lineage(self, intervention: str) -> list[str]:
        """The interventions that this one's nodes are made from, itself last. Raises UserError on a circle."""
        order: list[str] = []

        def visit(name: str, above: tuple[str, ...]) -> None:
            if name in above:
                circle = " → ".join((*above[above.index(name) :], name))
                raise UserError(f"intervention {name!r} is made from itself ({circle}): break the circle in the suite.")
            for reference in self.references(name).values():
                target = reference.partition("@")[0]
                if target != "base":
                    visit(target, (*above, name))
            if name not in order:
                order.append(name)

        visit(intervention, ())
        return order

    def node(self, intervention: str, rung: int, choice: Mapping[str, int], run: int = 0) -> Node:
        """The node of an intervention at a rung.

        choice: intervention → index into its alternatives (0 where absent). run: which training seed.
        What is trained is trained once, whatever a benchmark leaves room for: below it the choice is `settled`.
        """
        asked = (intervention, rung, *sorted(choice.items()), run)
        if asked not in self._known:  # a chain of ten trainings refers to its first ones a thousand times
            self._known[asked] = self._node(intervention, rung, choice, run)
        return self._known[asked]

    def _node(self, intervention: str, rung: int, choice: Mapping[str, int], run: int) -> Node:
        part = self.part(intervention)
        trainer: Trainer = registry.create("trainers", part.trainer, part.config)
        with blame(f"intervention {intervention!r}"):
            options = trainer.alternatives()
        config = options[choice.get(intervention, 0)]
        if config is not options[0]:
            trainer = registry.create("trainers", part.trainer, config)
        run %= part.seeds
        below = choice if trainer.instant else self.settled(intervention)
        inputs = {
            slot: self._resolve(reference, trainer.inputs[slot].kind, rung, below, run)
            for slot, reference in self.references(intervention).items()
        }
        seed = 0 if trainer.instant else self.seed + run
        name = part.trainer.partition(":")[0]
        draft = Node(trainer.output, name, trainer.version, dict(config), seed, inputs, artefact=None, final=False)
        key = digest([draft.hash, self.bases[rung].model])
        if key not in self._made:
            with blame(f"intervention {intervention!r}"):
                self._made[key] = self._with_artefact(draft, trainer, self.bases[rung])
        return self._made[key]

    def settled(self, intervention: str) -> dict[str, int]:
        """Below a trained node: the first alternative whose prefix leaves half of every context free."""
        if intervention in self._settled:
            return self._settled[intervention]
        choice: dict[str, int] = {}
        for name in self.lineage(intervention)[:-1]:
            for index in range(len(self.alternatives(name))):
                choice[name] = index
                nodes = [self.node(name, rung, choice) for rung in range(len(self.bases))]
                specs = [node.policy for node in nodes if node.kind == "policy"]
                if all(2 * len(spec.prefix.ids) <= spec.context for spec in specs):
                    break
        self._settled[intervention] = choice
        return choice

    def part(self, intervention: str) -> Intervention:
        """An intervention of the suite; a trainer that the suite does not list, with its defaults."""
        if intervention in self.suite.interventions:
            return self.suite.interventions[intervention]
        if intervention.partition(":")[0] in registry.names("trainers"):
            return Intervention(trainer=intervention)
        raise unknown("intervention", intervention, {*self.suite.interventions, *registry.names("trainers")})

    def references(self, intervention: str) -> dict[str, str]:
        """Input → what it refers to; optional inputs that nobody named are left out. Raises UserError."""
        part = self.part(intervention)
        trainer: Any = registry.load("trainers", part.trainer)
        references = {}
        for slot, need in trainer.inputs.items():
            reference = part.inputs.get(slot, need.default)
            if reference is not None:
                references[slot] = reference
            elif not need.optional:
                raise UserError(
                    f"intervention {intervention!r} needs input {slot!r}: name it under 'inputs' in the suite, or by "
                    f"--input {slot}=WHAT."
                )
        return references

    def _resolve(self, reference: str, kind: Kind, rung: int, choice: Mapping[str, int], run: int) -> Node:
        target, _, where = reference.partition("@")
        if where not in {"", LARGEST}:
            raise UserError(f"reference {reference!r} has no rung {where!r}: write '{target}' or '{target}@{LARGEST}'.")
        rung = len(self.bases) - 1 if where == LARGEST else rung
        node = self.base(rung) if target == "base" else self.node(target, rung, choice, run)
        if node.kind != kind:
            raise UserError(f"reference {reference!r} gives a {node.kind} where a {kind} is needed: name another.")
        return node

    def _with_artefact(self, draft: Node, trainer: Trainer, base: PolicySpec) -> Node:
        known = {slot: node.artefact for slot, node in draft.inputs.items()}
        given = {slot: artefact for slot, artefact in known.items() if artefact is not None}
        if trainer.instant and len(given) == len(known):
            workshop = PlanningWorkshop(self.source, draft.seed, self.load_tokenizer)
            artefact = trainer.run(given, workshop)
            return replace(draft, artefact=artefact, final=all(node.final for node in draft.inputs.values()))
        start, pending = given.get("start", base), f"pending:{draft.hash}"
        model = start if isinstance(start, PolicySpec) else base
        match draft.kind:
            case "policy":
                return replace(draft, artefact=replace(model, fingerprint=pending, prefix=Prefix()))
            case "scorer":
                return replace(draft, artefact=ScorerSpec(model.model, pending, model.parameters, model.context))
            case "dataset":
                return draft


def describe(node: Node) -> dict[str, Any]:
    """The lineage of a node as JSON, for manifests."""
    about: dict[str, Any] = {"hash": node.hash, "kind": node.kind}
    if node.trainer:
        about |= {
            "trainer": node.trainer,
            "version": node.version,
            "config": dict(node.config),
            "seed": node.seed,
        }
        about["inputs"] = {slot: describe(below) for slot, below in node.inputs.items()}
    elif isinstance(node.artefact, PolicySpec):
        about |= {"model": node.artefact.model, "fingerprint": node.artefact.fingerprint}
    return about


def artefact_json(artefact: Artefact) -> dict[str, Any]:
    """An artefact as JSON with its kind, the reverse of `artefact_from_json`."""
    return {"type": type(artefact).__name__, **asdict(artefact)}


def artefact_from_json(data: Mapping[str, Any]) -> Artefact:
    """Rebuild a stored artefact. Raises KeyError or TypeError where the manifest is not one."""
    from cai_eval import contracts

    fields = {key: value for key, value in data.items() if key != "type"}
    if data["type"] == "PolicySpec":
        prefix = fields["prefix"]
        fields["prefix"] = contracts.Prefix(**{**prefix, "ids": tuple(prefix["ids"])})
        return contracts.PolicySpec(**fields)
    if data["type"] == "ScorerSpec":
        return ScorerSpec(**fields)
    return contracts.DatasetSpec(**fields)
