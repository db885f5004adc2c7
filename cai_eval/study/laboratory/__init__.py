"""What the laboratory's ladder shows, against what it should show: the page `docs/laboratory.md`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cai_eval.study.laboratory.evidence import Controls
    from cai_eval.study.session import Order
    from cai_eval.study.workshop import Models


def orders(device: str | None = None) -> tuple[Order, ...]:
    """The runs whose records the page needs: of all items, with every initialisation of every rung."""
    from cai_eval.study.laboratory.targets import DISTILLED, TUNED
    from cai_eval.study.session import Order

    order = partial(Order, ladder="lab-seeds", full=True, device=device)
    return (
        order("alignment-tax"),
        order("controls"),
        order("alignment-tax", scale="trained", interventions=(DISTILLED, TUNED), benchmarks=("hhh",)),
    )


def write_page(
    runs: Sequence[Path],
    controls: Controls,
    models: Models,
    out: Path,
    progress: Callable[[str], None] = lambda note: None,
) -> None:
    """Measure what the records of the runs do not hold, on the runs' models and the controls, and write the page.

    Raises UserError where a model or a run is not what it should be, or `out` cannot be written.
    """
    from cai_eval.lab.world import make_world
    from cai_eval.study.laboratory.evidence import gather
    from cai_eval.study.laboratory.page import render
    from cai_eval.study.laboratory.targets import findings
    from cai_eval.study.store import publish

    ladder, evidence = gather(runs, controls, models, progress)
    publish(out, render(findings(evidence), ladder, controls.named, make_world()).encode())
