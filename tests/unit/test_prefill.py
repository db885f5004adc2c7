"""Prefilling: keys and values are the model's own, whatever texts share."""

import pytest
import torch
from transformers import DynamicCache, LlamaConfig, LlamaForCausalLM

from cai_eval.inference.logprobs import Engine
from cai_eval.inference.prefill import prefill

CONFIG = LlamaConfig(
    vocab_size=97,
    hidden_size=32,
    intermediate_size=48,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=512,
    initializer_range=0.3,
)
IDS = tuple(torch.randint(1, 97, (400,), generator=torch.Generator().manual_seed(7)).tolist())
LONG, SHORT = IDS[:150], IDS[200:204]
TEXTS = [
    (*SHORT, 1, 2),
    (*LONG, 3),  # more than a row shares these, and yet not all texts do
    (*LONG, 4, 5, 6),
    (),
    (*SHORT, 1, 7, 8, 9),
    (*LONG, 4, 5, 6),
    IDS[300:370],
]


@pytest.mark.parametrize("head", [(), IDS[-80:]], ids=["alone", "behind 80"])
@torch.no_grad()
def test_keys_and_values_are_the_models_own(head: tuple[int, ...]) -> None:
    torch.manual_seed(5)
    engine = Engine(LlamaForCausalLM(CONFIG))
    kept, sent = prefill(engine.model, engine.segments(head), TEXTS)
    assert sorted(kept) == [0, 1]
    for place, text in ((place, text) for place, text in enumerate(TEXTS) if text):
        cache = DynamicCache()
        engine.model(torch.tensor([head + text]), past_key_values=cache)
        for layer, pair in kept.items():
            own = cache.layers[layer].keys, cache.layers[layer].values
            for found, expected in zip(pair, own, strict=True):
                here, there = found[place, :, : len(text)], expected[0, :, len(head) :]
                torch.testing.assert_close(here, there, rtol=1e-4, atol=1e-4)
    assert all(held.isfinite().all() for pair in kept.values() for held in pair)
    assert sent < sum(map(len, TEXTS)) / 1.5


@torch.no_grad()
def test_what_stands_behind_the_last_keys_and_values_is_left_out() -> None:
    engine = Engine(LlamaForCausalLM(CONFIG))
    seen: list[int] = []
    for layer in engine.model.model.layers:
        layer.mlp.gate_proj.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].shape[1]))
    prefill(engine.model, engine.segments(()), [IDS[:9]])
    assert seen == [9, 0]


@torch.no_grad()
def test_empty_texts_have_none() -> None:
    engine = Engine(LlamaForCausalLM(CONFIG))
    assert prefill(engine.model, engine.segments(()), [(), ()]) == ({}, 0)
