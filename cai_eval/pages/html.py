"""Text, tables and drawings as HTML that cannot break out of its place.

Everything that a model or a user wrote goes through `text`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from html import escape
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

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
    if not re.search("[1-9]|inf", shown):
        shown = shown.lstrip("+-")  # nothing has no sign
    return text(shown).replace("-", "−")


def table(content: Table) -> str:
    """The rows of a table that the page sorts and filters; numbers stand right, short texts on one line.

    Of a column `cell` each row shows a link to that cell's items.
    """
    frame = content.frame
    marks = [NUMBER if column == LINKED else _mark(frame[column]) for column in frame]
    head = "".join(
        f'<th scope="col"{mark}>{text("items" if column == LINKED else column)}</th>'
        for column, mark in zip(frame, marks, strict=True)
    )
    rows = (zip(frame, marks, row, strict=True) for row in frame.itertuples(index=False, name=None))
    body = "".join(f"<tr>{''.join(_entry(content, *entry) for entry in row)}</tr>" for row in rows)
    return (
        f'<div class="scroll"><table class="sorted"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def _entry(content: Table, column: str, mark: str, value: Any) -> str:
    if column == LINKED:
        return f'<td{mark}><a href="{text(style.link(value))}">show</a></td>'
    if mark == NUMBER:
        key = "" if value is None or value != value else value
        return f'<td{mark} data-value="{key}">{number(value, content.formats.get(column, ""))}</td>'
    return f"<td{mark}>{_words(value)}</td>"


LINKED = "cell"
NUMBER, SHORT, LONG = ' class="number"', ' class="short"', ' dir="auto"'


def _mark(column: pd.Series[Any]) -> str:
    if column.dtype.kind in "iuf":
        return NUMBER
    return SHORT if column.map(lambda value: len(_words(value))).max() <= 36 else LONG


def _words(value: Any) -> str:
    return "" if value is None or value != value else text(value)


def folded(summary: str, content: str, is_open: bool = False, **data: str) -> str:
    """Content behind its summary line. data: what the page's filter goes by, as in `filtered`."""
    return f"<details{' open' * is_open}{filtered(**data)}><summary>{text(summary)}</summary>{content}</details>"


def filtered(**data: str) -> str:
    """Attributes by which the page's filter hides an element: benchmark=NAME, intervention=NAME."""
    return "".join(f' data-{name}="{text(value)}"' for name, value in data.items())


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


def drawing(svg: str, figure: Figure, cells: Mapping[str, str]) -> str:
    """A figure's SVG as part of the page.

    Colours become roles that dark mode can change, ids are made the figure's own, each curve bears the name of its
    intervention, and each point that stands for a cell says which (`cells`: hash → words) and leads to its items.
    """

    def point(found: re.Match[str]) -> str:
        said = text(cells.get(found[1], ""))
        return f'{found[0][:-1]} aria-label="{said}: items"><title>{said}</title>'

    name = slug(figure.name)
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.S)
    svg = svg[svg.index(">") + 1 :].replace("xlink:href", "href").replace(' target="_blank"', "")
    svg = re.sub(f' id="{style.CURVE}([^"]*)"', lambda found: f' data-curve="{text(unquote(found[1]))}"', svg)
    svg = re.sub(r' id="([^"]+)"', rf' id="{name}-\1"', svg)
    svg = re.sub(r'(href="#|url\(#)(?!cell=)', rf"\1{name}-", svg)
    svg = re.sub(f'<a href="{style.link("")}([^"]+)">', point, svg)
    for role, (light, _) in style.ROLES.items():
        svg = svg.replace(light, f"var(--{role})")
    width, height = figure.figure.get_size_inches()
    size = f'viewBox="0 0 {width * style.POINTS:g} {height * style.POINTS:g}" style="--inches:{width:g}"'
    return f'<svg role="img" aria-label="{text(figure.title)}" {size}>{svg}'
