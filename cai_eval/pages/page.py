"""`report/index.html`: one file that needs nothing else, with figures, tables and all records as files beside it.

    index.html                   everything but most records; opens from a file, in light and dark, and fetches nothing
    figures/NAME.{png,svg,csv}   each figure, and the numbers it was drawn from
    tables/NAME.csv              each table
    shards/                      all records, which the page loads on demand (see `shards`)

Three conventions join them: a point drawn by `style.curve` names its cell and leads to its items; so does a row of a
table with a column `cell`; and the page's filter goes by a table's columns `benchmark` and `intervention` (its title).
"""

from __future__ import annotations

import gc
import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

from cai_eval.contracts import JSON, Figure, Report, Results, Table
from cai_eval.errors import UserError
from cai_eval.pages import headline, html, missing, output, scores, shards, style
from cai_eval.pages.parts import Parts
from cai_eval.pages.text import slug

ITEMS = "Items"
MARK = '<meta name="generator" content="cai-eval">'
Drawn = Sequence[tuple[str, Sequence[Figure | Table]]]  #: report title → what it drew


def build(results: Results, reports: Sequence[Report], provenance: Mapping[str, Any], out: Path) -> Path:
    """Draw the reports and publish the folder `out`; returns its index.html.

    provenance: what made the results. "notes" (sentences), "skipped" and "failed" (mappings: intervention, benchmark,
    reason, and rung where it is one) tell what is missing; the suite's title and description stand at the top.
    The old report is replaced at the very end, by renaming. Raises UserError where `out` is a folder of something else.
    """
    if out.exists() and not _is_report(out):
        raise UserError(f"{str(out)!r} holds something else than a report: choose another folder or move it away.")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as scratch, _collector_paused():
        fresh = Path(scratch) / "new"
        drawn, failed = _draw(results, reports)
        provenance = {**provenance, "notes": [*provenance.get("notes", ()), *failed]}
        sections = _sections(results, drawn, Parts(results, fresh), provenance)
        study = _study(results, shards.publish(results, fresh / "shards"))
        (fresh / "index.html").write_text(_page(results, sections, study, provenance), encoding="utf-8")
        if out.exists():
            os.replace(out, Path(scratch) / "old")
        os.replace(fresh, out)
    return out / "index.html"


def _draw(results: Results, reports: Sequence[Report]) -> tuple[Drawn, list[str]]:
    """What each report drew; and a sentence for each that failed, for the others are still worth a page."""
    drawn, failed = [], []
    for report in reports:
        try:
            drawn.append((report.title, list(report.draw(results))))
        except Exception as error:
            failed.append(f"The report {report.name!r} could not be drawn ({type(error).__name__}: {error}).")
    return drawn, failed


@contextmanager
def _collector_paused() -> Iterator[None]:
    """What is drawn lives until the page is written, so to look for garbage meanwhile would be a sixth of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _is_report(path: Path) -> bool:
    index = path / "index.html"
    return path.is_dir() and (not any(path.iterdir()) or (index.is_file() and MARK in index.read_text("utf-8")))


def _sections(results: Results, drawn: Drawn, parts: Parts, provenance: Mapping[str, Any]) -> dict[str, str]:
    """Heading → content; a report that has nothing to draw has no section."""
    sections = {"What it bought and what it cost": headline.headline(results)}
    for name, made in drawn:
        figures = "".join(parts.figure(part) for part in made if isinstance(part, Figure))
        tables = "".join(parts.table(part) for part in made if isinstance(part, Table))
        if made:
            sections[name] = f'<div class="figures">{figures}</div>{tables}'
    sections[ITEMS] = _asset("items.html")
    sections[missing.TITLE] = missing.missing(results, missing.said(provenance))
    rest = {key: value for key, value in provenance.items() if key not in missing.KEYS}
    sections["Provenance"] = html.outline(rest)
    return sections


def _study(results: Results, known: Mapping[str, JSON]) -> dict[str, JSON]:
    """What the page's program knows of the study. known: cell → what `shards.publish` says of it."""
    cells = results.cells
    seeded = cells["seed"].nunique() > 1 if len(cells) else False
    return {
        "base": scores.base_intervention(results),
        "benchmarks": {name: scores.primary(metrics).label for name, metrics in results.metrics.items()},
        "interventions": dict(results.interventions),
        "size": shards.SIZE,
        "cells": {
            str(cell): {
                "model": row["rung"],
                "intervention": row["intervention"],
                "benchmark": row["benchmark"],
                "label": row["label"],
                "seed": f"seed {row['seed']}" if seeded else "",
                **known[str(cell)],
            }
            for cell, row in cells.iterrows()
        },
    }


def _page(
    results: Results, sections: Mapping[str, str], study: Mapping[str, JSON], provenance: Mapping[str, Any]
) -> str:
    suite = provenance.get("suite", {})
    return Template(_asset("page.html")).substitute(
        mark=MARK,
        title=html.text(suite.get("title") or "What alignment bought, and what it cost"),
        style=f"{output.font_face()}{_colours()}{_asset('page.css')}",
        summary=f"<p>{html.text(suite.get('description', ''))}</p>{headline.extent(results)}"
        f"{missing.pointer(missing.said(provenance))}{headline.trainings(results)}{headline.laboratory(results)}",
        links="".join(f'<a href="#section-{slug(name)}">{html.text(name)}</a>' for name in sections),
        body="".join(
            f'<section id="section-{slug(name)}"><h2>{html.text(name)}</h2>{content}</section>'
            for name, content in sections.items()
        ),
        study=json.dumps(study).replace("<", r"\u003c"),
        program=_asset("record.js") + _asset("page.js"),
    )


def _asset(name: str) -> str:
    return resources.files("cai_eval.pages").joinpath(name).read_text("utf-8")


def _colours() -> str:
    light = ";".join(f"--{role}:{pair[0]}" for role, pair in style.ROLES.items())
    dark = ";".join(f"--{role}:{pair[1]}" for role, pair in style.ROLES.items())
    return f":root{{{light}}}@media(prefers-color-scheme:dark){{:root{{{dark}}}}}"
