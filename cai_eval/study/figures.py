"""A paper's figures from a run's own records, one at a time, as files for a manuscript."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from cai_eval import registry
from cai_eval.contracts import PaperFigure, Results
from cai_eval.errors import unknown
from cai_eval.models.ladder import ladder_names
from cai_eval.pages import lettering, output
from cai_eval.study.store import disk_errors
from cai_eval.study.suite import names, suite_path

Need = tuple[str, str]  #: benchmark, intervention
ANY_SUITE = "alignment-tax"  #: takes any plug-in besides its own


def paper_figures(paper: str | None = None, number: str | None = None) -> list[PaperFigure]:
    """What the installed reports can draw, by paper and number: all, of one paper, or one figure of it.

    A number without a panel ("7") stands for all its panels. Raises UserError where no report draws that.
    """
    found = [each for name in registry.names("reports") for each in registry.load("reports", name).papers]
    if paper is not None:
        papers = {each.paper for each in found}
        found = [each for each in found if each.paper == paper]
        if not found:
            raise unknown("paper", paper, papers)
    if number is not None:
        numbers = {each.figure for each in found}
        found = [each for each in found if number in (each.figure, str(_place(each)[0]))]
        if not found:
            raise unknown("figure", number, numbers)
    return sorted(found, key=lambda each: (each.paper, *_place(each)))


def _place(figure: PaperFigure) -> tuple[int, str]:
    """Number and panel of "10R"."""
    number = re.match(r"\d*", figure.figure)[0]  # type: ignore[index]  # it matches anything
    return int(number or 0), figure.figure.removeprefix(number)


def lacking(figure: PaperFigure, results: Results) -> list[Need]:
    """The cells that the figure needs and that no model of the results has."""
    cells = set(zip(results.cells["benchmark"], results.cells["intervention"], strict=True))
    return [need for need in figure.needs if need not in cells]


def told(needs: Sequence[Need]) -> str:
    """Cells in words: "lambada with none, lambada with hhh-prompt"."""
    return ", ".join(f"{benchmark} with {intervention}" for benchmark, intervention in needs)


def remedy(needs: Sequence[Need], manifest: Mapping[str, Any] | None = None) -> str:
    """The command that makes the cells. manifest: of a run whose models to take, rather than the suite's own."""
    benchmarks, interventions = (list(dict.fromkeys(part)) for part in zip(*needs, strict=True))
    suite = next((name for name in names() if _holds(name, benchmarks, interventions)), ANY_SUITE)
    asked = f"--benchmarks {','.join(benchmarks)} --interventions {','.join(interventions)}"
    return f"cai-eval run --suite {suite} {asked}{_models(manifest) if manifest else ''}"


def _holds(suite: str, benchmarks: Sequence[str], interventions: Sequence[str]) -> bool:
    parts: dict[str, dict[str, Any]] = yaml.safe_load(suite_path(suite).read_text(encoding="utf-8"))
    return set(benchmarks) <= parts["benchmarks"].keys() and set(interventions) <= parts["interventions"].keys()


def _models(manifest: Mapping[str, Any]) -> str:
    ladder = manifest.get("ladder", "")
    if ladder in ladder_names():
        return f" --ladder {ladder}"
    return f" --models {','.join(rung['model'].partition('@')[0] for rung in manifest['rungs'])}"


def draw(figure: PaperFigure, results: Results, folder: Path) -> list[Path]:
    """Draw a figure into `folder`: PNG, SVG, PDF, and the numbers in it as CSV; the files' paths.

    The results must hold what it needs. Raises UserError where they cannot be drawn after all, and from the disk.
    """
    name, made = f"{figure.paper}-{figure.figure}", figure.draw(results)
    if results.laboratory:
        lettering.stamp(made.figure, f"laboratory: {results.laboratory.partition(':')[0]}")
    files = {
        "png": output.png(made.figure),
        "svg": output.standalone(output.svg(made.figure)).encode(),
        "pdf": output.pdf(made.figure),
        "csv": made.data.to_csv(index=False).encode("utf-8", "replace"),
    }
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for kind, content in files.items():
            (folder / f"{name}.{kind}").write_bytes(content)
    return [folder / f"{name}.{kind}" for kind in files]
