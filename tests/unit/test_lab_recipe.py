"""The recipe: shapes that are called what they are, and a plan that reads every token once."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import Qwen3Config

from cai_eval.errors import UserError
from cai_eval.lab.recipe import Stage, load_recipe, name_of
from cai_eval.models.parameters import non_embedding

SHIPPED = load_recipe()
SMALLEST = dict(list(SHIPPED.rungs.items())[:1])

stages = st.lists(st.tuples(st.integers(1, 9), st.integers(2, 64), st.integers(1, 8)), min_size=1, max_size=4)


def size(name: str) -> float:
    return float(name[:-1]) * {"k": 1e3, "M": 1e6}[name[-1]]


def test_rungs_are_called_by_their_size() -> None:
    sizes = [non_embedding(Qwen3Config(**shape.config())) for shape in SHIPPED.rungs.values()]
    assert sizes == sorted(sizes)
    assert [size(name) for name in SHIPPED.rungs] == pytest.approx(sizes, rel=0.02)
    assert sizes[-1] >= max(2.5e6, 100 * sizes[0])
    assert [shape.seeds for shape in SHIPPED.rungs.values()] == [3, 3, 3, 3, 1]


@given(stages, st.integers(1000, 20_000))
def test_every_token_is_read_once_and_in_order(parts: list[tuple[int, int, int]], tokens: int) -> None:
    whole = sum(share for share, _, _ in parts)
    try:
        recipe = replace(
            SHIPPED, tokens=tokens, stages=tuple(Stage(share / whole, window, rows) for share, window, rows in parts)
        )
    except ValueError:  # too few tokens for a step of every stage
        return
    spans = recipe.spans
    assert spans[0].start == 0
    assert all(after.start == before.stop - 1 for before, after in pairwise(spans))
    steps = [row * window for _, window, row in parts]
    assert abs(spans[-1].stop - 1 - tokens) <= sum(steps) / 2 + 1
    assert {(span.window, span.rows) for span in spans} == {(window, rows) for _, window, rows in parts}


def test_the_optimiser_of_a_rung() -> None:
    optimisation = load_recipe(tokens=1_000_000).optimiser("98k")
    assert optimisation.steps == len(load_recipe(tokens=1_000_000).spans)
    assert optimisation.rate == SHIPPED.rungs["98k"].rate
    assert 0 < optimisation.warmup < optimisation.steps / 10


def test_its_digest_stands_for_all_of_it() -> None:
    others = [
        replace(SHIPPED, tokens=SHIPPED.tokens + 1),
        replace(SHIPPED, version=99),
        replace(SHIPPED, rungs=SMALLEST),
    ]
    assert len({recipe.digest for recipe in (SHIPPED, *others)}) == 4
    assert load_recipe().digest == SHIPPED.digest


GOOD = """
version: 1
tokens: 20_000
stages:
  - {share: 0.75, window: 256, rows: 2}
  - {share: 0.25, window: 2048, rows: 1}
optimisation:
  {optimizer: adamw, warmup: 0.1, decay: linear, final: 0, betas: [0.9, 0.98], weight_decay: 0, clip: 1,
   precision: fp32}
rungs:
  1k: {hidden: 12, layers: 1, heads: 6, inner: 16, rate: 0.1}
"""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("share: 0.75", "share: 0.90", "sum to 1"),
        ("20_000", "10", "tokens for a step of every stage"),
        ("window: 2048", "window: 4096", "2 to 2048 tokens"),
        ("heads: 6", "heads: 5", "even number of dimensions"),
        ("clip:", "clips:", "did you mean 'clip'"),
    ],
)
def test_a_wrong_recipe_is_refused(tmp_path: Path, old: str, new: str, said: str) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(GOOD, "utf-8")
    assert load_recipe(path).rungs["1k"].seeds == 1
    path.write_text(GOOD.replace(old, new), "utf-8")
    with pytest.raises(UserError, match=f"recipe.yaml:.*{said}"):
        load_recipe(path)


def test_unknown_rungs_and_too_few_tokens_are_refused() -> None:
    with pytest.raises(UserError, match="did you mean '330k'"):
        SHIPPED.shape("300k")
    with pytest.raises(UserError, match="5 tokens are too few"):
        load_recipe(tokens=5)


def test_names() -> None:
    assert (name_of("98k", 0), name_of("98k", 2)) == ("98k", "98k-seed2")
