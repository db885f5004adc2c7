"""Supervised fine-tuning against TRL's SFTTrainer: the same model, rows, order, optimiser and schedule.

    CAI_EVAL_TRL_PYTHON=/somewhere/bin/python python tests/performance/sft.py [--json]

TRL lives in an environment of its own, which the variable names. Single precision, one thread, processor seconds of
the training alone, the better of two rounds.
"""

import argparse
import json
import os
import subprocess
import tempfile
from pathlib import Path

from training import cpu_seconds

PYTHON = "CAI_EVAL_TRL_PYTHON"
THEIRS = Path(__file__).with_name("_sft_trl.py")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--rows", type=int, default=16)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--json", action="store_true", help="print losses and seconds for machines")
    options = parser.parse_args()
    if PYTHON not in os.environ:
        print(f"not measured: set {PYTHON} to the python of an environment that has trl")
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder, options.steps, options.rows, options.tokens)
        found: dict[str, tuple[float, float]] = {}
        for _ in range(options.rounds):
            for side, (seconds, loss) in (("ours", ours(folder)), ("TRL", theirs(folder))):
                found[side] = min(seconds, found.get(side, (seconds, loss))[0]), loss
    if options.json:
        print(json.dumps(found))
        return
    for side, (seconds, loss) in found.items():
        print(f"{side:5} {options.steps / seconds:7.2f} steps a CPU second, loss at the end {loss:.4f} nats")
    print(f"ratio {found['TRL'][0] / found['ours'][0]:.2f}")


def prepare(folder: Path, steps: int, rows: int, tokens: int) -> None:
    """A small random model, and rows that can be learnt: each repeats itself, and its first quarter is no target."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=2048,
        hidden_size=96,
        intermediate_size=256,
        num_hidden_layers=3,
        num_attention_heads=4,
        tie_word_embeddings=True,
    )
    LlamaForCausalLM(config).save_pretrained(folder / "model")
    data = torch.randint(1, 64, (steps * rows, 4)).repeat(1, tokens // 4)
    work = {"rows": data.tolist(), "quiet": tokens // 4, "batch": rows, "steps": steps, "rate": 3e-3}
    (folder / "work.json").write_text(json.dumps(work), "utf-8")


def ours(folder: Path) -> tuple[float, float]:
    """Seconds, and the loss of the last step."""
    import torch
    from transformers import LlamaForCausalLM

    from cai_eval.training.loop import train
    from cai_eval.training.objectives import causal_lm
    from cai_eval.training.optimisation import Optimisation

    torch.set_num_threads(1)
    work = json.loads((folder / "work.json").read_text("utf-8"))
    rows, size = torch.tensor(work["rows"]), work["batch"]
    targets = (torch.arange(rows.shape[1]) >= work["quiet"]).expand(size, -1)
    model = LlamaForCausalLM.from_pretrained(folder / "model")

    def batches(step: int) -> list[dict[str, torch.Tensor]]:
        return [{"input_ids": rows[step * size : (step + 1) * size], "targets": targets}]

    with tempfile.TemporaryDirectory() as run:
        optimisation = Optimisation(work["steps"], work["rate"])
        seconds, trained = cpu_seconds(
            lambda: train(model, batches, causal_lm, optimisation, Path(run), checkpoint_every=work["steps"])
        )
    return seconds, trained.loss


def theirs(folder: Path) -> tuple[float, float]:
    """As `ours`, in TRL's environment."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    command = [os.environ[PYTHON], str(THEIRS), str(folder)]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    told = json.loads(done.stdout.splitlines()[-1])
    return told["seconds"], told["loss"]


if __name__ == "__main__":
    main()
