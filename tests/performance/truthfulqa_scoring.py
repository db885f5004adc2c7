"""lm-eval's own `truthfulqa_mc1` and `truthfulqa_mc2` requests, against HFLM, tokenising included.

    CAI_EVAL_DATA=DIR python tests/performance/truthfulqa_scoring.py [--threads 2] [--questions 100]

The definitions (six-pair primer) are lm-eval's YAML files, pointed at a local copy of the questions. Both sides get
the same (context, continuation) strings and encode them jointly; HFLM is timed in full at the better of two batch
sizes, ours is the better of two runs, each with a fresh engine. The model's vocabulary has 50,432 entries.
"""

import argparse
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from harness import compare, hflm, random_model, timed

STUB = """\
include: {definition}
task: {name}
dataset_path: json
dataset_name: null
dataset_kwargs: {{data_files: {{validation: {rows}}}}}
"""


def instances(data: Path, questions: int) -> list[Any]:
    """The requests that lm-eval makes of both tasks' first questions."""
    import lm_eval
    from lm_eval.tasks import TaskManager

    definitions = Path(lm_eval.__file__).parent / "tasks" / "truthfulqa"
    found = []
    with tempfile.TemporaryDirectory() as folder:
        rows = Path(folder, "rows.jsonl")
        with rows.open("w") as file:
            for row in json.loads((data / "truthfulqa" / "mc_task.json").read_text())[:questions]:
                targets = {
                    key: {"choices": list(row[key]), "labels": list(row[key].values())}
                    for key in ("mc1_targets", "mc2_targets")
                }
                file.write(json.dumps({"question": row["question"], **targets}) + "\n")
        for name in ("truthfulqa_mc1", "truthfulqa_mc2"):
            stub = Path(folder, f"{name}.yaml")
            stub.write_text(STUB.format(definition=definitions / f"{name}.yaml", name=name, rows=rows))
            (task,) = TaskManager(include_defaults=False).load(str(stub))["tasks"].values()
            task.build_all_requests()
            found.extend(task.instances)
    return found


def targets(tokenizer: Any, pairs: list[tuple[str, str]]) -> list[Any]:
    """lm-eval's split: encode context and continuation together, cut where the context's own tokens end."""
    from cai_eval.inference.logprobs import Target

    contexts = list(dict.fromkeys(context for context, _ in pairs))
    lengths = dict(zip(contexts, map(len, tokenizer(contexts)["input_ids"]), strict=True))
    whole = tokenizer([context + continuation for context, continuation in pairs])["input_ids"]
    return [Target(tuple(ids), lengths[context]) for ids, (context, _) in zip(whole, pairs, strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--questions", type=int, default=100)
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[16, 64])
    options = parser.parse_args()
    data = Path(os.environ.get("CAI_EVAL_DATA", Path(__file__).parents[3] / "shared" / "data"))

    import torch
    from transformers import PreTrainedTokenizerFast

    from cai_eval.inference.logprobs import Engine

    torch.set_num_threads(options.threads)
    path = str(data / "tokenizers" / "20B_tokenizer.json")
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=path, eos_token="<|endoftext|>")
    model = random_model(50_432, 2048)
    requests = instances(data, options.questions)
    pairs = [request.args for request in requests]

    runs = []
    for _ in range(2):
        engine = Engine(model)
        runs.append((*timed(lambda engine=engine: engine.logprobs((), targets(tokenizer, pairs))), engine.usage))
    ours, scores, usage = min(runs, key=lambda run: run[0])

    rivals = []
    for batch_size in options.batch_sizes:
        lm = hflm(model, tokenizer, batch_size)
        rivals.append((*timed(lambda lm=lm: lm.loglikelihood(requests, disable_tqdm=True)), batch_size))
    theirs, results, batch_size = min(rivals, key=lambda run: run[0])

    print(f"{len(pairs)} requests of {options.questions} questions, {options.threads} threads, float32")
    share = usage.sent / usage.unique
    print(f"cai-eval {ours:8.2f} s   {usage.sent:,} tokens sent, {usage.unique:,} distinct: {share:.3f}")
    print(f"HFLM     {theirs:8.2f} s   batches of {batch_size}")
    print(compare([(sum(s.logprobs), s.greedy) for s in scores], results, [len(s.logprobs) for s in scores]))
    print(f"ratio {theirs / ours:.1f}")


if __name__ == "__main__":
    main()
