"""What a trainer promises."""

from __future__ import annotations

import copy
import hashlib
import re
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cai_eval.contracts import Artefact, DatasetSpec, Input, Kind, PolicySpec, ScorerSpec, Source, Trainer, Workshop
from cai_eval.study.graph import PlanningWorkshop
from cai_eval.testing.promises import build, is_json, promise
from cai_eval.testing.toys import RandomPolicy, RowsSource, ToyScorer, ToyWorkshop, byte_tokenizer

KINDS: Mapping[Kind, type[Artefact]] = {"policy": PolicySpec, "scorer": ScorerSpec, "dataset": DatasetSpec}


def check_trainer(
    plugin: type | str,
    config: Mapping[str, Any] | None = None,
    *,
    inputs: Mapping[str, Artefact] | None = None,
    source: Source | None = None,
    workshop: Callable[[Path, Source], Workshop] | None = None,
) -> None:
    """Raise AssertionError where a trainer, a class or a registered name, breaks a promise.

    inputs: artefacts for some or all of the named inputs; toy policies and scorers stand in for the others, but
    the rows of a data set must be given (see `write_rows`). workshop: makes one for a directory; in the default
    one, every policy is a `RandomPolicy`.
    """
    trainer: Trainer = build("trainers", plugin, config or {})
    _check_class(trainer)
    alternatives = _check_alternatives(trainer)
    given = _inputs(trainer, inputs or {})
    rows = source or RowsSource()
    if trainer.instant:
        for values in alternatives:
            _check_instant(build("trainers", plugin, values), given, rows)
    else:
        _check_run(trainer, given, rows, workshop or ToyWorkshop)


def _check_class(trainer: Trainer) -> None:
    name = type(trainer).__name__
    promise(isinstance(trainer.version, str) and trainer.version, f"{name}.version must be a text, such as '1'")
    promise(trainer.output in KINDS, f"{name}.output must be one of {', '.join(KINDS)}")
    promise(isinstance(trainer.instant, bool), f"{name}.instant must be True or False")
    for slot, declared in trainer.inputs.items():
        promise(isinstance(declared, Input), f"input {slot!r} of {name} must be an Input")
        promise(declared.kind in KINDS, f"input {slot!r} of {name} must be one of {', '.join(KINDS)}")
        if declared.default is not None:
            promise(
                re.fullmatch(r"[^@]+(@largest)?", declared.default),
                f"input {slot!r} of {name} must default to 'base', 'NAME', 'NAME@largest' or None",
            )
            promise(
                declared.kind == "policy" or declared.default.partition("@")[0] != "base",
                f"input {slot!r} of {name} is a {declared.kind}, and 'base' is a policy",
            )


def _check_alternatives(trainer: Trainer) -> list[Mapping[str, Any]]:
    name = type(trainer).__name__
    alternatives = list(trainer.alternatives())
    promise(alternatives, f"{name}.alternatives() must give at least the trainer's own config")
    for values in alternatives:
        promise(is_json(dict(values)), f"{name}.alternatives() must be JSON: {values}")
        trainer.Config(**values)
    configs = [trainer.Config(**values) for values in alternatives]
    promise(
        all(config not in configs[:i] for i, config in enumerate(configs)),
        f"{name}.alternatives() must not repeat itself",
    )
    promise(list(trainer.alternatives()) == alternatives, f"{name}.alternatives() must be the same every time")
    return alternatives


def _inputs(trainer: Trainer, given: Mapping[str, Artefact]) -> dict[str, Artefact]:
    inputs = dict(given)
    toys: Mapping[Kind, Artefact] = {"policy": RandomPolicy().spec, "scorer": ToyScorer(RandomPolicy()).spec}
    for slot, declared in trainer.inputs.items():
        if slot in inputs:
            promise(isinstance(inputs[slot], KINDS[declared.kind]), f"input {slot!r} is declared a {declared.kind}")
        elif declared.kind in toys:
            inputs[slot] = toys[declared.kind]
        elif not declared.optional:
            raise ValueError(f"give the rows of input {slot!r}: inputs={{{slot!r}: write_rows(path, rows)}}")
    strangers = sorted(inputs.keys() - trainer.inputs.keys())
    promise(not strangers, f"{type(trainer).__name__} declares no input {strangers}")
    return inputs


def _check_instant(trainer: Trainer, inputs: Mapping[str, Artefact], source: Source) -> None:
    """An instant trainer gets the planner's workshop, which lends tokenizers only, and cannot change weights."""
    workshop = PlanningWorkshop(source, 0, lambda model: byte_tokenizer())
    made = _run(trainer, inputs, workshop)
    promise(_run(trainer, inputs, workshop) == made, "run() must make the same artefact every time")
    start = inputs.get("start")
    if isinstance(made, PolicySpec) and isinstance(start, PolicySpec):
        promise(
            (made.model, made.fingerprint) == (start.model, start.fingerprint),
            "an instant trainer must keep the weights of its start: they are what it does not have",
        )


def _check_run(
    trainer: Trainer, inputs: Mapping[str, Artefact], source: Source, workshop: Callable[[Path, Source], Workshop]
) -> None:
    with tempfile.TemporaryDirectory() as here, tempfile.TemporaryDirectory() as there:
        made = _run(trainer, inputs, workshop(Path(here), source))
        if isinstance(made, DatasetSpec):
            _check_dataset(made)
        else:
            promise(made.fingerprint, "a trained model needs a fingerprint (cai_eval.models.fingerprint)")
            start = inputs.get("start")
            if isinstance(start, type(made)):
                promise(made.fingerprint != start.fingerprint, "run() left the weights of its start as they were")
        again = _run(trainer, inputs, workshop(Path(there), source))
        promise(_identity(again) == _identity(made), "run() must make the same artefact from the same seed")
        resumed = _run(trainer, inputs, workshop(Path(here), source))
        promise(_identity(resumed) == _identity(made), "run() in a directory of its own must come to the same end")


def _run(trainer: Trainer, inputs: Mapping[str, Artefact], workshop: Workshop) -> Artefact:
    name = type(trainer).__name__
    before = copy.deepcopy(dict(inputs))
    made = trainer.run(inputs, workshop)
    promise(dict(inputs) == before, f"{name}.run() must not change its inputs")
    promise(
        isinstance(made, KINDS[trainer.output]),
        f"{name} declares a {trainer.output} and makes a {type(made).__name__}",
    )
    return made


def _check_dataset(made: DatasetSpec) -> None:
    content = Path(made.path).read_bytes()
    promise(hashlib.sha256(content).hexdigest() == made.sha256, f"the sha256 of {made.path} is not that of its spec")
    promise(content.count(b"\n") == made.rows, f"{made.path} has not the {made.rows} rows that its spec states")


def _identity(artefact: Artefact) -> tuple[object, ...]:
    """What an artefact is, without where it lies."""
    match artefact:
        case DatasetSpec():
            return (artefact.rows, artefact.sha256)
        case PolicySpec():
            return (artefact.fingerprint, artefact.parameters, artefact.context, artefact.format, artefact.prefix)
        case ScorerSpec():
            return (artefact.fingerprint, artefact.parameters, artefact.context)
