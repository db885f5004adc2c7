"""Suites: what a study compares, as YAML, validated before anything runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, field_validator

from cai_eval import registry
from cai_eval.config import Location, Where, parse_yaml, validate
from cai_eval.errors import UserError, unknown


class Part(BaseModel):
    """Shared by all parts of a suite file: unknown keys are refused, nothing changes after validation."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Intervention(Part):
    """One curve of the study.

    inputs: overrides of the trainer's named inputs, as references ("base", "NAME", "NAME@largest").
    seeds: how many times to train; each makes its own node, all belong to one curve.
    """

    trainer: str
    title: str = ""
    config: dict[str, Any] = Field(default_factory=dict)
    inputs: dict[str, str] = Field(default_factory=dict)
    seeds: int = Field(default=1, ge=1)


class Measurement(Part):
    """One benchmark of the study with its config. interventions: those it is put to, where not to all."""

    benchmark: str
    config: dict[str, Any] = Field(default_factory=dict)
    interventions: list[str] = Field(default_factory=list)


class Threshold(Part):
    """When `cai-eval check` calls a loss a regression.

    alpha: one-sided level of the whole gate. tolerance: in the metric's own unit, the loss that is put up with.
    """

    alpha: float = Field(default=0.01, gt=0, lt=0.5)
    tolerance: float = Field(default=0.02, ge=0)


class Suite(Part):
    """models × interventions × benchmarks, with the reports to draw.

    The first intervention is the base that taxes are measured against. quick: items of a benchmark that a laboratory's
    models are asked unless all are wanted: there it is a demonstration, and has plenty of items. gate: thresholds of a
    benchmark that the default ones do not suit. rungs: of the suite's own ladder, by label; all by default.

    A suite file may also hold `scales`: name → what of the file is otherwise at that scale; and `published`: what is
    otherwise for models that read published data, where the suite is made for a laboratory (`load_suite`).
    """

    name: str
    title: str
    description: str = ""
    ladder: str
    rungs: list[str] = Field(default_factory=list)
    interventions: dict[str, Intervention] = Field(min_length=1)
    benchmarks: dict[str, Measurement] = Field(min_length=1)
    quick: dict[str, PositiveInt] = Field(default_factory=dict)
    gate: dict[str, Threshold] = Field(default_factory=dict)
    reports: dict[str, dict[str, Any]] = Field(default_factory=dict)

    @field_validator("interventions", "benchmarks", mode="before")
    @classmethod
    def _bare_names(cls, value: Any, info: Any) -> Any:
        """`hhh:` with nothing behind it means the plug-in of that name with its defaults."""
        key = {"interventions": "trainer", "benchmarks": "benchmark"}[info.field_name]
        if not isinstance(value, Mapping):
            return value
        return {
            name: ({key: name, **(part or {})} if part is None or isinstance(part, Mapping) else part)
            for name, part in value.items()
        }

    @field_validator("reports", mode="before")
    @classmethod
    def _bare_reports(cls, value: Any) -> Any:
        """`scaling:` likewise."""
        if not isinstance(value, Mapping):
            return value
        return {name: {} if config is None else config for name, config in value.items()}

    def extended(self, interventions: Iterable[str] = (), benchmarks: Iterable[str] = ()) -> Suite:
        """The suite with plug-ins added that it does not name itself (`lm-eval:hellaswag`), with their defaults.

        Raises UserError for a name that is neither in the suite nor installed.
        """
        return self.model_copy(
            update={
                "interventions": _added(interventions, self.interventions, "trainers", "intervention", _intervention),
                "benchmarks": _added(benchmarks, self.benchmarks, "benchmarks", "benchmark", _measurement),
            }
        )

    def validate_plugins(self, where: Where) -> None:
        """Raise UserError for a plug-in that does not exist, a config it refuses, or a reference to nothing."""
        for name, intervention in self.interventions.items():
            place: Location = ("interventions", name)
            trainer = _create("trainers", intervention.trainer, intervention.config, where, place)
            for slot, reference in intervention.inputs.items():
                with _blamed(where((*place, "inputs", slot))):
                    if slot not in trainer.inputs:
                        raise unknown(f"input of {name!r}", slot, trainer.inputs)
                    target = reference.partition("@")[0]
                    if target != "base" and target not in self.interventions:
                        raise unknown(f"intervention in input {slot!r} of {name!r}", target, self.interventions)
        for name, measurement in self.benchmarks.items():
            _create("benchmarks", measurement.benchmark, measurement.config, where, ("benchmarks", name))
            for subject in measurement.interventions:
                with _blamed(where(("benchmarks", name, "interventions"))):
                    if subject not in self.interventions:
                        raise unknown(f"intervention of benchmark {name!r}", subject, self.interventions)
        for section in ("quick", "gate"):
            for name in getattr(self, section):
                with _blamed(where((section, name))):
                    if name not in self.benchmarks:
                        raise unknown(f"benchmark in {section}", name, self.benchmarks)
        for report, config in self.reports.items():
            with _blamed(where(("reports", report))):
                registry.create("reports", report, config)


