"""Ladders: models of one family in order of size, the x-axis of every scaling plot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import ClassVar

from cai_eval.config import load_yaml
from cai_eval.errors import UserError, unknown


@dataclass(frozen=True)
class Origin:
    """How a laboratory's model was made.

    seed: of its initialisation. tokens: that it has read. loss: on held-out documents, nats a token. recipe, corpus:
    digests of how and of what it has read. sha256: of its weight file.
    """

    seed: int
    tokens: int
    loss: float
    recipe: str
    corpus: str
    sha256: str

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}


@dataclass(frozen=True)
class Rung:
    """One model of a ladder.

    model: hub id or directory. label: how figures name it, unlike any other of the ladder.
    parameters: non-embedding. context: tokens. None where only the model's own configuration can tell.
    origin: of a laboratory's model.
    """

    model: str
    label: str
    parameters: int | None = None
    context: int | None = None
    origin: Origin | None = None

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    @property
    def replicate(self) -> int:
        """Which of the models of this size it is that differ in their initialisation alone, from 0."""
        return self.origin.seed if self.origin else 0

    @property
    def size(self) -> str:
        """The label that replicates share."""
        return self.label.removesuffix(f"-seed{self.replicate}")

    def __post_init__(self) -> None:
        if not self.model:
            raise ValueError("a rung needs a model")
        if any(number is not None and number <= 0 for number in (self.parameters, self.context)):
            raise ValueError(f"parameters and context of {self.model!r} must be positive")


@dataclass(frozen=True)
class Ladder:
    """Rungs from the smallest to the largest. source: "published", or the name of a laboratory."""

    name: str
    title: str
    rungs: tuple[Rung, ...]
    source: str = "published"

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    def __post_init__(self) -> None:
        if not self.rungs:
            raise ValueError("a ladder needs at least one rung")
        for names in ([rung.model for rung in self.rungs], [rung.label for rung in self.rungs]):
            repeated = sorted(name for name in set(names) if names.count(name) > 1)
            if repeated:
                raise ValueError(f"{repeated[0]!r} stands on two rungs")
        sizes = [rung.parameters for rung in self.rungs if rung.parameters is not None]
        if sizes != sorted(sizes):
            raise ValueError("rungs go from the smallest model to the largest")


def ladder_names() -> list[str]:
    """Names of the built-in ladders."""
    return sorted(path.stem for path in _folder().iterdir() if path.suffix == ".yaml")


def ladder_path(name: str) -> Path:
    """The file of a built-in ladder."""
    return _folder() / f"{name}.yaml"


def load_ladder(name: str) -> Ladder:
    """A built-in ladder by name, or a YAML file by path. Raises UserError that names the line."""
    path = Path(name).expanduser()
    if path.suffix in (".yaml", ".yml"):
        return load_yaml(path, Ladder)
    if name not in ladder_names():
        raise unknown("ladder", name, ladder_names())
    return load_yaml(ladder_path(name), Ladder)


def chosen(ladder: Ladder, labels: Sequence[str]) -> tuple[Rung, ...]:
    """The rungs of these labels, or sizes, in the ladder's order; all where none is named. Raises UserError."""
    known = {name for rung in ladder.rungs for name in (rung.label, rung.size)}
    for label in labels:
        if label not in known:
            raise unknown("rung", label, [rung.label for rung in ladder.rungs])
    return tuple(rung for rung in ladder.rungs if not labels or {rung.label, rung.size} & set(labels))


def from_models(models: Sequence[str]) -> Ladder:
    """A ladder of any models, sorted by size, each described by its own configuration.

    Raises UserError where a model cannot be had or is named twice.
    """
    from cai_eval.models.loading import context_length, load_config
    from cai_eval.models.parameters import non_embedding

    names = [Path(model).expanduser().resolve().name for model in models]
    rungs = []
    for model, name in zip(models, names, strict=True):
        config = load_config(model)
        label = name if names.count(name) == 1 else model
        rungs.append(Rung(model, label, non_embedding(config), context_length(config)))
    try:
        return Ladder("models", ", ".join(models), tuple(sorted(rungs, key=lambda rung: rung.parameters or 0)))
    except ValueError as error:
        raise UserError(f"--models: {error}.") from None


def _folder() -> Path:
    return Path(str(files("cai_eval") / "ladders"))
