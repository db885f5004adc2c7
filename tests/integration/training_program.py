"""A small training for the tests to start by torchrun.

    python training_program.py FOLDER

Trains FOLDER/model, in float64, and leaves the weights in FOLDER/result.pt, beside it a file for each rank. Every step
has three micro-batches with different numbers of targets, and a checkpoint.
"""

import sys
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


def main() -> None:
    work(Path(sys.argv[1]))


if __name__ == "__main__":
    main()
