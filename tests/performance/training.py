"""The training loop against a bare one: the same model, batches, optimiser and schedule, nothing else.

    python tests/performance/training.py [--threads 1] [--optimizer adamw]

Interleaved runs, the best of each, in seconds of this process, so that a busy machine is not measured.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import harness  # noqa: F401 - sets how threads wait


def cpu_seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    """Of all threads of this process, and what `work` gave."""
    began = time.process_time()
    result = work()
    return time.process_time() - began, result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rows", type=int, default=32)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--micro-batches", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--optimizer", choices=("adamw", "muon"), default="adamw")
    options = parser.parse_args()

    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from cai_eval.training.loop import train
    from cai_eval.training.objectives import causal_lm
    from cai_eval.training.optimisation import Optimisation, make_optimizers

    torch.set_num_threads(options.threads)
    config = LlamaConfig(
        vocab_size=2048,
        hidden_size=32,
        intermediate_size=80,
        num_hidden_layers=2,
        num_attention_heads=2,
        tie_word_embeddings=True,
    )
    model = LlamaForCausalLM(config)
    start = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    data = torch.randint(0, 2048, (options.steps, options.rows, options.tokens))
    optimisation = Optimisation(options.steps, 1e-3, warmup=5, optimizer=options.optimizer)

    def batches(step: int) -> list[dict[str, torch.Tensor]]:
        return [{"input_ids": rows} for rows in data[step].chunk(options.micro_batches)]

    def bare() -> None:
        model.train()
        optimizers = make_optimizers(model, optimisation)
        parameters = list(model.parameters())
        for step in range(options.steps):
            for batch in batches(step):
                loss, terms = causal_lm(model, batch)
                (loss / (terms * options.micro_batches)).backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            for optimizer in optimizers:
                optimizer.param_groups[0]["lr"] = optimisation.rate_at(step)
                optimizer.step()
                optimizer.zero_grad()

    with tempfile.TemporaryDirectory() as folder:
        fresh = (Path(folder) / str(number) for number in count())

        def ours() -> None:
            train(model, batches, causal_lm, optimisation, next(fresh), checkpoint_every=20, progress=lambda _: None)

        best = {"bare": float("inf"), "ours": float("inf")}
        for _ in range(options.rounds):
            for name, run in (("bare", bare), ("ours", ours)):
                model.load_state_dict(start)
                best[name] = min(best[name], cpu_seconds(run)[0])

    tokens = options.steps * options.rows * options.tokens
    inner = sum(p.numel() for p in model.model.layers.parameters())
    print(
        f"{inner:,} parameters in the layers, {options.threads} threads, {options.optimizer}, a checkpoint in 20 steps"
    )
    for name, seconds in best.items():
        print(f"{name:5} {seconds:7.2f} CPU s {tokens / seconds:9,.0f} tokens/s")
    print(f"ratio {best['ours'] / best['bare']:.3f}")


if __name__ == "__main__":
    main()
