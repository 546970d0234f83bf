"""
Numbers made of samples.
"""

from __future__ import annotations

import math
from collections.abc import Sequence


def quantile(samples: Sequence[float], share: float) -> float:
    """
    Return the smallest sample that is not exceeded by a share of all.

    @param share: More than 0, and at most 1.
    @raise ValueError: There are no samples.
    """
    if not samples:
        raise ValueError("there are no samples")
    return sorted(samples)[math.ceil(share * len(samples)) - 1]


def unevenness(counts: Sequence[int]) -> float:
    """
    Return how far the largest and the smallest count are apart, as a share of their mean.

    @raise ValueError: The sum is 0.
    """
    if not sum(counts):
        raise ValueError("there is nothing to compare")
    return (max(counts) - min(counts)) * len(counts) / sum(counts)
