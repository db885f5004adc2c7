"""A report's figures and tables: as files, and as pieces of the page."""

from __future__ import annotations

from pathlib import Path

from cai_eval.contracts import Figure, Results, Table
from cai_eval.pages import html, lettering, output, style
from cai_eval.pages.text import slug


class Parts:
    """Writes each part under `folder` and gives the HTML that shows it."""

    def __init__(self, results: Results, folder: Path) -> None:
        names = results.interventions
        self.laboratory = results.laboratory
        self.words = {
            str(cell): f"{row['rung']}, {names.get(row['intervention'], row['intervention'])}, {row['benchmark']}"
            for cell, row in results.cells.iterrows()
        }
        self.figures, self.tables = folder / "figures", folder / "tables"
        self.figures.mkdir(parents=True)
        self.tables.mkdir()

    def figure(self, part: Figure) -> str:
        """The drawing with its caption and its files; where the models come from a laboratory, it says so."""
        if self.laboratory:
            lettering.stamp(part.figure, self.laboratory)
        name, vector = slug(part.name), output.svg(part.figure)
        files = {
            "png": output.png(part.figure),
            "svg": output.standalone(vector).encode(),
            "csv": part.data.to_csv(index=False).encode("utf-8", "replace"),
        }
        for kind, content in files.items():
            (self.figures / f"{name}.{kind}").write_bytes(content)
        links = " · ".join(f'<a href="figures/{name}.{kind}">{kind.upper()}</a>' for kind in files)
        shape = "column" if part.figure.get_figwidth() <= style.COLUMN else "page"
        return (
            f'<figure class="{shape}" id="figure-{name}"><div class="scroll">'
            f"{html.drawing(vector, part, self.words)}</div>"
            f"<figcaption><b>{html.text(part.title)}.</b> {html.text(part.caption)} "
            f'<span class="files">{links}</span></figcaption></figure>'
        )

    def table(self, part: Table) -> str:
        """The table, folded where it is long."""
        name = slug(part.name)
        part.frame.to_csv(self.tables / f"{name}.csv", index=False, errors="replace")
        note = f'<p class="note">{html.text(part.caption)} <a href="tables/{name}.csv">CSV</a></p>'
        content = note + html.table(part)
        if len(part.frame) >= html.FOLDED_FROM:
            content = html.folded(f"{part.title} ({len(part.frame)} rows)", content)
        else:
            content = f"<h3>{html.text(part.title)}</h3>{content}"
        return f'<div class="part">{content}</div>'
