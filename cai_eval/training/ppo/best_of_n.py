"""Best-of-n sampling, the baseline of reinforcement learning: what choosing among n answers of a policy gains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import comb, log
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def expected_best(scores: NDArray[np.float64], by: NDArray[np.float64], n: int) -> float:
    """The mean score of the answer that is best `by` another one (or the same) among n of the answers, over prompts.

    scores, by: [prompts, answers], answers ≥ n. Unbiased: the mean over all subsets of n answers.
    """
    answers = by.shape[1]
    weights = np.array([comb(place, n - 1) / comb(answers, n) for place in range(answers)])
    ranked = np.take_along_axis(scores, np.argsort(by, axis=1, kind="stable"), axis=1)
    return float((ranked @ weights).mean())


def curves(
    reward: NDArray[np.float64], held_out: NDArray[np.float64] | None, ns: Sequence[int]
) -> Mapping[str, list[float]]:
    """For each n: the scores of the answer with the highest reward, and how far choosing it is from sampling.

    kl: log n − (n − 1)/n nats, that of best-of-n from the policy without ties; log_n: log n, which Bai et al. 2022a
    (§4.2) put in its place.
    """
    scores = {"reward": reward} if held_out is None else {"reward": reward, "held_out": held_out}
    return {
        "n": [*ns],
        "kl": [log(n) - (n - 1) / n for n in ns],
        "log_n": [log(n) for n in ns],
        **{name: [expected_best(values, reward, n) for n in ns] for name, values in scores.items()},
    }