def _create(group: str, plugin: str, config: Mapping[str, Any], where: Where, place: Location) -> Any:
    """A plug-in of the suite; what is wrong with its name or its config is blamed on its line."""
    with _blamed(where(place)):
        registry.load(group, plugin)
    return registry.create(group, plugin, config, lambda key: where((*place, "config", *key)))


@contextmanager
def _blamed(line: str) -> Iterator[None]:
    try:
        yield
    except UserError as error:
        raise UserError(f"{line}: {error}") from error


def _intervention(name: str) -> Intervention:
    return Intervention(trainer=name)


def _measurement(name: str) -> Measurement:
    return Measurement(benchmark=name)


P = TypeVar("P", bound=Part)


def _added(
    wanted: Iterable[str], own: Mapping[str, P], group: str, kind: str, make: Callable[[str], P]
) -> dict[str, P]:
    parts = dict(own)
    installed = registry.names(group)
    for name in wanted:
        if name not in own and name.partition(":")[0] not in installed:
            raise unknown(kind, name, {*own, *installed})
        parts.setdefault(name, make(name))
    return parts


def names() -> list[str]:
    """The suites that ship with the package."""
    return sorted(Path(str(p)).stem for p in files("cai_eval.suites").iterdir() if str(p).endswith(".yaml"))


def suite_path(name: str) -> Path:
    """The file of a shipped suite."""
    return Path(str(files("cai_eval.suites") / f"{name}.yaml"))


def load_suite(name_or_path: str, scale: str | None = None, *, published: bool = False) -> Suite:
    """A shipped suite by name, or a user's own file; at one of its scales, for published data. Raises UserError."""
    path = Path(name_or_path)
    if name_or_path not in names():
        if path.suffix not in {".yaml", ".yml"}:
            raise unknown("suite", name_or_path, names())
        if not path.is_file():
            raise UserError(f"suite file {name_or_path!r} does not exist: check the path.")
    else:
        path = suite_path(name_or_path)
    data, where = _changed(*parse_yaml(path), scale, published)
    suite = validate(Suite, data, where)
    suite.validate_plugins(where)
    return suite


def _changed(data: Any, where: Where, scale: str | None, published: bool) -> tuple[Any, Where]:
    """What a suite file says at a scale and of published data; each is blamed for what it changed."""
    if not isinstance(data, Mapping):
        return data, where
    scales = validate(dict[str, dict[str, Any]], data.get("scales") or {}, lambda key: where(("scales", *key)))
    own = validate(dict[str, Any], data.get("published") or {}, lambda key: where(("published", *key)))
    if scale is not None and scale not in scales:
        raise unknown("scale", scale, scales) if scales else UserError("this suite has no scales: leave --scale out.")
    changes: list[tuple[Location, Mapping[str, Any]]] = []
    if scale is not None:
        changes.append((("scales", scale), scales[scale]))
    if published:
        changes.append((("published",), own))
    changed: Any = {key: value for key, value in data.items() if key not in {"scales", "published"}}
    for _, change in changes:
        changed = _merged(changed, change)

    def blamed(key: Location) -> str:
        return where(next(((*place, *key) for place, change in reversed(changes) if _holds(change, key)), key))

    return changed, blamed


def _merged(value: Any, change: Any) -> Any:
    """Mappings are merged key by key, and `KEY: null` takes a key away; anything else takes the place of what was."""
    if not (isinstance(value, Mapping) and isinstance(change, Mapping)):
        return change
    taken = {key for key, inner in change.items() if inner is None}
    keys = [key for key in {**value, **change} if key not in taken]
    return {key: _merged(value.get(key), change[key]) if key in change else value[key] for key in keys}


def _holds(data: Any, key: Location) -> bool:
    for part in key:
        if not isinstance(data, Mapping) or part not in data:
            return False
        data = data[part]
    return True
