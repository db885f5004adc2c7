"""Paired, clustered statistics: numpy arrays in, frozen dataclasses out. Pure; only numpy and scipy.special."""

from cai_eval.statistics.estimate import Estimate
from cai_eval.statistics.intervals import difference_interval, mean_interval
from cai_eval.statistics.loss import Level, Loss, items_to_settle, loss_of_method, loss_of_weights
from cai_eval.statistics.ratio import above_chance, relative_loss
from cai_eval.statistics.resampling import bootstrap, sign_flip
from cai_eval.statistics.seeds import seeded_difference
from cai_eval.statistics.significance import benjamini_hochberg, mcnemar, minimum_detectable_effect
from cai_eval.statistics.trends import trend

__all__ = [
    "Estimate",
    "Level",
    "Loss",
    "above_chance",
    "benjamini_hochberg",
    "bootstrap",
    "difference_interval",
    "items_to_settle",
    "loss_of_method",
    "loss_of_weights",
    "mcnemar",
    "mean_interval",
    "minimum_detectable_effect",
    "relative_loss",
    "seeded_difference",
    "sign_flip",
    "trend",
]
