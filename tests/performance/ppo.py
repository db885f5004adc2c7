"""PPO against TRL's PPOTrainer, and its rollouts against `model.generate`.

    CAI_EVAL_TRL_PYTHON=/somewhere/bin/python python tests/performance/ppo.py [--json]

TRL 1.12 lives in an environment of its own, which the variable names. A rung of the laboratory is first taught to end
its answers with the end-of-text token, for TRL stops at nothing else. Then both sides answer the same prompts with the
same policy at temperature 1, hold it near the same reference, score by the same model, and take the same optimiser
steps, one for each minibatch; their value functions are their own (a second model there, a head on the policy here).
Rollouts: one answer each to prompts of mixed length, by the rung as it is, whose answers end in "Human:", and by the
taught one. Single precision, one thread, processor seconds; updates by their median, rollouts by the best.
"""

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from sft import PYTHON
from training import cpu_seconds

THEIRS = Path(__file__).with_name("_ppo_trl.py")
BATCH, MINIBATCHES, EPOCHS, MAX_TOKENS, RATE = 64, 4, 1, 48, 1e-6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rung", default="2.6M")
    parser.add_argument("--updates", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--json", action="store_true", help="print processor seconds and tokens for machines")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rung = prepare(folder, options.rung, options.updates)
        found: dict[str, Any] = {}
        for label, model in (("as it is", rung), ("taught", folder / "policy")):
            found[f"rollouts {label}"] = rollouts(Path(model), prompts_of(folder)[0], options.rounds)
        if PYTHON in os.environ:
            updates: dict[str, list[float]] = {"ours": [], "TRL": []}
            for _ in range(options.rounds):
                for side, measure in (("ours", ours), ("TRL", theirs)):
                    seconds, tokens = measure(folder)
                    updates[side] += seconds
                    found[f"tokens {side}"] = tokens
            found["updates"] = {side: statistics.median(seconds) for side, seconds in updates.items()}
    if options.json:
        print(json.dumps(found))
        return
    print(f"{options.rung}, {BATCH} prompts, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    for label in ("as it is", "taught"):
        sides = found[f"rollouts {label}"]
        rates = {side: tokens / seconds for side, (seconds, tokens) in sides.items()}
        told = ", ".join(f"{side} {rate:,.0f}" for side, rate in rates.items())
        print(f"rollouts, {label}: {told} tokens of answers a second, ratio {rates['ours'] / rates['generate']:.2f}")
    if "updates" not in found:
        print(f"updates not measured: set {PYTHON} to the python of an environment that has trl 1.12")
        return
    for side, seconds in found["updates"].items():
        print(f"{side:5} {1 / seconds:6.3f} updates a CPU second, answers of {found[f'tokens {side}']:.1f} tokens")
    print(f"ratio {found['updates']['TRL'] / found['updates']['ours']:.2f}")


def prepare(folder: Path, label: str, updates: int) -> str:
    """The taught policy, a reward model, and prompts for each update; the directory of the rung itself."""
    import torch

    from cai_eval import lab
    from cai_eval.contracts import Published
    from cai_eval.models.ladder import load_ladder
    from cai_eval.models.loading import load_model, load_tokenizer
    from cai_eval.models.scorers import save_scorer
    from cai_eval.training.data import conversations, dialogue_examples, example_batches
    from cai_eval.training.loop import train
    from cai_eval.training.objectives import causal_lm
    from cai_eval.training.optimisation import Optimisation
    from cai_eval.training.policies import save_model
    from cai_eval.training.ppo.turns import draw_turns

    torch.set_num_threads(1)
    laboratory = lab.find("lab")
    source = laboratory.source()
    rung = str(laboratory.model(next(r.model for r in load_ladder("lab").rungs if r.label == label), print))
    model: Any = load_model(rung, device="cpu", dtype="float32")
    tokenizer = load_tokenizer(rung)
    rows = source.rows(Published("conversations", ""))[: 40 * 16]
    examples = dialogue_examples(tokenizer, conversations(rows), 2048)
    lessons = Optimisation(40, 1e-3, warmup=4)
    train(model, example_batches(examples, 16, 0), causal_lm, lessons, folder / "lessons", checkpoint_every=40)
    save_model(model, tokenizer, folder / "policy")
    head = torch.randn(model.config.hidden_size, generator=torch.Generator().manual_seed(0)) / 16
    save_scorer(model, head, 0.0, tokenizer, folder / "reward")
    shares = {"helpful-prompts": 1.0, "red-team-prompts": 1.0}
    work = {
        "turns": draw_turns(source, shares, updates, BATCH, 0, fits=lambda turn: True),
        "batch": BATCH,
        "minibatches": MINIBATCHES,
        "epochs": EPOCHS,
        "max_tokens": MAX_TOKENS,
        "rate": RATE,
    }
    (folder / "work.json").write_text(json.dumps({**work, "prompts": _asked(work["turns"])}), "utf-8")
    return rung


def _asked(turns: Sequence[Sequence[str]]) -> list[list[str]]:
    from cai_eval.dialogue import exchange

    return [[exchange(turn, "dialogue") for turn in some] for some in turns]


def prompts_of(folder: Path) -> list[list[str]]:
    """The human's turns of each update."""
    turns: list[list[str]] = json.loads((folder / "work.json").read_text("utf-8"))["turns"]
    return turns


def rollouts(place: Path, turns: Sequence[str], rounds: int) -> dict[str, tuple[float, int]]:
    """Side → processor seconds for one answer to each turn, and tokens up to the answers' ends."""
    import torch

    from cai_eval.dialogue import STOPS
    from cai_eval.inference.encoding import Encoder
    from cai_eval.models.loading import load_model, load_tokenizer
    from cai_eval.training.ppo.rollouts import Rollouts

    model: Any = load_model(str(place), device="cpu", dtype="float32")
    tokenizer = load_tokenizer(str(place))
    end = tokenizer.eos_token_id
    drawer = Rollouts(model, tokenizer, Encoder(tokenizer), MAX_TOKENS, 0)
    ids = Encoder(tokenizer).prompts([prompt for (prompt,) in _asked([[turn] for turn in turns])])
    longest = max(map(len, ids))
    padded = torch.tensor([[0] * (longest - len(row)) + list(row) for row in ids])
    mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in ids])

    def generate() -> Any:
        return model.generate(
            padded, attention_mask=mask, max_new_tokens=MAX_TOKENS, do_sample=True, top_k=0, pad_token_id=end
        )[:, longest:].tolist()

    def length(row: list[int]) -> int:
        """Tokens of the answer: what stands behind its end is thrown away."""
        for place in range(1, len(row)):
            if row[place - 1] == end or any(stop in tokenizer.decode(row[:place]) for stop in STOPS):
                return place
        return len(row)

    best = {"ours": (float("inf"), 0), "generate": (float("inf"), 0)}
    for number in range(rounds + 1):  # the first is for warming up
        torch.manual_seed(number)
        seconds, groups = cpu_seconds(lambda: drawer.draw(turns, f"round {number}"))  # noqa: B023
        other, rows = cpu_seconds(generate)
        if number:
            mine = (seconds, sum(answer.length for (answer,) in groups))
            its = (other, sum(map(length, rows)))
            best["ours"] = max(best["ours"], mine, key=lambda told: told[1] / told[0])
            best["generate"] = max(best["generate"], its, key=lambda told: told[1] / told[0])
    return best


