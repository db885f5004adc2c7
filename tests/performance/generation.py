"""Greedy generation behind a shared prefix, against `model.generate`; prints the ratios.

    python tests/performance/generation.py [--vocabulary 2048 50000] [--repeat 3]

A prefix of 2,000 tokens, 64 prompts of 20 to 60, 64 new tokens, a 6-layer, 256-wide model in float32 on two threads.
Compared with `generate` on the full, left-padded prompts, and with `generate` given the prefix's cache expanded to
64 rows; it says how many rows have equal tokens. Ours is the best of the repeats, each filling the prefix anew.
"""

import argparse
from functools import partial
from typing import Any

import torch
from harness import random_model, timed
from transformers import DynamicCache

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


def make(vocabulary: int) -> Any:
    model = random_model(vocabulary, 4096)
    model.generation_config.eos_token_id = None
    return model


def ours(model: Any, prefix: list[int], prompts: Tokens) -> Tokens:
    asked = [Prompt(tuple(ids), str(i)) for i, ids in enumerate(prompts)]
    samples = generate(Engine(model), Mute(), tuple(prefix), asked, Sampling(NEW), 0)
    return [list(sample.tokens) for (sample,) in samples]


def padded(rows: Tokens) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and mask, padded on the left."""
    longest = max(map(len, rows))
    ids = torch.tensor([[0] * (longest - len(row)) + row for row in rows])
    mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows])
    return ids, mask


def full_prompts(model: Any, prefix: list[int], prompts: Tokens) -> Tokens:
    ids, mask = padded([prefix + prompt for prompt in prompts])
    out = model.generate(ids, attention_mask=mask, max_new_tokens=NEW, do_sample=False, pad_token_id=0)
    return out[:, ids.shape[1] :].tolist()


def expanded_cache(model: Any, prefix: list[int], prompts: Tokens) -> Tokens:
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
        mine, tokens = min((timed(partial(ours, *given)) for _ in range(arguments.repeat)), key=lambda run: run[0])
        print(f"vocabulary {vocabulary:,}: ours {mine:.2f} s", flush=True)
        for name, way in (("generate, full prompts", full_prompts), ("generate, expanded cache", expanded_cache)):
            theirs, reference = timed(partial(way, *given))
            same = sum(a == b for a, b in zip(tokens, reference, strict=True))
            print(f"  {name}: {theirs:.2f} s = {theirs / mine:.1f} x; equal rows {same} of {PROMPTS}", flush=True)


if __name__ == "__main__":
    main()
