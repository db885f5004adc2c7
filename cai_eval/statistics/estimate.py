"""A number with its uncertainty."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Estimate:
    """A point estimate with a confidence interval.

    value, low, high, se: in the unit of the data; NaN where the data cannot say, and then `method` says why.
    df: effective degrees of freedom of `se`. n: items. clusters: distinct clusters among them.
    method: how low and high were found, for people.
    """

    value: float
    low: float
    high: float
    se: float
    df: float
    n: int
    clusters: int
    method: str
