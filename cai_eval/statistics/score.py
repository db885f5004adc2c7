"""Score intervals for proportions and for differences of paired proportions, at a sample size that may be a fraction.

They never collapse to a point, also where nothing was seen.
"""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt


def wilson(p: float, n: float, z: float) -> tuple[float, float]:
    """Ends of Wilson's interval (1927) for a proportion p of n, at z standard errors."""
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * sqrt(p * (1 - p) / n + (z / (2 * n)) ** 2) / (1 + z * z / n)
    return min(p, max(0.0, centre - half)), max(p, min(1.0, centre + half))  # at p = 0 and 1 rounding would leave p out


def tango(gained: float, lost: float, n: float, z: float) -> tuple[float, float]:
    """Ends of Tango's interval (1998) for `gained − lost`, proportions of n pairs, at z standard errors."""
    difference = gained - lost

    def distance(delta: float) -> float:
        """Standard errors between `delta` and the difference seen, the error taken as if `delta` were true."""
        slope = (2 - difference) * delta - gained - lost
        lost_if = (sqrt(max(0.0, slope * slope + 8 * lost * delta * (1 - delta))) - slope) / 4
        variance = max(0.0, 2 * lost_if + delta * (1 - delta)) / n
        return abs(difference - delta) / sqrt(variance) if variance > 0 else float(delta != difference) * float("inf")

    return _where(distance, z, difference, -1.0), _where(distance, z, difference, 1.0)


def _where(distance: Callable[[float], float], z: float, inside: float, outside: float) -> float:
    """The point between `inside` and `outside` at which `distance` reaches z, by bisection to 1e-12."""
    while abs(outside - inside) > 1e-12:
        middle = (inside + outside) / 2
        inside, outside = (inside, middle) if distance(middle) > z else (middle, outside)
    return inside
