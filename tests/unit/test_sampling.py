"""Drawing tokens: the exact distribution, nucleus, near ties, streams."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from cai_eval.inference.sampling import BLOCK, LIKELY, draw, invert, nucleus, uniforms

DRAWS = 20_000


def reference(logits: torch.Tensor, temperature: float, top_p: float) -> np.ndarray:
    """Softmax at the temperature, cut to the smallest set of most probable tokens that reaches top_p."""
    p = (logits.double() / temperature).softmax(-1).numpy()
    order = np.argsort(-p)
    before = np.cumsum(p[order]) - p[order]
    p[order[before >= top_p]] = 0
    return p / p.sum()


@pytest.mark.parametrize("temperature", [0.5, 1.0, 1.7])
@pytest.mark.parametrize("top_p", [1.0, 0.9, 0.5, 0.01])
def test_draws_follow_the_distribution(temperature: float, top_p: float) -> None:
    logits = torch.randn(12, generator=torch.Generator().manual_seed(3))
    expected = reference(logits, temperature, top_p)
    drawn = draw(logits.expand(DRAWS, -1), temperature, top_p, torch.from_numpy(uniforms(0, "test", 0, DRAWS)))
    counts = np.bincount(drawn.tokens.numpy(), minlength=12)
    inside = expected > 0
    assert counts[~inside].sum() == 0
    if inside.sum() > 1:
        assert chisquare(counts[inside], expected[inside] * DRAWS).pvalue > 1e-4
    assert drawn.near_ties.double().mean() < 20 * 12e-5


def test_log_probabilities_are_of_the_untempered_model() -> None:
    logits = torch.randn(5, 40)
    drawn = draw(logits, 0.3, 0.8, torch.rand(5, dtype=torch.float64))
    expected = logits.log_softmax(-1).gather(1, drawn.tokens[:, None])[:, 0]
    assert drawn.logprobs.tolist() == pytest.approx(expected.tolist(), abs=1e-5)


def test_temperature_0_is_the_most_probable_token() -> None:
    logits = torch.randn(9, 700)
    assert draw(logits, 0, 1.0, torch.zeros(9, dtype=torch.float64)).tokens.tolist() == logits.argmax(-1).tolist()


@settings(deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 3 * BLOCK), st.floats(0, 1, exclude_max=True))
def test_inversion_is_the_definition(seed: int, vocabulary: int, number: float) -> None:
    weights = torch.rand(1, vocabulary, generator=torch.Generator().manual_seed(seed))
    weights[torch.rand(1, vocabulary, generator=torch.Generator().manual_seed(seed + 1)) < 0.5] = 0
    weights[0, seed % vocabulary] = 1
    (token,), (near,) = invert(weights, torch.tensor([number], dtype=torch.float64), torch.tensor([1e-5]))
    cumulative = np.cumsum(weights[0].double().numpy())
    point = number * cumulative[-1]
    assert weights[0, token] > 0
    expected = int(np.searchsorted(cumulative, point, side="right"))
    assert near or token == expected
    inner = cumulative[(cumulative > 0) & (cumulative < cumulative[-1])]
    distances = np.abs(inner - point) / cumulative[-1]
    assert bool(near) == bool((distances < 1e-5).any()) or np.isclose(distances, 1e-5, rtol=1e-3).any()


def test_the_nucleus_is_found_in_a_large_flat_vocabulary() -> None:
    weights = 1 + torch.rand(4, 2 * LIKELY[-1])
    weights[1, LIKELY[0] :] = 0
    weights[2, LIKELY[-1] :] = 0
    edge, _ = nucleus(weights, 0.9)
    for row, least in zip(weights, edge, strict=True):
        inside = row[row >= least]
        assert inside.sum() >= 0.9 * row.sum() * (1 - 1e-6)
        assert inside.sum() - least < 0.9 * row.sum() * (1 + 1e-6)


@pytest.mark.parametrize(("number", "near"), [(0.25 - 4e-6, True), (0.25 + 4e-6, True), (0.26, False), (1e-7, False)])
def test_near_ties_are_told(number: float, near: bool) -> None:
    logits = torch.tensor([[0.25, 0.75]]).log()
    drawn = draw(logits, 1.0, 1.0, torch.tensor([number], dtype=torch.float64))
    assert drawn.tokens.item() == int(number > 0.25)
    assert drawn.near_ties.item() is near


def test_a_nucleus_in_doubt_is_a_near_tie_where_it_decides() -> None:
    logits = torch.tensor([[0.9, 0.07, 0.02, 0.01]]).log()
    for top_p, number, near in [
        (0.97 + 1e-6, 0.92, True),  # the first two alone: the first; with the third: the second
        (0.97 - 1e-6, 0.92, True),
        (0.97 + 1e-6, 0.3, False),  # the first either way
        (0.95, 0.92, False),
    ]:
        assert draw(logits, 1.0, top_p, torch.tensor([number], dtype=torch.float64)).near_ties.item() is near


def test_nan_is_drawn_as_some_token_with_nan() -> None:
    drawn = draw(torch.full((1, 300), torch.nan), 1.0, 0.9, torch.tensor([0.5], dtype=torch.float64))
    assert 0 <= drawn.tokens.item() < 300
    assert drawn.logprobs.isnan().all()


def test_streams_depend_on_seed_key_and_sample_alone() -> None:
    streams = [uniforms(seed, key, n, 8).tolist() for seed in (0, 1) for key in ("a", "b") for n in (0, 1)]
    assert len({tuple(stream) for stream in streams}) == len(streams)
    assert uniforms(0, "a", 0, 8).tolist() == uniforms(0, "a", 0, 20).tolist()[:8]
