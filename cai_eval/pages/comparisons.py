"""The numbers that pages show: scores and taxes with their intervals."""

from cai_eval.pages.scores import primary, scores
from cai_eval.pages.taxes import taxes

__all__ = ["primary", "scores", "taxes"]
