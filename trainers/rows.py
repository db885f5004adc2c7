"""Rows from a file of one's own, for what trains on a data set."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from cai_eval.contracts import JSON, Artefact, DatasetSpec, Input, Kind, Workshop
from cai_eval.errors import UserError


class Rows:
    """Offers a JSON-lines file as a data set; a file that has changed is another data set."""

    name: ClassVar[str] = "rows"
    version: ClassVar[str] = "1"
    title: ClassVar[str] = "Rows of a file"
    inputs: ClassVar[Mapping[str, Input]] = {}
    output: ClassVar[Kind] = "dataset"
    instant: ClassVar[bool] = True

    class Config(BaseModel):
        """Which file."""

        model_config = ConfigDict(extra="forbid", frozen=True)

        file: str = Field(description="JSON lines, one object a line")
        sha256: str = Field("", description="of the file; what it holds now where left out")

        @model_validator(mode="before")
        @classmethod
        def _sealed(cls, values: Any) -> Any:
            if not isinstance(values, Mapping) or not isinstance(values.get("file"), str):
                return values
            found = hashlib.sha256(_content(values["file"])).hexdigest()
            if values.get("sha256") not in (None, "", found):
                raise ValueError(f"{values['file']} has another sha256 than is given: correct it or leave it out")
            return {**values, "sha256": found}

    def __init__(self, config: Config) -> None:
        self.config = config

    def alternatives(self) -> Sequence[Mapping[str, JSON]]:
        return (self.config.model_dump(),)

    def run(self, inputs: Mapping[str, Artefact], workshop: Workshop) -> Artefact:
        rows = sum(1 for line in _content(self.config.file).split(b"\n") if line.strip())
        return DatasetSpec(str(Path(self.config.file).expanduser()), rows, self.config.sha256)


def _content(file: str) -> bytes:
    try:
        return Path(file).expanduser().read_bytes()
    except OSError as error:
        raise UserError(f"the rows in {file!r} cannot be read: {error.strerror}; check the path.") from None
