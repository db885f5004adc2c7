"""Context distillation of a tiny model, killed where one says and at random instants, before it is left to end.

    python killed_training.py FOLDER [PLACE ...]

The model is FOLDER/model, the teacher the same behind a prompt; the result lies in FOLDER/node. Each PLACE is a fork
that is killed there, in this order: caching (a shard is half written), checkpointing (a checkpoint is), training (its
batch is drawn), anywhere (some time after its start).
"""

import os
import sys
from pathlib import Path

from dying import die, die_writing, run
from tiny import TEXT

from cai_eval.contracts import PolicySpec
from cai_eval.models.fingerprint import fingerprint
from cai_eval.models.loading import load_tokenizer
from cai_eval.prefixes import make_prefix
from cai_eval.study.workshop import Models, NodeWorkshop
from cai_eval.testing import RowsSource
from cai_eval.trainers.context_distillation import ContextDistillation
from cai_eval.training import checkpoints, distillation, targets

WORDS = TEXT[:2000].split()
SOURCE = RowsSource(
    {
        "plain-texts": [{"text": " ".join(WORDS[n : n + 12])} for n in range(40)],
        "conversations": [{"text": f"Human: {WORDS[n]}?\n\nAssistant: {WORDS[n + 1]}."} for n in range(40)],
    }
)
CONFIG = {"texts": 60, "steps": 20, "rows": 8, "rate": 1e-3, "warmup": 2}
targets.PASSAGES = 8  # so that there are eight shards


def work(folder: Path) -> None:
    from dataclasses import replace

    import torch

    torch.set_num_threads(1)
    os.environ["CAI_EVAL_CACHE"] = str(folder / "cache")
    model = str(folder / "model")
    base = PolicySpec(model, fingerprint(model), 1000, 512)
    teacher = replace(base, prefix=make_prefix(load_tokenizer(model), TEXT[:400], ""))
    workshop = NodeWorkshop(folder / "node", 0, SOURCE, Models(device="cpu"), lambda done, total, note: None)
    ContextDistillation(ContextDistillation.Config(**CONFIG)).run({"start": base, "teacher": teacher}, workshop)


def die_training(step: int) -> None:
    make = distillation.make_batches

    def dying(*arguments):  # type: ignore[no-untyped-def]
        batches = make(*arguments)
        return lambda at: die() if at == step else batches(at)

    distillation.make_batches = dying


PLACES = {
    "caching": lambda: die_writing(targets, "000003"),
    "checkpointing": lambda: die_writing(checkpoints, "step-00000006"),
    "training": lambda: die_training(11),
    "anywhere": lambda: None,
}


if __name__ == "__main__":
    run(Path(sys.argv[1]), sys.argv[2:], PLACES, work)
