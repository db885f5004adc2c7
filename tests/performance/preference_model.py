"""Preference-model training against TRL's RewardTrainer: the same model, pairs, batches a step and optimiser.

    python tests/performance/preference_model.py --trl OTHER/bin/python [--rung 330k]

OTHER is an environment with `trl==1.16.*`. Each side trains one epoch on the laboratory's comparisons in a process of
its own, in turn; the best of each, in seconds of its threads, so that a busy machine is not measured. Setting up,
tokenizing and saving are left out on both sides.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import mean
from typing import Any

import harness  # noqa: F401 - sets how threads wait

ROWS, RATE, CONTEXT = 32, 1e-3, 512
LAST = 15  #: steps whose losses are averaged


def ours(model: str, pairs: list[dict[str, str]], folder: Path) -> dict[str, Any]:
    """CPU seconds of the training, and the mean loss of its last steps."""
    from cai_eval.models.loading import load_model, load_tokenizer
    from cai_eval.training.comparisons import read_comparisons
    from cai_eval.training.log import read_log
    from cai_eval.training.loop import train
    from cai_eval.training.optimisation import Optimisation
    from cai_eval.training.preferences import PreferenceModel, make_pairs, pair_batches, preference_objective

    examples = make_pairs(load_tokenizer(model), read_comparisons(pairs), CONTEXT)
    scalar = PreferenceModel(load_model(model, device="cpu"))
    steps = len(examples) // ROWS
    batches = pair_batches(examples, ROWS, seed=0)
    began = time.process_time()
    train(scalar, batches, preference_objective(0.0), Optimisation(steps, RATE), folder, checkpoint_every=steps)
    seconds = time.process_time() - began
    losses = [entry["loss"] for entry in read_log(folder / "log.jsonl")]
    return {"seconds": seconds, "loss": mean(losses[-LAST:]), "pairs": steps * ROWS}


def theirs(model: str, pairs: list[dict[str, str]], folder: Path) -> dict[str, Any]:
    """The same by TRL."""
    from datasets import Dataset
    from transformers import AutoTokenizer
    from trl import RewardConfig, RewardTrainer

    tokenizer = AutoTokenizer.from_pretrained(model)
    # where padding is the end of text, TRL reads scores one token early: give it another
    tokenizer.pad_token = tokenizer.convert_ids_to_tokens(1)
    config = RewardConfig(
        output_dir=str(folder),
        per_device_train_batch_size=ROWS,
        num_train_epochs=1,
        learning_rate=RATE,
        adam_beta2=0.98,
        weight_decay=0.01,
        max_length=CONTEXT,
        max_steps=len(pairs) // ROWS,
        bf16=False,
        use_cpu=True,
        gradient_checkpointing=False,
        report_to="none",
        save_strategy="no",
        logging_steps=1,
        disable_tqdm=True,
    )
    data = Dataset.from_list(pairs)
    trainer = RewardTrainer(model=model, args=config, train_dataset=data, processing_class=tokenizer)
    began = time.process_time()
    trainer.train()
    seconds = time.process_time() - began
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    return {"seconds": seconds, "loss": mean(losses[-LAST:]), "pairs": config.max_steps * ROWS}


def laboratory(rung: str) -> tuple[str, list[dict[str, str]]]:
    """The model's directory, and pairs {chosen, rejected} of whole conversations."""
    from cai_eval import lab
    from cai_eval.lab.rows.preferences import preferences
    from cai_eval.models.ladder import load_ladder

    ladder = load_ladder("lab")
    (step,) = (step for step in ladder.rungs if step.label == rung)
    laboratory = lab.find(ladder.source)
    pairs = []
    for kind in ("helpful", "harmless"):
        for row in preferences(laboratory.source().world, kind):
            texts = [f"\n\n{row['prompt']} {row[side]}" for side in ("first", "second")]
            chosen, rejected = texts if row["label"] > 0.5 else texts[::-1]
            pairs.append({"chosen": chosen, "rejected": rejected})
    return laboratory.model(step.model, lambda note: None), pairs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trl", required=True, metavar="PYTHON", help="the interpreter that has TRL")
    parser.add_argument("--rung", default="330k")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--side", choices=("ours", "theirs"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()

    if options.side:
        import torch

        torch.set_num_threads(options.threads)
        work = json.loads((options.folder / "work.json").read_text())
        with tempfile.TemporaryDirectory() as folder:
            done = {"ours": ours, "theirs": theirs}[options.side](work["model"], work["pairs"], Path(folder))
        (options.folder / "done.json").write_text(json.dumps(done))
        return

    model, pairs = laboratory(options.rung)
    best: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "work.json").write_text(json.dumps({"model": model, "pairs": pairs}))
        for _ in range(options.rounds):
            for side, python in (("ours", sys.executable), ("theirs", options.trl)):
                arguments = ["--side", side, "--folder", folder, "--threads", str(options.threads), "--trl", "-"]
                subprocess.run([python, __file__, *arguments], check=True, stdout=subprocess.DEVNULL)
                done = json.loads((Path(folder) / "done.json").read_text())
                if side not in best or done["seconds"] < best[side]["seconds"]:
                    best[side] = done
    for side, done in best.items():
        speed = done["pairs"] / done["seconds"]
        print(f"{side:6} {done['seconds']:7.2f} CPU s {speed:8.1f} pairs/s, loss at the end {done['loss']:.3f}")
    ours_speed, theirs_speed = (best[side]["pairs"] / best[side]["seconds"] for side in ("ours", "theirs"))
    print(f"ratio {ours_speed / theirs_speed:.2f}")


if __name__ == "__main__":
    main()
