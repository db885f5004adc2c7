"""Attention with its log-sum-exp, the merge, and the model's attention behind a stack of segments."""

import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

from cai_eval.inference import kernels
from cai_eval.inference.attention import NAME, SegmentStack, Unsupported, attending
from cai_eval.inference.logprobs import Engine

transformers.logging.set_verbosity_error()


def reference(q, k, v, scale, bias=None):
    scores = q.double() @ k.double().transpose(-1, -2) * scale + (0 if bias is None else bias.double())
    return scores.softmax(-1) @ v.double(), scores.logsumexp(-1)


def tensors(seed: int, queries: int, keys: int, value_width: int = 8):
    generator = torch.Generator().manual_seed(seed)
    shapes = ((2, 3, queries, 8), (2, 3, keys, 8), (2, 3, keys, value_width))
    return tuple(torch.randn(shape, generator=generator) for shape in shapes)


def close(found, wanted):
    for a, b in zip(found, wanted, strict=True):
        torch.testing.assert_close(a.double(), b, rtol=0, atol=1e-5)


@pytest.mark.parametrize("kernel", [kernels.attend, kernels.attend_in_blocks])
@pytest.mark.parametrize("value_width", [8, 4])
def test_attention_and_its_log_sum_exp(kernel, value_width, monkeypatch):
    monkeypatch.setattr(kernels, "SCORES", 200)
    q, k, v = tensors(0, 7, 9, value_width)
    bias = torch.zeros(2, 1, 7, 9).masked_fill_(torch.arange(9) > torch.arange(7)[:, None], -torch.inf)
    for b in (None, bias):
        close(kernel(q, k, v, 0.3, b), reference(q, k, v, 0.3, b))


@settings(deadline=None)
@given(st.integers(1, 9), st.integers(0, 5), st.floats(0.01, 4))
def test_parts_merge_into_the_whole(cut, seed, scale):
    q, k, v = tensors(seed, 4, 10)
    parts = [kernels.attend(q, k[:, :, part], v[:, :, part], scale) for part in (slice(None, cut), slice(cut, None))]
    close(kernels.merge(*parts[0], *parts[1]), reference(q, k, v, scale))


@pytest.fixture(scope="module")
def model():
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
    torch.manual_seed(0)
    config = transformers.LlamaConfig(vocab_size=50, num_key_value_heads=2, max_position_embeddings=256, **sizes)
    return transformers.LlamaForCausalLM(config).eval()


@torch.no_grad()
def test_rows_decode_behind_a_stack_with_a_cache_of_their_own(model):
    """The second row is a token shorter: a hole that the mask hides."""
    prefix = torch.arange(40) % 50
    rows = torch.tensor([[1, 2, 3, 4], [5, 6, 0, 7]])
    seen = torch.tensor([[True] * 4, [True, True, False, True]])
    positions = torch.tensor([[40, 41, 42, 43], [40, 41, 42, 42]])
    stack = Engine(model).segments(prefix.tolist())
    cache = transformers.DynamicCache()
    causal = torch.ones(4, 4, dtype=torch.bool).tril()
    for now in (slice(0, 3), slice(3, 4)):
        mask = (causal & seen[:, None] | torch.eye(4, dtype=torch.bool))[:, now, : now.stop]
        with attending(model, stack, mask):
            output = model(rows[:, now], position_ids=positions[:, now], past_key_values=cache, use_cache=True).logits[
                :, -1
            ]
    assert cache.get_seq_length() == 4
    for i in range(2):
        whole = torch.cat([prefix, rows[i, seen[i]]])
        torch.testing.assert_close(output[i], model(whole[None]).logits[0, -1], rtol=0, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("change", [{"attention_mask": torch.zeros(1, 1, 2, 2)}, {"softcap": 5.0}, {"dropout": 0.1}])
def test_what_is_not_understood_is_refused(model, change):
    attention = transformers.AttentionInterface()[NAME]
    options = {"attention_mask": None, "sliding_window": None, "output_attentions": False}
    layer = model.model.layers[0].self_attn
    x = torch.randn(1, 4, 2, 4)
    with attending(model, SegmentStack(), torch.eye(2, dtype=torch.bool)[None]):
        attention(layer, x, x, x, **options)
        with pytest.raises(Unsupported):
            attention(layer, x, x, x, **options | change)
    with pytest.raises(Unsupported):
        attention(layer, x, x, x, **options)
