"""Time outside the model for 1,000 LAMBADA requests, against lm-eval's `evaluate`.

    CAI_EVAL_DATA=DIR python tests/performance/overhead.py [--requests 1000] [--threads 2]

Ours is all that a cell of a study does: items → requests → ids → trie → scores → response store → records → journal
and Parquet. lm-eval's is `evaluate(bootstrap_iters=0, log_samples=True)` with its own LAMBADA definition around HFLM
at batch size 64. Time inside `model.forward` is taken off both; each side's softmax over 50,432 tokens is not.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness import hflm, timed

os.environ["TQDM_DISABLE"] = "1"

STUB = """\
include: {definition}
dataset_path: json
dataset_name: null
dataset_kwargs: {{data_files: {{test: {rows}}}}}
"""


class Clock:
    """Seconds inside `model.forward` since the last reset."""

    def __init__(self, model: Any) -> None:
        self.seconds = 0.0
        forward = model.forward

        def clocked(*args: Any, **kwargs: Any) -> Any:
            began = time.perf_counter()
            try:
                return forward(*args, **kwargs)
            finally:
                self.seconds += time.perf_counter() - began

        model.forward = clocked

    def outside(self, work: Callable[[], Any]) -> float:
        """Seconds that `work` spends outside the model."""
        self.seconds = 0.0
        total, _ = timed(work)
        return total - self.seconds


def ours(model: Any, tokenizer: Any, data: Path, requests: int, clock: Clock) -> float:
    from cai_eval.benchmarks.lambada import Lambada
    from cai_eval.contracts import PolicySpec
    from cai_eval.data import PublishedSource
    from cai_eval.inference.logprobs import Engine
    from cai_eval.inference.policy import LanguageModelPolicy
    from cai_eval.inference.store import ResponseStore
    from cai_eval.study.run import BATCH, evaluate_batch
    from cai_eval.study.store import CellDirectory

    benchmark = Lambada(Lambada.Config())
    engine = Engine(model)
    with tempfile.TemporaryDirectory() as folder:
        store = ResponseStore(Path(folder, "answers.sqlite"))
        cell = CellDirectory(Path(folder, "cell"))

        def work() -> None:
            policy = LanguageModelPolicy(PolicySpec("m", "f", 1, 2048), engine, tokenizer, store, 0)
            items = benchmark.items(PublishedSource(data))[:requests]
            records = []
            with cell.journal() as journal:
                for first in range(0, len(items), BATCH):
                    records += (batch := evaluate_batch(benchmark, policy, items[first : first + BATCH]))
                    journal.add(batch)
            cell.publish(records, {})

        return clock.outside(work)


def theirs(model: Any, tokenizer: Any, data: Path, requests: int, clock: Clock) -> float:
    import lm_eval
    from lm_eval.evaluator import evaluate
    from lm_eval.tasks import TaskManager

    definition = Path(lm_eval.__file__).parent / "tasks" / "lambada" / "lambada_openai.yaml"
    with tempfile.TemporaryDirectory() as folder:
        lines = (data / "lambada" / "lambada_test.jsonl").read_text().splitlines(keepends=True)[:requests]
        rows, stub = Path(folder, "rows.jsonl"), Path(folder, "lambada.yaml")
        rows.write_text("".join(lines))
        stub.write_text(STUB.format(definition=definition, rows=rows))
        tasks = TaskManager(include_defaults=False).load(str(stub))["tasks"]
        model_of_theirs = hflm(model, tokenizer, 64)
        return clock.outside(lambda: evaluate(model_of_theirs, tasks, bootstrap_iters=0, log_samples=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    data = Path(os.environ.get("CAI_EVAL_DATA", Path(__file__).parents[3] / "shared" / "data"))

    import torch
    from transformers import GPTNeoXConfig, GPTNeoXForCausalLM, PreTrainedTokenizerFast

    torch.set_num_threads(options.threads)
    path = str(data / "tokenizers" / "20B_tokenizer.json")
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=path, eos_token="<|endoftext|>")
    config = GPTNeoXConfig(
        vocab_size=50_432, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    model = GPTNeoXForCausalLM(config).eval()
    clock = Clock(model)
    mine = min(ours(model, tokenizer, data, options.requests, clock) for _ in range(3))
    rival = min(theirs(model, tokenizer, data, options.requests, clock) for _ in range(2))
    print(f"{options.requests} requests, outside the model, {options.threads} threads")
    print(f"cai-eval {mine:8.2f} s (limit 1.0 s)\nlm-eval  {rival:8.2f} s\nratio {rival / mine:.1f}")


if __name__ == "__main__":
    main()
