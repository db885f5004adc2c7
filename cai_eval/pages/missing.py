"""What a reader does not see on the page: what was shortened, left out or failed, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from cai_eval.contracts import Results, Table
from cai_eval.pages import html
from cai_eval.pages.text import slug

TITLE = "What is missing"
KEYS = ("notes", "skipped", "failed")  #: of provenance


def said(provenance: Mapping[str, Any]) -> list[str]:
    """One sentence for each note, skipped curve and failed cell."""
    lines = [str(note) for note in provenance.get("notes", ())]
    for kind, verb in (("skipped", "left out"), ("failed", "failed")):
        for entry in provenance.get(kind, ()):
            where = ", ".join(str(entry[key]) for key in ("rung", "intervention", "benchmark") if entry.get(key))
            lines.append(f"{where} {verb}: {entry.get('reason', 'no reason was recorded')}.")
    return lines


def link(words: str) -> str:
    """Words that lead to the section."""
    return f'<a href="#section-{slug(TITLE)}">{html.text(words)}</a>'


def pointer(told: Sequence[str]) -> str:
    """A line for the top of the page."""
    if not told:
        return ""
    notes = "note" if len(told) == 1 else "notes"
    return f"<p>Read first: {link(f'{len(told)} {notes} on what was shortened, left out or failed')}.</p>"


def missing(results: Results, told: Sequence[str]) -> str:
    """The section: what `said` gave, and the items without a score."""
    errors = _errors(results)
    if not told and errors.empty:
        return "<p>Nothing: every planned cell ran and every item has a score.</p>"
    if errors.empty:
        return html.bullets(told)
    summary = f"{errors['errors'].sum():,} items without a score, in {len(errors)} cells"
    table = html.table(Table("errors", "", "", errors))
    return html.bullets(told) + html.folded(summary, table, len(errors) < html.FOLDED_FROM)


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
                    "intervention": results.interventions.get(row["intervention"], row["intervention"]),
                    "errors": row["errors"],
                    "items": row["items"],
                    "why": "; ".join(f"{reason} ({count})" for reason, count in reasons),
                }
            )
    return pd.DataFrame(rows)
