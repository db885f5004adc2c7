"""Finished figures as files: PNG, SVG whose text stays text, and PDF."""

from __future__ import annotations

from functools import cache
from io import BytesIO
from typing import TYPE_CHECKING

from cai_eval.pages.style import FONT, colour, house

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIGNS = "■⟨⟩−←→↑↓≤≥≈≠∞Δσ√"  #: beyond Latin letters and punctuation, what figures write


def svg(figure: Figure) -> str:
    """The figure as SVG on no ground, its text kept as text."""
    buffer = BytesIO()
    with house():
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return buffer.getvalue().decode()


def standalone(text: str) -> str:
    """An SVG that carries its font and a white ground, to be opened or printed alone."""
    ground = f'<rect width="100%" height="100%" fill="{colour("paper")}"/>'
    return text.replace("<defs>", f"<defs>\n  <style>{font_face()}</style>", 1).replace(
        "</defs>", f"</defs>\n {ground}", 1
    )


def png(figure: Figure) -> bytes:
    """The figure as PNG on white, 200 dots an inch."""
    buffer = BytesIO()
    with house():
        figure.savefig(buffer, format="png", facecolor=colour("paper"))
    return buffer.getvalue()


def pdf(figure: Figure) -> bytes:
    """The figure as PDF with its font embedded, the same bytes every time."""
    buffer = BytesIO()
    with house():
        figure.savefig(buffer, format="pdf", metadata={"CreationDate": None, "Producer": None, "Creator": None})
    return buffer.getvalue()


@cache
def font_face() -> str:
    """A CSS rule that carries the Latin part of the figures' font, so that a reader needs no font of ours."""
    import base64

    from fontTools import subset
    from fontTools.ttLib import TTFont
    from matplotlib.font_manager import FontProperties, findfont

    rules = []
    for weight in ("normal", "bold"):
        options = subset.Options(hinting=False, layout_features=["kern"], drop_tables=["FFTM"])
        font = TTFont(findfont(FontProperties(family=FONT, weight=weight)), lazy=True)
        cutter = subset.Subsetter(options)
        cutter.populate(unicodes=[*range(0x20, 0x7F), *range(0xA0, 0x180), *range(0x2010, 0x2027), *map(ord, SIGNS)])
        cutter.subset(font)
        font.flavor = "woff"
        buffer = BytesIO()
        font.save(buffer)
        data = base64.b64encode(buffer.getvalue()).decode()
        rules.append(
            f"@font-face{{font-family:'{FONT}';font-weight:{weight};"
            f"src:url(data:font/woff;base64,{data}) format('woff')}}"
        )
    return "".join(rules)
