"""Gathers what the page is about: the runs' records, and the probes put to the runs' models."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from cai_eval.contracts import Policy, PolicySpec
from cai_eval.errors import UserError
from cai_eval.lab.prompts import hhh_prompt
from cai_eval.lab.shipped import WEIGHTS, Facts, checksum, describe
from cai_eval.lab.world import Options, World, make_world
from cai_eval.prefixes import make_prefix
from cai_eval.study.laboratory.curves import Curve
from cai_eval.study.laboratory.probes import PROBES, Column, Probe, harmless, revisions
from cai_eval.study.laboratory.targets import Evidence
from cai_eval.study.results import load_results
from cai_eval.study.session import untouched
from cai_eval.study.store import RunDirectory
from cai_eval.study.workshop import Models

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Model:
    """A trained rung. size: its label, which replicates share. facts: of its training. sha256: of its weight file."""

    size: str
    policy: PolicySpec
    facts: Facts
    sha256: str

    @property
    def name(self) -> str:
        return f"{self.size}, seed {self.facts.seed}"


@dataclass(frozen=True)
class Controls:
    """Models that must show nothing, where there are such.

    null_world: trained in a world of uncorrelated traits. without_drafts: has read no reviewed drafts.
    """

    null_world: Model | None = None
    without_drafts: Model | None = None

    @property
    def named(self) -> dict[str, Model]:
        """How the page calls each that there is."""
        both = {"null world": self.null_world, "no drafts read": self.without_drafts}
        return {name: model for name, model in both.items() if model}


def gather(
    runs: Sequence[Path], controls: Controls, models: Models, progress: Progress = lambda note: None
) -> tuple[list[Model], Evidence]:
    """The runs' models, smallest first, and everything that was or is now measured.

    Raises UserError where a model is not what a run says, the runs are of several ladders, or a control is none of
    theirs.
    """
    results, ladder, world = load_results(runs), models_of(runs), make_world()
    check_controls(controls, ladder[0])
    probes = curves_of((m, ask(m, PROBES, world, models, progress)) for m in ladder)
    null: dict[str, Curve] = {}
    if controls.null_world:
        null = under_prompt(controls.null_world, make_world(Options(correlation=0.0)), models, progress)
    drafts: dict[str, Curve] = {}
    if model := controls.without_drafts:
        drafts = curves_of([(model, ask(model, (revisions,), world, models, progress))])
    return ladder, Evidence(results, probes, null, drafts)


def check_controls(controls: Controls, rung: Model) -> None:
    """Raises UserError for a control that speaks another language than the ladder of the rung, or has read the same."""
    for name, model in controls.named.items():
        where = f"the model for {name!r}, {model.policy.model},"
        if model.facts.tokenizer != rung.facts.tokenizer:
            raise UserError(f"{where} was built for another ladder: build one by the recipe of this ladder.")
        if model.facts.corpus == rung.facts.corpus:
            raise UserError(
                f"{where} has read what the ladder has read: build one with `cai-eval lab build --correlation 0` or "
                "`--without drafts`."
            )


def models_of(runs: Sequence[Path]) -> list[Model]:
    """Every model of the runs once, smallest first. Raises UserError where they are not one unchanged ladder."""
    found: dict[str, Model] = {}
    for run in runs:
        for rung in RunDirectory.read(run).manifest()["rungs"]:
            if rung["fingerprint"] not in found:
                model = model_at(Path(rung["model"]), rung["size"])
                if model.policy.fingerprint != rung["fingerprint"]:
                    raise UserError(f"{rung['model']} is no longer the model that {run} measured: run the suite again.")
                found[rung["fingerprint"]] = model
    if len({(model.facts.recipe, model.facts.corpus) for model in found.values()}) > 1:
        raise UserError(
            f"{', '.join(map(str, runs))} measured models of more than one ladder: give runs of one, or no --run."
        )
    return sorted(found.values(), key=lambda model: (model.policy.parameters, model.facts.seed))


def model_at(directory: Path, size: str = "") -> Model:
    """The model in a directory that `cai-eval lab build` made. Raises UserError for any other."""
    weights = directory / WEIGHTS
    _, facts = describe(weights)
    return Model(size or facts.rung, untouched(str(directory)), facts, checksum(weights))


def ask(model: Model, probes: Sequence[Probe], world: World, models: Models, progress: Progress) -> dict[str, Column]:
    """All columns of the probes, of the model as it is."""
    policy = models.policy(model.policy)
    columns: dict[str, Column] = {}
    for probe in probes:
        progress(f"{model.name}: {probe.__name__.replace('_', ' ')}")
        columns |= probe(policy, world)
    return columns


def under_prompt(model: Model, world: World, models: Models, progress: Progress) -> dict[str, Curve]:
    """The harmless pairs in a dialogue, without ("dialogue") and with ("prompt") the HHH prompt."""
    alone = replace(model.policy, format="dialogue")
    prefix = make_prefix(models.tokenizer(alone.model), hhh_prompt(world), "HHH prompt")
    progress(f"{model.name}: null world")
    asked: dict[str, Policy] = {
        "dialogue": models.policy(alone),
        "prompt": models.policy(replace(alone, prefix=prefix)),
    }
    return {name: curve_of([(model, harmless(policy, world)["harmless"])]) for name, policy in asked.items()}


def curves_of(answered: Iterable[tuple[Model, Mapping[str, Column]]]) -> dict[str, Curve]:
    """Column name → its curve."""
    found = list(answered)
    names = dict.fromkeys(name for _, columns in found for name in columns)
    return {name: curve_of([(model, columns[name]) for model, columns in found]) for name in names}


def curve_of(columns: Sequence[tuple[Model, Column]]) -> Curve:
    """Models of one size are replicates; all were asked the same items."""
    sizes = {model.size: float(model.policy.parameters) for model, _ in columns}
    values = {size: [column.values for model, column in columns if model.size == size] for size in sizes}
    first = columns[0][1]
    return Curve(
        sizes,
        {size: np.stack(arrays) if len(arrays) > 1 else arrays[0] for size, arrays in values.items()},
        dict.fromkeys(sizes, first.ideals),
        np.unique(np.asarray(first.clusters), return_inverse=True)[1],
    )
