"""Training a rung of the laboratory against a bare loop over the same model; prints the ratio, and the corpus's speed.

    python tests/performance/lab_training.py [--rung 330k] [--steps 40] [--rounds 3]

The bare loop has its tokens in memory and does only what a step cannot do without: forward, backward, optimiser. Ours
reads them from shards that the worker makes meanwhile, and clips, logs and checkpoints besides. One thread and bf16 on
both sides; CPU seconds of the training process, the best of the rounds, so that a busy machine does not decide.
"""

import argparse
import os
import tempfile
import time
from dataclasses import replace
from itertools import islice
from pathlib import Path

os.environ["TOKENIZERS_PARALLELISM"] = "false"


def bare(job, steps):
    """CPU seconds a step."""
    import torch

    from cai_eval.lab.build import initial, next_token
    from cai_eval.training.optimisation import make_optimizers

    model, span = initial(job), job.recipe.spans[0]
    ids = torch.randint(2048, (steps, span.rows, span.window + 1))
    optimizers = make_optimizers(model, job.recipe.optimiser(job.rung))
    began = time.process_time()
    for step in ids:
        with torch.autocast("cpu", torch.bfloat16):
            loss, count = next_token(model, {"input_ids": step[:, :-1], "targets": step[:, 1:]})
        (loss / count).backward()
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
    return (time.process_time() - began) / steps


def ours(job, out):
    """CPU seconds a step, from the first to the last but one, behind which the rung is evaluated."""
    from cai_eval.lab.build import build

    seen = []
    build(job, out, progress=lambda at: seen.append((at.step, time.process_time())))
    (first, began), (last, ended) = seen[0], seen[-2]
    return (ended - began) / (last - first)


def corpus_speed(documents=2000):
    """Tokens a CPU second, written and tokenised by one process."""
    from cai_eval.lab.corpus import documents as stream
    from cai_eval.lab.stream import tokenizer
    from cai_eval.lab.world import Options, make_world

    tokens, texts = tokenizer(Options()), stream(make_world(), seed=0)
    next(texts)
    began = time.process_time()
    made = sum(len(encoding.ids) for encoding in tokens.encode_batch_fast(list(islice(texts, documents))))
    return made / (time.process_time() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rung", default="330k")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()

    from cai_eval.lab.build import Job, one_thread
    from cai_eval.lab.recipe import Stage, load_recipe

    stage = Stage(share=1.0, window=256, rows=16)
    a_step = stage.window * stage.rows
    recipe = replace(load_recipe(), stages=(stage,), tokens=options.steps * a_step)
    job = Job(recipe, options.rung)
    with tempfile.TemporaryDirectory() as folder, one_thread():
        os.environ["CAI_EVAL_CACHE"] = str(Path(folder) / "cache")
        rounds = [(bare(job, options.steps), ours(job, Path(folder) / str(n))) for n in range(options.rounds)]
        theirs, mine = (min(times) for times in zip(*rounds, strict=True))
        speed = corpus_speed()
    print(f"{options.rung}: bare loop {a_step / theirs:,.0f} tokens a CPU second, ours {a_step / mine:,.0f}")
    print(f"ratio {mine / theirs:.3f}")
    print(f"corpus: {speed:,.0f} tokens a CPU second, {speed * mine / a_step:.0f} x what this rung reads")


if __name__ == "__main__":
    main()
