"""A policy as it was during its training: a point of the frontier that is drawn along training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from cai_eval.contracts import JSON, Artefact, Input, Kind, PolicySpec, Workshop
from cai_eval.errors import UserError


class PPOSnapshot:
    """The policy `of` a `ppo` as it was after some of its updates, which that one was told to keep."""

    name: ClassVar[str] = "ppo-snapshot"
    version: ClassVar[str] = "1"
    title: ClassVar[str] = "PPO, during training"
    inputs: ClassVar[Mapping[str, Input]] = {"of": Input("policy", None)}
    output: ClassVar[Kind] = "policy"
    instant: ClassVar[bool] = False

    class Config(BaseModel):
        """When."""

        model_config = ConfigDict(extra="forbid", frozen=True)

        update: PositiveInt = Field(description="updates that were done; one of the training's `snapshots`")

    def __init__(self, config: Config) -> None:
        self.config = config

    def alternatives(self) -> Sequence[Mapping[str, JSON]]:
        return (self.config.model_dump(),)

    def run(self, inputs: Mapping[str, Artefact], workshop: Workshop) -> Artefact:
        """Raises UserError where that training kept no such snapshot."""
        from cai_eval.training.ppo.loop import saved_policy, snapshot

        final = inputs["of"]
        assert isinstance(final, PolicySpec)
        place = snapshot(Path(final.model).parent, self.config.update)
        if not place.is_dir():
            kept = ", ".join(str(int(path.name)) for path in sorted(place.parent.glob("[0-9]*"))) or "none"
            raise UserError(
                f"there is no snapshot after {self.config.update} updates (there are: {kept}): name it in the "
                "'snapshots' of the training that this one is `of`."
            )
        return saved_policy(final, place)
