"""A preference model on a tiny body, killed where one says and at random instants, before it is left to end.

    python killed_scorer.py FOLDER [PLACE ...]

The body is FOLDER/model; the result lies in FOLDER/node. Each PLACE is a fork that is killed there, in this order:
training (its batch is drawn), checkpointing (a checkpoint is half written), saving (so is the model), anywhere (some
time after its start). Without any, torchrun may start it as well.
"""

import os
import sys
from pathlib import Path
from typing import Any

from dying import die, die_writing, run
from tiny import TEXT

from cai_eval.contracts import PolicySpec
from cai_eval.models.fingerprint import fingerprint
from cai_eval.study.workshop import Models, NodeWorkshop
from cai_eval.testing import RowsSource, write_rows
from cai_eval.trainers.preference_model import PreferenceModel
from cai_eval.training import checkpoints, data, scorers

WORDS = TEXT[:2000].split()
ROWS = [
    {
        "id": str(n),
        "prompt": f"Human: {WORDS[n]}?\n\nAssistant:",
        "first": " ".join(WORDS[n + 1 : n + 3 + n % 7]),
        "second": " ".join(WORDS[n + 9 : n + 12]),
        "label": n % 5 / 4,
        "kind": "helpful",
        "by": "ai",
        "principle": "",
    }
    for n in range(60)
]
CONFIG = {"epochs": 4, "rows": 12, "warmup": 2, "rate": 3e-3, "lm_weight": 0.1}
data.MICRO_TOKENS = 160  # so that a step has several micro-batches


def work(folder: Path) -> None:
    import torch

    torch.set_num_threads(1)
    os.environ["CAI_EVAL_CACHE"] = str(folder / "cache")
    model, node = str(folder / "model"), folder / "node"
    node.mkdir(exist_ok=True)
    start = PolicySpec(model, fingerprint(model), 1000, 512)
    rows = write_rows(folder / "rows.jsonl", ROWS)
    workshop = NodeWorkshop(node, 0, RowsSource(), Models(device="cpu"), lambda done, total, note: None)
    PreferenceModel(PreferenceModel.Config(**CONFIG)).run({"start": start, "comparisons": rows}, workshop)


def die_training() -> None:
    make = scorers.pair_batches

    def dying(*arguments: Any, **keywords: Any) -> Any:
        batches = make(*arguments, **keywords)
        return lambda step: die() if step == 9 else batches(step)

    scorers.pair_batches = dying


def die_saving() -> None:
    save = scorers.save_scorer

    def dying(*arguments: Any) -> None:
        save(*arguments)
        (weights,) = arguments[-1].glob("*.safetensors")
        os.truncate(weights, weights.stat().st_size // 2)
        (arguments[-1] / "leftover.tmp").touch()
        die()

    scorers.save_scorer = dying


PLACES = {
    "training": die_training,
    "checkpointing": lambda: die_writing(checkpoints, "step-00000012"),
    "saving": die_saving,
    "anywhere": lambda: None,
}


if __name__ == "__main__":
    run(Path(sys.argv[1]), sys.argv[2:], PLACES, work)
