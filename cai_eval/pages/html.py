"""Text, tables and drawings as HTML that cannot break out of its place.

Everything that a model or a user wrote goes through `text`.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping
from html import escape
from typing import TYPE_CHECKING, Any

from cai_eval.pages import style
from cai_eval.pages.text import slug, visible

if TYPE_CHECKING:
    import pandas as pd

    from cai_eval.contracts import Figure, Table

FOLDED_FROM = 24  #: tables with more rows start folded
OPEN_TO = 1_200  #: characters of an outline's part that stands open


def text(value: object) -> str:
    """Escaped for element content and quoted attributes; control, direction and surrogate characters made visible."""
    return escape(visible(value), quote=True)


def number(value: Any, form: str = "") -> str:
    """A table's number: true minus signs, a dash where there is none."""
    if value is None or value != value:
        return "–"
    if form:
        shown = form.format(value).removesuffix(".")
    elif isinstance(value, float):
        shown = f"{value:.3g}"
    else:
        shown = f"{value:,}"
    return text(shown).replace("-", "−")


def table(content: Table) -> str:
    """The rows of a table; numbers stand right, short texts on one line. A column `cell` is not shown."""
    frame = content.frame.drop(columns="cell", errors="ignore")
    marks = [_mark(frame[column]) for column in frame]
    head = "".join(f'<th scope="col"{mark}>{text(column)}</th>' for column, mark in zip(frame, marks, strict=True))
    body = "".join(
        "<tr>"
        + "".join(
            f"<td{mark}>{number(value, content.formats.get(column, '')) if mark == NUMBER else _words(value)}</td>"
            for column, mark, value in zip(frame.columns, marks, row, strict=True)
        )
        + "</tr>"
        for row in frame.itertuples(index=False, name=None)
    )
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


NUMBER, SHORT, LONG = ' class="number"', ' class="short"', ' dir="auto"'


def _mark(column: pd.Series[Any]) -> str:
    if column.dtype.kind in "iuf":
        return NUMBER
    return SHORT if column.map(lambda value: len(_words(value))).max() <= 36 else LONG


def _words(value: Any) -> str:
    return "" if value is None or value != value else text(value)


def folded(summary: str, content: str, anchor: str = "", is_open: bool = False) -> str:
    """Content behind its summary line. anchor: an id that a link can lead to; the page then opens it."""
    mark = f'<span id="{text(anchor)}"></span>' if anchor else ""
    return f"<details{' open' if is_open else ''}><summary>{text(summary)}</summary>{mark}{content}</details>"


def definitions(values: Mapping[str, Any]) -> str:
    """Names and values, nested ones as lists of their own."""
    return "<dl>" + "".join(f"<dt>{text(k)}</dt><dd>{_definition(v)}</dd>" for k, v in values.items()) + "</dl>"


def _definition(value: Any) -> str:
    if isinstance(value, Mapping):
        return definitions(value) if value else "–"
    if isinstance(value, (list, tuple)):
        return bullets(value) if value else "–"
    return text("–" if value is None or value == "" else value)


def outline(values: Mapping[str, Any]) -> str:
    """Names and values; what has parts is folded, if it is long."""
    plain = {name: value for name, value in values.items() if not isinstance(value, (Mapping, list, tuple))}
    shown = [definitions(plain)] if plain else []
    for name, value in values.items():
        if name not in plain:
            content = _definition(value)
            shown.append(folded(name, content, is_open=len(content) < OPEN_TO))
    return "".join(shown)


def bullets(values: Iterable[Any]) -> str:
    """A list."""
    return "<ul>" + "".join(f"<li>{_definition(value)}</li>" for value in values) + "</ul>"


def drawing(svg: str, figure: Figure, cells: Mapping[str, str], anchors: Container[str]) -> str:
    """A figure's SVG as part of the page.

    Colours become roles that dark mode can change, ids are made the figure's own, and each point that stands for a cell
    says which (`cells`: hash → words) and leads to its items where the page has them (`anchors`).
    """

    def point(found: re.Match[str]) -> str:
        cell = found[1]
        target = f' href="#items-{cell}"' if f"items-{cell}" in anchors else ""
        return f"<a{target}><title>{text(cells.get(cell, ''))}</title>"

    name = slug(figure.name)
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.S)
    svg = svg[svg.index(">") + 1 :].replace("xlink:href", "href").replace(' target="_blank"', "")
    svg = re.sub(r' id="([^"]+)"', rf' id="{name}-\1"', svg)
    svg = re.sub(r'(href="#|url\(#)(?!items-)', rf"\1{name}-", svg)
    svg = re.sub(r'<a href="#items-([^"]+)">', point, svg)
    for role, (light, _) in style.ROLES.items():
        svg = svg.replace(light, f"var(--{role})")
    width, height = figure.figure.get_size_inches()
    size = f'viewBox="0 0 {width * style.POINTS:g} {height * style.POINTS:g}" style="--inches:{width:g}"'
    return f'<svg role="img" aria-label="{text(figure.title)}" {size}>{svg}'
