"""What the laboratory's ladder shows, against what it should show: the page `docs/laboratory.md`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cai_eval.study.workshop import Models

SUITES = ("alignment-tax", "controls")  #: whose records the page needs


def write_page(
    runs: Sequence[Path],
    models: Models,
    out: Path,
    null_world: Path | None = None,
    without_drafts: Path | None = None,
    progress: Callable[[str], None] = lambda note: None,
) -> None:
    """Measure what the records of the runs do not hold, on the runs' models, and write the page.

    null_world, without_drafts: directories of models for two of the controls. Raises UserError where a model or a run
    is not what it should be, or `out` cannot be written.
    """
    from cai_eval.lab.world import make_world
    from cai_eval.study.laboratory.evidence import gather
    from cai_eval.study.laboratory.page import render
    from cai_eval.study.laboratory.targets import findings
    from cai_eval.study.store import disk_errors

    ladder, evidence = gather(runs, models, null_world, without_drafts, progress)
    text = render(findings(evidence), ladder, make_world())
    with disk_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text, encoding="utf-8")