def ours(folder: Path) -> tuple[list[float], float]:
    """Processor seconds of each update but the first, and tokens an answer."""
    from cai_eval.contracts import PolicySpec, ScorerSpec
    from cai_eval.inference.scorer import LanguageModelScorer
    from cai_eval.models.loading import load_tokenizer
    from cai_eval.models.scorers import load_scorer
    from cai_eval.study.workshop import Models, NodeWorkshop
    from cai_eval.testing import RowsSource
    from cai_eval.training.log import read_log
    from cai_eval.training.ppo import loop
    from cai_eval.training.ppo.updates import Settings

    ticks: list[float] = []

    class Timed(LanguageModelScorer):
        def score_texts(self, prompts: Sequence[str], answers: Sequence[str]) -> list[float]:
            scores = super().score_texts(prompts, answers)
            ticks.append(time.process_time())
            return scores

    place = str(folder / "reward")
    scorer = Timed(ScorerSpec(place, "reward", 1, 2048), load_scorer(place, device="cpu"), load_tokenizer(place))
    policy = PolicySpec(str(folder / "policy"), "policy", 1, 2048)
    settings = Settings(RATE, 0, EPOCHS, MINIBATCHES, MAX_TOKENS, coefficient=0.05)
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        (directory / "best-of-n.json").touch()  # no part of an update; and TRL saves nothing
        loop.CHECKPOINTS = 1
        workshop = NodeWorkshop(directory, 0, RowsSource(), Models(device="cpu"), lambda done, total, note: None)
        loop.train_ppo(policy, policy, scorer, None, prompts_of(folder), settings, workshop)
        told = [entry["evaluation"] for entry in read_log(directory / "log.jsonl") if "evaluation" in entry]
    seconds = [after - before for before, after in pairwise(ticks)]
    return seconds, statistics.mean(values["length"] for values in told)


def theirs(folder: Path) -> tuple[list[float], float]:
    """As `ours`, in TRL's environment."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    command = [os.environ[PYTHON], str(THEIRS), str(folder)]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    told = json.loads(done.stdout.splitlines()[-1])
    return told["seconds"], told["tokens"]


if __name__ == "__main__":
    main()
