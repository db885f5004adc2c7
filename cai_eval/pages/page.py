"""`report/index.html`: one file that needs nothing else, with the same figures and tables as files beside it.

    index.html            everything; opens from a file, in light and dark, and fetches nothing
    figures/NAME.{png,svg,csv}   each figure, and the numbers it was drawn from
    tables/NAME.csv       each table

Two conventions join figures and tables: a point drawn by `style.curve` names its cell, and a table with a column `cell`
is folded into one part a cell, to which the cell's points lead.
"""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import pandas as pd

from cai_eval.contracts import Figure, Report, Results, Table
from cai_eval.errors import UserError
from cai_eval.pages import headline, html, style
from cai_eval.pages.text import slug

MARK = '<meta name="generator" content="cai-eval">'


def build(results: Results, reports: Sequence[Report], provenance: Mapping[str, Any], out: Path) -> Path:
    """Draw the reports and publish the folder `out`; returns its index.html.

    provenance: what made the results. "notes" (sentences), "skipped" and "failed" (mappings: intervention, benchmark,
    reason, and rung where it is one) tell what is missing; the suite's title and description stand at the top.
    The old report is replaced at the very end, by renaming. Raises UserError where `out` is a folder of something else.
    """
    if out.exists() and not _is_report(out):
        raise UserError(f"{str(out)!r} holds something else than a report: choose another folder or move it away.")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as scratch:
        fresh = Path(scratch) / "new"
        (fresh / "figures").mkdir(parents=True)
        (fresh / "tables").mkdir()
        drawn = [(report.title, list(report.draw(results))) for report in reports]
        (fresh / "index.html").write_text(_page(results, drawn, provenance, fresh), encoding="utf-8")
        if out.exists():
            os.replace(out, Path(scratch) / "old")
        os.replace(fresh, out)
    return out / "index.html"


def _is_report(path: Path) -> bool:
    index = path / "index.html"
    return path.is_dir() and (not any(path.iterdir()) or (index.is_file() and MARK in index.read_text("utf-8")))


Drawn = list[tuple[str, list[Figure | Table]]]  #: report title → what it drew


def _page(results: Results, drawn: Drawn, provenance: Mapping[str, Any], folder: Path) -> str:
    names = results.interventions
    words = {
        str(cell): f"{row['rung']}, {names.get(row['intervention'], row['intervention'])}, {row['benchmark']}"
        for cell, row in results.cells.iterrows()
    }
    anchors = {f"items-{cell}" for _, parts in drawn for part in parts for cell in _cells(part)}
    sections = [("What it bought and what it cost", headline.headline(results))]
    for title, parts in drawn:
        figures = "".join(
            _figure(part, words, anchors, results.laboratory, folder) for part in parts if isinstance(part, Figure)
        )
        tables = "".join(_table(part, words, folder) for part in parts if isinstance(part, Table))
        sections.append((title, f'<div class="figures">{figures}</div>{tables}'))
    sections.append(("What is missing", _missing(results, provenance)))
    rest = {key: value for key, value in provenance.items() if key not in SHOWN_ELSEWHERE}
    sections.append(("Provenance", html.definitions(rest)))
    suite = provenance.get("suite", {})
    title = suite.get("title") or "What alignment bought, and what it cost"
    about = suite.get("description", "")
    navigation = "".join(f'<a href="#section-{i}">{html.text(name)}</a>' for i, (name, _) in enumerate(sections))
    body = "".join(
        f'<section id="section-{i}"><h2>{html.text(name)}</h2>{content}</section>'
        for i, (name, content) in enumerate(sections)
    )
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">{MARK}'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{html.text(title)}</title><style>{style.font_face()}{_colours()}{_asset('page.css')}</style></head>"
        f"<body><h1>{html.text(title)}</h1><p>{html.text(about)}</p>{_extent(results)}{_banner(results)}"
        f"<nav>{navigation}</nav>{body}"
        f"<script>{_asset('page.js')}</script></body></html>"
    )


SHOWN_ELSEWHERE = ("notes", "skipped", "failed")


def _asset(name: str) -> str:
    return resources.files("cai_eval.pages").joinpath(name).read_text("utf-8")


def _colours() -> str:
    light = ";".join(f"--{role}:{pair[0]}" for role, pair in style.ROLES.items())
    dark = ";".join(f"--{role}:{pair[1]}" for role, pair in style.ROLES.items())
    return f":root{{{light}}}@media(prefers-color-scheme:dark){{:root{{{dark}}}}}"


