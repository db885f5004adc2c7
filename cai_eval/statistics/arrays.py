"""What every function here accepts."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def finite(values: ArrayLike) -> Array:
    """A one-dimensional float array. Raises ValueError where it is empty or holds NaN or infinity."""
    array = np.asarray(values, dtype=float)
    if array.ndim != 1 or array.size == 0:
        raise ValueError(f"needs a non-empty one-dimensional array, not shape {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError("values must be finite: drop items without a score first")
    return array
