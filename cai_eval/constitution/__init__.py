"""Constitutions (Bai et al. 2022b): principles, the examples shown with them, and how all of it is put to a model."""

from cai_eval.constitution.loading import constitution_path, load_constitution, names, seal
from cai_eval.constitution.prompting import Step
from cai_eval.constitution.schema import ComparisonExample, Constitution, CritiqueExample, Principle
from cai_eval.constitution.templates import Templates

__all__ = [
    "ComparisonExample",
    "Constitution",
    "CritiqueExample",
    "Principle",
    "Step",
    "Templates",
    "constitution_path",
    "load_constitution",
    "names",
    "seal",
]
