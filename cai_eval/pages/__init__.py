"""The report page and the house style of its figures. No model is needed here, and no torch."""

from cai_eval.pages.page import build

__all__ = ["build"]
