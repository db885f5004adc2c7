"""PPO of a tiny model, killed where one says and at random instants, before it is left to end.

    python killed_ppo.py FOLDER [PLACE ...]

The model is FOLDER/model; the result lies in FOLDER/node. Each PLACE is a fork that is killed there, in this order:
scoring (an update's answers are drawn), learning (some of an update's steps are done), anywhere (some time after its
start). Without any, torchrun may start it as well.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dying import die, run

from cai_eval.contracts import PolicySpec, ScorerSpec
from cai_eval.models.fingerprint import fingerprint
from cai_eval.study.workshop import Models, NodeWorkshop
from cai_eval.testing import RowsSource
from cai_eval.trainers.ppo import PPO
from cai_eval.training.ppo import updates
from cai_eval.training.ppo.updates import Updates

SOURCE = RowsSource(
    {"helpful-prompts": [{"id": str(n), "prompt": "Why? " * (1 + n % 5), "kind": "benign"} for n in range(20)]}
)
CONFIG = {"updates": 5, "batch": 8, "minibatches": 4, "rate": 1e-3, "max_tokens": 8, "kl_target": 0.1}
SCORER = ScorerSpec("letters", "letters", 1, 512)
updates.MICRO_TOKENS = 40  # so that a step has several micro-batches


class Letters:
    """The number of an answer's letters."""

    spec = SCORER

    def score_texts(self, prompts: Sequence[str], answers: Sequence[str]) -> list[float]:
        return [float(sum(map(str.isalpha, answer))) for answer in answers]


class Workshop(NodeWorkshop):
    def scorer(self, spec: ScorerSpec) -> Any:
        return Letters()


def work(folder: Path) -> None:
    import torch

    torch.set_num_threads(1)
    os.environ["CAI_EVAL_CACHE"] = str(folder / "cache")
    model = str(folder / "model")
    start = PolicySpec(model, fingerprint(model), 1000, 512)
    workshop = Workshop(folder / "node", 0, SOURCE, Models(device="cpu"), lambda done, total, note: None)
    PPO(PPO.Config(**CONFIG)).run({"start": start, "reward": SCORER}, workshop)


def die_scoring() -> None:
    score, calls = Letters.score_texts, 0

    def dying(self: Letters, prompts: Sequence[str], answers: Sequence[str]) -> list[float]:
        nonlocal calls
        calls += 1
        if calls == 4:  # the best of n comes first
            die()
        return score(self, prompts, answers)

    Letters.score_texts = dying  # type: ignore[method-assign]


def die_learning() -> None:
    batches = Updates.batches

    def dying(self: Updates, step: int) -> Any:
        if step == 4 * 4 + 2:
            die()
        return batches(self, step)

    Updates.batches = dying  # type: ignore[method-assign]


PLACES = {"scoring": die_scoring, "learning": die_learning, "anywhere": lambda: None}


if __name__ == "__main__":
    run(Path(sys.argv[1]), sys.argv[2:], PLACES, work)
