"""A small training for the tests to start by torchrun and to kill.

    python training_program.py FOLDER [KILLS]

Trains FOLDER/model, in float64, and leaves the weights in FOLDER/result.pt, beside it a file for each rank. Every step
has three micro-batches with different numbers of targets, and a checkpoint. With KILLS the training runs in forks that
are killed so many times, each soon after its first checkpoint, before one is left to end.
"""

import os
import random
import signal
import sys
import time
from pathlib import Path

import torch
from transformers import LlamaForCausalLM

from cai_eval.training.loop import train
from cai_eval.training.objectives import causal_lm
from cai_eval.training.optimisation import Optimisation, order
from cai_eval.training.ranks import Ranks

STEPS = 24
DATA = torch.randint(1, 400, (60, 12), generator=torch.Generator().manual_seed(0))


def batches(step: int) -> list[dict[str, torch.Tensor]]:
    ids = DATA[torch.from_numpy(order(0, step, len(DATA))[:6])]
    targets = torch.arange(12) >= torch.tensor([[1], [9], [4], [1], [7], [2]])
    return [{"input_ids": ids[part], "targets": targets[part]} for part in (slice(2), slice(2, 3), slice(3, 6))]


def work(folder: Path) -> None:
    torch.set_num_threads(1)
    model = LlamaForCausalLM.from_pretrained(folder / "model").double()
    optimisation = Optimisation(STEPS, 1e-2, warmup=2)
    (folder / f"rank-{Ranks().rank}").touch()
    train(model, batches, causal_lm, optimisation, folder / "training", checkpoint_every=1)
    torch.save(model.state_dict(), folder / "result.pt")


def checkpoints(folder: Path) -> set[str]:
    return {path.name for path in (folder / "training").rglob("step-*.pt")}


def killed(folder: Path) -> None:
    """One fork of the training, killed some milliseconds after it has written a checkpoint."""
    before = checkpoints(folder)
    pid = os.fork()
    if pid == 0:
        work(folder)
        os._exit(0)
    while checkpoints(folder) <= before:
        time.sleep(0.002)
    time.sleep(random.uniform(0.0, 0.05))
    os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(status), "the training ended before its kill"


def main() -> None:
    folder = Path(sys.argv[1])
    torch.set_num_threads(1)
    random.seed(1)
    for _ in range(int(sys.argv[2]) if len(sys.argv) > 2 else 0):
        killed(folder)
    work(folder)


if __name__ == "__main__":
    main()
