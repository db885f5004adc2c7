"""Measure what alignment bought a language model, and what it cost."""

__version__ = "0.1.0"
