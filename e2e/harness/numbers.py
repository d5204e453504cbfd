"""What many measurements come to."""

from __future__ import annotations

import statistics
from collections.abc import Sequence


def percentiles(values: Sequence[float]) -> tuple[float, float]:
    """The median and the 99th percentile; of fewer than a hundred that is the greatest."""
    ordered = sorted(values)
    return statistics.median(ordered), ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
