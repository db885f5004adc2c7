"""Scoring items behind a long shared prefix, against lm-eval's HFLM on the same token ids.

    python tests/performance/shared_prefix.py [--threads 2] [--vocabulary 2048]

HFLM takes minutes, so it is timed on the first 24 items, at the better of two batch sizes, and scaled. Ours is the
best of three runs, each with a fresh engine that computes the prefix anew.
"""

import argparse

from harness import compare, hflm, one_word_tokenizer, random_model, timed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--vocabulary", type=int, default=2048)
    parser.add_argument("--prefix", type=int, default=4096)
    parser.add_argument("--items", type=int, default=200)
    parser.add_argument("--tokens", type=int, default=60)
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[1, 4])
    options = parser.parse_args()

    import numpy as np
    import torch

    from cai_eval.inference.logprobs import Engine, Target

    torch.set_num_threads(options.threads)
    model = random_model(options.vocabulary, options.prefix + options.tokens)
    draw = np.random.default_rng(0)
    prefix = draw.integers(0, options.vocabulary, options.prefix).tolist()
    items = draw.integers(0, options.vocabulary, (options.items, options.tokens)).tolist()

    targets = [Target(tuple(item), 0) for item in items]
    attempts = []
    for _ in range(3):
        engine = Engine(model)
        attempts.append((*timed(lambda engine=engine: engine.logprobs(prefix, targets)), engine.usage))
    ours, scores, usage = min(attempts, key=lambda attempt: attempt[0])

    few = items[:24]
    requests = [(("", ""), prefix, item) for item in few]
    runs = []
    for batch_size in options.batch_sizes:
        lm = hflm(model, one_word_tokenizer(), batch_size)
        runs.append((*timed(lambda lm=lm: lm._loglikelihood_tokens(requests, disable_tqdm=True)), batch_size))
    seconds, results, batch_size = min(runs, key=lambda run: run[0])
    theirs = seconds * len(items) / len(few)

    print(f"{len(items)} items of {options.tokens} tokens behind {options.prefix}, {options.threads} threads, float32")
    share = usage.sent / usage.unique
    print(f"cai-eval {ours:8.2f} s   {usage.sent:,} tokens sent, {usage.unique:,} distinct: {share:.3f}")
    print(f"HFLM     {theirs:8.2f} s   batches of {batch_size}; {seconds:.2f} s for the first {len(few)}, scaled")
    totals = [(sum(s.logprobs), s.greedy) for s in scores[: len(few)]]
    print(compare(totals, results, [options.tokens] * len(few)))
    print(f"ratio {theirs / ours:.1f}")


if __name__ == "__main__":
    main()
