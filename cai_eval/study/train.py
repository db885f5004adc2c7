"""One intervention on one model, without a study around it: the same nodes, stored under the same hashes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cai_eval import lab, registry
from cai_eval.contracts import Artefact, Source
from cai_eval.data import PublishedSource
from cai_eval.errors import UserError, unknown
from cai_eval.models.ladder import load_ladder
from cai_eval.study.graph import Graph, Node
from cai_eval.study.making import Maker, NotMade
from cai_eval.study.session import untouched
from cai_eval.study.store import RunDirectory
from cai_eval.study.suite import Intervention, Suite
from cai_eval.study.workshop import Models


@dataclass(frozen=True)
class Order:
    """What is to be trained.

    start: a hub id, a directory, or where a ladder is named the label of one of its rungs. inputs: slot → intervention
    ("hhh-prompt@largest"), or the path of a JSON-lines file. config: of the trainer. data: folder of upstream files.
    """

    trainer: str
    start: str
    ladder: str | None = None
    inputs: Mapping[str, str] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    data: Path | None = None
    seed: int = 0


def prepare(order: Order, models: Models, progress: Callable[[str], None]) -> tuple[Node, Source]:
    """The node to be made and where its texts come from. Raises UserError for what cannot be had."""
    source: Source = PublishedSource(order.data)
    paths, rung = [order.start], 0
    if order.ladder:
        ladder = load_ladder(order.ladder)
        labels = [step.label for step in ladder.rungs]
        if order.start not in labels:
            raise unknown("rung", order.start, labels)
        rung = labels.index(order.start)
        paths = [step.model for step in ladder.rungs]
        if ladder.source != "published":
            laboratory = lab.find(ladder.source)
            source = laboratory.source()
            paths = [laboratory.model(path, progress) for path in paths]
    trainer: Any = registry.load("trainers", order.trainer)
    for slot in order.inputs:
        if slot not in trainer.inputs:
            raise unknown("input", slot, trainer.inputs)
    files = {slot: given for slot, given in order.inputs.items() if Path(given).expanduser().is_file()}
    for slot, given in order.inputs.items():
        if slot not in files and given.endswith((".json", ".jsonl")):
            raise UserError(f"there is no file {given!r} for the input {slot!r}: check the path.")
    inputs = {slot: f"file for {slot}" if slot in files else given for slot, given in order.inputs.items()}
    suite = Suite.model_construct(
        interventions={
            order.trainer: Intervention(trainer=order.trainer, config=dict(order.config), inputs=inputs),
            **{inputs[slot]: Intervention(trainer="rows", config={"file": file}) for slot, file in files.items()},
        }
    )
    graph = Graph(suite, [untouched(path) for path in paths], source, models.tokenizer, order.seed)
    return graph.node(order.trainer, rung, {}), source


def make(
    node: Node,
    directory: RunDirectory,
    models: Models,
    source: Source,
    report: Callable[[Node, float, float, str], None],
) -> Artefact:
    """The node's artefact: known, stored, or made now from its inputs'. Raises UserError."""
    try:
        return Maker(directory, models, source, report).artefact(node)
    except NotMade as error:
        raise UserError(str(error)) from error
