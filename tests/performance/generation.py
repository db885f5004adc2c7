"""Greedy generation behind a shared prefix, against `model.generate`; prints the ratios.

    python tests/performance/generation.py [--vocabulary 2048 50000] [--repeat 3]

A prefix of 2,000 tokens, 64 prompts of 20 to 60, 64 new tokens, a 6-layer, 256-wide Llama in float32 on two threads.
Compared with `generate` on the full, left-padded prompts, and with `generate` given the prefix's cache expanded to
64 rows; it says how many rows have equal tokens. Ours is the best of the repeats, each filling the prefix anew.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch
from transformers import DynamicCache, LlamaConfig, LlamaForCausalLM

from cai_eval.contracts import Sampling
from cai_eval.inference.generation import Prompt, generate
from cai_eval.inference.logprobs import Engine

PREFIX, PROMPTS, NEW = 2000, 64, 64

Tokens = list[list[int]]


class Mute:
    """A tokenizer for tokens without text."""

    all_special_ids: tuple[int, ...] = ()
    eos_token_id = None

    def decode(self, ids: list[int], **_: object) -> str:
        return ""


def make(vocabulary: int) -> LlamaForCausalLM:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=vocabulary, hidden_size=256, intermediate_size=688, num_hidden_layers=6, num_attention_heads=8,
        num_key_value_heads=8, max_position_embeddings=4096, bos_token_id=None, eos_token_id=None,
    )  # fmt: skip
    return LlamaForCausalLM(config).eval()


def ours(model: LlamaForCausalLM, prefix: list[int], prompts: Tokens) -> Tokens:
    asked = [Prompt(tuple(ids), str(i)) for i, ids in enumerate(prompts)]
    samples = generate(Engine(model), Mute(), tuple(prefix), asked, Sampling(NEW), 0)
    return [list(sample.tokens) for (sample,) in samples]


def padded(rows: Tokens) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and mask, padded on the left."""
    longest = max(map(len, rows))
    ids = torch.tensor([[0] * (longest - len(row)) + row for row in rows])
    mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows])
    return ids, mask


def full_prompts(model: LlamaForCausalLM, prefix: list[int], prompts: Tokens) -> Tokens:
    ids, mask = padded([prefix + prompt for prompt in prompts])
    out = model.generate(ids, attention_mask=mask, max_new_tokens=NEW, do_sample=False, pad_token_id=0)
    return out[:, ids.shape[1] :].tolist()


def expanded_cache(model: LlamaForCausalLM, prefix: list[int], prompts: Tokens) -> Tokens:
    cache = DynamicCache(config=model.config)
    with torch.no_grad():
        model(torch.tensor([prefix]), past_key_values=cache, use_cache=True, logits_to_keep=1)
    cache.batch_repeat_interleave(len(prompts))
    ids, mask = padded(prompts)
    ids = torch.cat([torch.tensor([prefix]).expand(len(prompts), -1), ids], 1)
    mask = torch.cat([torch.ones(len(prompts), len(prefix), dtype=mask.dtype), mask], 1)
    out = model.generate(
        ids, attention_mask=mask, past_key_values=cache, max_new_tokens=NEW, do_sample=False, pad_token_id=0
    )
    return out[:, ids.shape[1] :].tolist()


def timed(
    way: Callable[[LlamaForCausalLM, list[int], Tokens], Tokens], repeat: int, *given: object
) -> tuple[float, Tokens]:
    best = float("inf")
    for _ in range(repeat):
        began = time.perf_counter()
        tokens = way(*given)  # type: ignore[arg-type]
        best = min(best, time.perf_counter() - began)
    return best, tokens


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vocabulary", type=int, nargs="+", default=[2048, 50_000])
    parser.add_argument("--repeat", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(2)
    for vocabulary in arguments.vocabulary:
        model = make(vocabulary)
        torch.manual_seed(1)
        prefix = torch.randint(vocabulary, (PREFIX,)).tolist()
        prompts = [torch.randint(vocabulary, (20 + i * 40 // (PROMPTS - 1),)).tolist() for i in range(PROMPTS)]
        given = (model, prefix, prompts)
        mine, tokens = timed(ours, arguments.repeat, *given)
        print(f"vocabulary {vocabulary:,}: ours {mine:.2f} s", flush=True)
        for name, way in (("generate, full prompts", full_prompts), ("generate, expanded cache", expanded_cache)):
            theirs, reference = timed(way, 1, *given)
            same = sum(a == b for a, b in zip(tokens, reference, strict=True))
            print(f"  {name}: {theirs:.2f} s = {theirs / mine:.1f} x; equal rows {same} of {PROMPTS}", flush=True)


if __name__ == "__main__":
    main()
