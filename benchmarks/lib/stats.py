"""Medians, spreads and ratios of rounds."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Summary:
    """What some rounds say together."""

    median: float
    low: float
    """The lower quartile; the least of fewer than four rounds."""
    high: float
    """The upper quartile; the most of fewer than four rounds."""
    rounds: int


def summary(values: Sequence[float]) -> Summary:
    """Return median and quartiles of at least one value."""
    low, high = min(values), max(values)
    if len(values) > 3:  # noqa: PLR2004 - quartiles of three values say no more than their ends
        low, _, high = statistics.quantiles(values, n=4)
    return Summary(statistics.median(values), low, high, len(values))


def ratio(theirs: Sequence[float], ours: Sequence[float]) -> float:
    """Return the median of the rounds' own ratios, which the machine's moods hit less than a ratio of medians."""
    pairs = list(zip(theirs, ours, strict=False))
    if any(own <= 0 for _, own in pairs):
        own = statistics.median(ours)
        return statistics.median(theirs) / own if own > 0 else float("inf")
    return statistics.median(their / own for their, own in pairs)


def percentile(values: Sequence[float], percent: float) -> float:
    """Return a percentile by the nearest rank."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(len(ranked) * percent / 100))]
