"""Trends in what a long run measures. Pure."""

from __future__ import annotations

import dataclasses
import math
import re
import statistics

SIGNIFICANT = 3.0  # standard errors


@dataclasses.dataclass
class Trend:
    """A straight line through the samples."""

    median: float
    per_second: float
    error_per_second: float  # of the slope
    seconds: float

    @classmethod
    def of(cls, times: list[float], values: list[float]) -> "Trend":
        seconds = times[-1] - times[0]
        slope, begin = statistics.linear_regression(times, values)
        left = sum((value - begin - slope * time) ** 2 for time, value in zip(times, values))
        spread = sum((time - statistics.fmean(times)) ** 2 for time in times)
        error = math.sqrt(left / max(len(times) - 2, 1) / spread)
        return cls(statistics.median(values), slope, error, seconds)

    @property
    def growth(self) -> float:
        """Over the whole time."""
        return self.per_second * self.seconds

    def rises(self, allowed: float) -> bool:
        """By more than allowed, and not by chance."""
        return self.growth > allowed and self.per_second > SIGNIFICANT * self.error_per_second


def quantile(histogram: str, before: dict[str, float], after: dict[str, float], q: float) -> float | None:
    """Of the observations between two samples of a histogram's buckets; None without any."""
    bucket = re.compile(rf'^{histogram}_bucket\{{le="([^"]+)"\}}$')
    counts = sorted(
        (math.inf if found[1] == "+Inf" else float(found[1]), value - before.get(name, 0.0))
        for name, value in after.items()
        if (found := bucket.match(name))
    )
    if not counts or counts[-1][1] <= 0:
        return None
    wanted = q * counts[-1][1]
    low, below = 0.0, 0.0
    for high, count in counts:
        if count >= wanted:
            if math.isinf(high):
                return low
            return low + (high - low) * (wanted - below) / (count - below)
        low, below = high, count
    return low
