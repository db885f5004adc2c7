"""The smoke laboratory: three toys, trained in about a minute, so that a fresh clone has something to measure."""

from __future__ import annotations

from collections.abc import Callable

from cai_eval.contracts import Source


class Smoke:
    """See `cai_eval.lab.Laboratory`. Models are "smoke/12k" and so on, by non-embedding parameters."""

    title = (
        "smoke models: three toys of 12k–300k parameters, trained here in about a minute on a made-up world; "
        "not a benchmark of anybody's model"
    )

    def source(self) -> Source:
        from cai_eval.lab.smoke.rows import SmokeSource

        return SmokeSource()

    def model(self, name: str, progress: Callable[[str], None]) -> str:
        from cai_eval.lab.smoke.build import make

        return str(make(name, progress))
