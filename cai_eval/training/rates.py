"""Learning rates where a config names none.

Those for small models were found in the laboratory, whose ladder ends at a few million parameters. Those for others are
from the literature and have been tried on nothing here: 3e-6 for fine-tuning, reward models and PPO on Pythia 1B to
6.9B (Huang et al. 2024, arXiv 2403.17031), 2e-5 for fine-tuning Llama 2 (Touvron et al. 2023), a hundredth of the
pretraining's for preference models and PPO (Bai et al. 2022a, §4.1 and A.2). The larger a model, the less it bears.
"""

from __future__ import annotations

SMALL = 10_000_000  #: non-embedding parameters of a model, at most, that bears the laboratory's rates


def usual_rate(parameters: int, small: float, other: float) -> float:
    """`small` for a model of at most `SMALL` non-embedding parameters, else `other`."""
    return small if parameters <= SMALL else other
