"""pass@k: the chance that at least one of k samples passes."""

from __future__ import annotations

from math import comb


def pass_at_k(samples: int, passed: int, k: int) -> float:
    """The unbiased estimate from `samples` independent ones of which `passed` passed (Chen et al. 2021, eq. 1).

    One minus the share of all sets of k samples that hold none that passed. Raises ValueError unless
    0 <= passed <= samples and 1 <= k <= samples.
    """
    if not 0 <= passed <= samples or not 1 <= k <= samples:
        raise ValueError(f"pass@{k} cannot be estimated from {passed} of {samples} samples")
    subsets = comb(samples, k)
    return (subsets - comb(samples - passed, k)) / subsets
