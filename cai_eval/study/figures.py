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
from cai_eval.models.ladder import ladder_names, load_ladder
from cai_eval.pages import lettering, output
from cai_eval.study.store import disk_errors
from cai_eval.study.suite import names, suite_path

Need = tuple[str, str]  #: benchmark, intervention


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
    """Cells in words: "hhh, lambada with none, hhh-prompt; truthfulqa with none"."""
    interventions: dict[str, list[str]] = {}
    for benchmark, intervention in needs:
        interventions.setdefault(benchmark, []).append(intervention)
    benchmarks: dict[str, list[str]] = {}
    for benchmark, own in interventions.items():
        benchmarks.setdefault(", ".join(own), []).append(benchmark)
    return "; ".join(f"{', '.join(found)} with {own}" for own, found in benchmarks.items())


def remedy(needs: Sequence[Need], manifest: Mapping[str, Any] | None = None) -> str:
    """The command that makes the cells. manifest: of a run whose models to take, rather than the suite's own."""
    benchmarks, interventions = (list(dict.fromkeys(part)) for part in zip(*needs, strict=True))
    wanted = {"benchmarks": benchmarks, "interventions": interventions}
    laboratory = bool(manifest and manifest.get("laboratory"))
    suites = {name: yaml.safe_load(suite_path(name).read_text(encoding="utf-8")) for name in names()}
    able = {name: added for name, parts in suites.items() if (added := _added(parts, wanted)) is not None}
    if not able:
        return "name them in a suite of your own, for none of those that ship does"
    suite = min(able, key=lambda name: (able[name], _of_a_laboratory(suites[name]["ladder"]) != laboratory))
    asked = f"--benchmarks {','.join(benchmarks)} --interventions {','.join(interventions)}"
    return f"cai-eval run --suite {suite} {asked}{_models(manifest) if manifest else ''}"


def _added(suite: Mapping[str, Any], wanted: Mapping[str, Sequence[str]]) -> int | None:
    """How many plug-ins the suite has to be extended by, None where something wanted is none."""
    missing = {part: [name for name in found if name not in suite[part]] for part, found in wanted.items()}
    for part, group in (("benchmarks", "benchmarks"), ("interventions", "trainers")):
        if any(name.partition(":")[0] not in registry.names(group) for name in missing[part]):
            return None
    return sum(map(len, missing.values()))


def _of_a_laboratory(ladder: str) -> bool:
    return load_ladder(ladder).source != "published"


def _models(manifest: Mapping[str, Any]) -> str:
    """The option that takes the same models; those of a laboratory are not named by where their files lie."""
    ladder, labels = manifest.get("ladder", ""), {rung["label"] for rung in manifest["rungs"]}
    if ladder in ladder_names():
        return f" --ladder {ladder}"
    if manifest.get("laboratory"):
        own = (name for name in ladder_names() if _of_a_laboratory(name) and labels <= _labels(name))
        return "".join(f" --ladder {name}" for name in list(own)[:1])
    return f" --models {','.join(rung['model'].partition('@')[0] for rung in manifest['rungs'])}"


def _labels(ladder: str) -> set[str]:
    return {rung.label for rung in load_ladder(ladder).rungs}


def draw(figure: PaperFigure, results: Results, folder: Path) -> list[Path]:
    """Draw a figure into `folder`: PNG, SVG, PDF, and the numbers in it as CSV; the files' paths.

    The results must hold what it needs. Raises UserError where they cannot be drawn after all, and from the disk.
    """
    name, made = f"{figure.paper}-{figure.figure}", figure.draw(results)
    if results.laboratory:
        lettering.stamp(made.figure, results.laboratory)
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
