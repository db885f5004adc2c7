"""The laboratory as the study meets it: a source of items, and the models that ship with the package."""

from __future__ import annotations

from collections.abc import Callable

from cai_eval.contracts import Source


class ShippedLaboratory:
    """See `cai_eval.lab.Laboratory`. Models are "lab/24k" and so on, by non-embedding parameters."""

    title = (
        "the laboratory: small models trained on a made-up world whose truth was planted; "
        "a proof of method, not a benchmark of anybody's model"
    )

    def source(self) -> Source:
        from cai_eval.lab.source import LaboratorySource

        return LaboratorySource()

    def model(self, name: str, progress: Callable[[str], None]) -> str:
        from cai_eval.lab.shipped import unpack

        progress(f"unpacking {name}")
        return str(unpack(name))
