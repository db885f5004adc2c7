"""Curves against size: what is written beside them."""

import pandas as pd
import pytest

from cai_eval.pages import charts, style

TITLES = {"none": "no intervention", "prompt": "HHH prompt", "format": "dialogue format"}


@pytest.mark.parametrize(("ideals", "written"), [((1.0, 1.0, 1.0), 1), ((0.5, 1.0, 0.5), 2), ((0.5, 1.0, 0.7), 3)])
def test_each_different_ideal_is_named_once(ideals, written):
    frame = pd.DataFrame(
        [
            {"intervention": name, "parameters": size, "cell": f"{name}{size}", "value": 0.5, "low": 0.4, "high": 0.6}
            | {"ideal": ideal}
            for name, ideal in zip(TITLES, ideals, strict=True)
            for size in (1e5, 1e6)
        ]
    )
    with style.house():
        figure, (axes,) = style.panels(3.3, 1, 1)
        charts.against_size(axes, frame, TITLES)
    texts = [text.get_text() for text in figure.findobj(lambda each: hasattr(each, "get_text"))]
    assert texts.count(charts.IDEAL) == written
    assert all(title in texts for title in TITLES.values())