def _extent(results: Results) -> str:
    """How much was measured, in one line."""
    cells = results.cells
    if cells.empty:
        return "<p>Nothing was measured.</p>"
    sizes = sorted(cells["parameters"].unique())
    span = " to ".join(dict.fromkeys((style.size_label(sizes[0]), style.size_label(sizes[-1]))))
    parts = [
        f"{_count(cells['model'].nunique(), 'model')} ({span} non-embedding parameters)",
        _count(cells["intervention"].nunique(), "intervention"),
        _count(cells["benchmark"].nunique(), "benchmark"),
        _count(int(cells["items"].sum()), "record"),
    ]
    return f'<p class="quiet">{", ".join(parts)}.</p>'


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _banner(results: Results) -> str:
    if not results.laboratory:
        return ""
    return (
        f'<p class="banner">These models come from the laboratory <b>{html.text(results.laboratory)}</b>: a small '
        "made-up world in which the truth is planted. The page tests the method and says nothing of other models.</p>"
    )


def _cells(part: Figure | Table) -> Iterable[str]:
    return part.frame["cell"].unique() if isinstance(part, Table) and "cell" in part.frame else ()


def _figure(part: Figure, words: Mapping[str, str], anchors: Container[str], laboratory: str, folder: Path) -> str:
    if laboratory:
        style.stamp(part.figure, f"laboratory {laboratory}")
    name, vector = slug(part.name), style.svg(part.figure)
    files = {
        "png": style.png(part.figure),
        "svg": style.standalone(vector).encode(),
        "csv": part.data.to_csv(index=False).encode("utf-8", "replace"),
    }
    for kind, content in files.items():
        (folder / "figures" / f"{name}.{kind}").write_bytes(content)
    links = " · ".join(f'<a href="figures/{name}.{kind}">{kind.upper()}</a>' for kind in files)
    shape = "column" if part.figure.get_figwidth() <= style.COLUMN else "page"
    return (
        f'<figure class="{shape}" id="figure-{name}"><div class="scroll">'
        f"{html.drawing(vector, part, words, anchors)}</div>"
        f"<figcaption><b>{html.text(part.title)}.</b> {html.text(part.caption)} "
        f'<span class="files">{links}</span></figcaption></figure>'
    )


def _table(part: Table, words: Mapping[str, str], folder: Path) -> str:
    part.frame.to_csv(folder / "tables" / f"{slug(part.name)}.csv", index=False, errors="replace")
    link = f'<p class="quiet">{html.text(part.caption)} <a href="tables/{slug(part.name)}.csv">CSV</a></p>'
    if "cell" in part.frame:
        groups = part.frame.groupby("cell", sort=False)
        inner = "".join(
            html.folded(
                f"{words.get(cell, cell)} ({len(rows)})", html.table(replace(part, frame=rows)), f"items-{cell}"
            )
            for cell, rows in groups
        )
        return html.folded(part.title, link + inner)
    if len(part.frame) >= html.FOLDED_FROM:
        return html.folded(f"{part.title} ({len(part.frame)} rows)", link + html.table(part))
    return f"<h3>{html.text(part.title)}</h3>{link}{html.table(part)}"


def _missing(results: Results, provenance: Mapping[str, Any]) -> str:
    """Notes on prefixes and items, skipped curves, failed cells, and items without a score."""
    lines = [*provenance.get("notes", ())]
    for kind in ("skipped", "failed"):
        for entry in provenance.get(kind, ()):
            where = ", ".join(str(entry[key]) for key in ("rung", "intervention", "benchmark") if entry.get(key))
            lines.append(f"{kind}: {where}: {entry.get('reason', 'no reason was recorded')}")
    errors = _errors(results)
    if not lines and errors.empty:
        return "<p>Nothing: every planned cell ran and every item has a score.</p>"
    if errors.empty:
        return html.bullets(lines)
    summary = f"{errors['errors'].sum():,} items without a score, in {len(errors)} cells"
    table = html.table(Table("errors", "", "", errors))
    return html.bullets(lines) + html.folded(summary, table, is_open=len(errors) < html.FOLDED_FROM)


def _errors(results: Results) -> pd.DataFrame:
    """The cells with items that have no score, and the commonest reasons."""
    rows = []
    for cell, row in results.cells.iterrows():
        if row["errors"]:
            reasons = Counter(record.error for record in results.details(str(cell)) if record.error).most_common(3)
            rows.append(
                {
                    "benchmark": row["benchmark"],
                    "model": row["rung"],
                    "intervention": results.interventions[row["intervention"]],
                    "errors": row["errors"],
                    "items": row["items"],
                    "why": "; ".join(f"{reason} ({count})" for reason, count in reasons),
                }
            )
    return pd.DataFrame(rows)
