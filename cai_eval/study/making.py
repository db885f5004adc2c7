"""From nodes to artefacts: each is known, stored, or made now from its inputs'."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from cai_eval import registry
from cai_eval.contracts import Artefact, PolicySpec, Source
from cai_eval.errors import UserError
from cai_eval.models.loading import default_device
from cai_eval.study.graph import Node, describe
from cai_eval.study.store import RunDirectory
from cai_eval.study.workshop import Models, NodeWorkshop


class NotMade(Exception):  # noqa: N818 - reads as what happened
    """Why a trainer made nothing, as a sentence that its user can act on; what does not need it goes on."""


@dataclass
class Maker:
    """Makes what is not in the directory yet, each node once, on the models' device.

    report: (node, done, total, note) while one is made.
    """

    directory: RunDirectory
    models: Models
    source: Source
    report: Callable[[Node, float, float, str], None]
    _known: dict[str, Artefact] = field(default_factory=dict)
    _broken: dict[str, Exception] = field(default_factory=dict)

    def artefact(self, node: Node) -> Artefact:
        """The node's artefact. What failed once is not tried again. Raises NotMade, and UserError from the disk."""
        if node.final and node.artefact is not None:
            return node.artefact
        if node.hash in self._known:
            return self._known[node.hash]
        if node.hash in self._broken:
            raise self._broken[node.hash]
        stored = self.directory.artefact(node.hash)
        if stored is None:
            inputs = {slot: self.artefact(below) for slot, below in node.inputs.items()}
            try:
                stored = self._make(node, inputs)
            except Exception as error:
                self._broken[node.hash] = error
                raise
        self._known[node.hash] = stored
        return stored

    def _make(self, node: Node, inputs: dict[str, Artefact]) -> Artefact:
        trainer = registry.create("trainers", node.trainer, node.config)
        folder = self.directory.artefact_directory(node.hash)
        workshop = NodeWorkshop(folder, node.seed, self.source, self.models, lambda *done: self.report(node, *done))
        try:
            with default_device(self.models.device):
                made: Artefact = trainer.run(inputs, workshop)
        except UserError as error:
            raise NotMade(str(error)) from error
        _refuse_borrowed_fingerprints(made, inputs.values())
        self.directory.publish_artefact(node.hash, made, describe(node))
        return made


def _refuse_borrowed_fingerprints(made: Artefact, inputs: Iterable[Artefact]) -> None:
    """Raise where new weights go by the fingerprint of an input: its answers would be taken for theirs."""
    if not isinstance(made, PolicySpec):
        return
    models = {
        other.model for other in inputs if isinstance(other, PolicySpec) and other.fingerprint == made.fingerprint
    }
    if models and made.model not in models:
        raise RuntimeError("the trainer gave new weights the fingerprint of its input")
