"""Buckets of base-2 exponential histograms.

At scale s the base is 2 ** 2 ** -s, and bucket i holds what is above base ** i and not above base ** (i + 1).
OpenTelemetry's data model of metrics, exponential histograms; the same indexes as the official SDK's.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from math import floor, frexp, ldexp, log
from typing import Final

_SMALLEST_NORMAL: Final = sys.float_info.min
_LARGEST: Final = sys.float_info.max
_LOWEST_EXPONENT: Final = -1022
_END: Final = 1024
"""No number is as large as two to this power."""
_POWER_OF_TWO: Final = 0.5
"""The mantissa of a power of two, as `frexp` has it; such a number belongs to the bucket that it ends."""
_FACTORS: Final = tuple(ldexp(1 / log(2), scale) for scale in range(21))


class Buckets:
    """Counts of a range of buckets. Its thread counts in place, and makes a new one where the range or scale changes.

    Args:
        scale: -10 to 20.
        offset: index of the first bucket.
        counts: of each bucket.
    """

    __slots__ = ("counts", "offset", "scale")

    def __init__(self, scale: int, offset: int = 0, counts: Sequence[int] = ()) -> None:
        self.scale: Final = scale
        self.offset: Final = offset
        self.counts: Final = list(counts)

    def copy(self) -> Buckets:
        """Return a copy that does not grow."""
        return Buckets(self.scale, self.offset, self.counts)

    def covering(self, index: int) -> Buckets:
        """Return buckets with the same counts and room for an index."""
        if not self.counts:
            return Buckets(self.scale, index, (0,))
        before = max(0, self.offset - index)
        after = max(0, index - self.offset - len(self.counts) + 1)
        return Buckets(self.scale, self.offset - before, [0] * before + self.counts + [0] * after)

    def coarser(self, by: int) -> Buckets:
        """Return the same counts at a scale lower by so many."""
        if not self.counts:
            return Buckets(self.scale - by)
        offset = self.offset >> by
        counts = [0] * (((self.offset + len(self.counts) - 1) >> by) - offset + 1)
        for index, count in enumerate(self.counts, self.offset):
            counts[(index >> by) - offset] += count
        return Buckets(self.scale - by, offset, counts)

    def plus(self, other: Buckets, sign: int = 1) -> Buckets:
        """Return the counts with those of other buckets of the same scale added.

        Args:
            other: what to add.
            sign: -1 to subtract.
        """
        if not other.counts:
            return self
        if not self.counts:
            return Buckets(self.scale, other.offset, [sign * count for count in other.counts])
        result = self.covering(other.offset).covering(other.offset + len(other.counts) - 1)
        for index, count in enumerate(other.counts, other.offset - result.offset):
            result.counts[index] += sign * count
        return result

    def trimmed(self) -> Buckets:
        """Return the counts without empty buckets at either end."""
        filled = [index for index, count in enumerate(self.counts) if count]
        if not filled:
            return Buckets(self.scale)
        return Buckets(self.scale, self.offset + filled[0], self.counts[filled[0] : filled[-1] + 1])


def excess(low: int, high: int, max_size: int) -> int:
    """Return by how much the scale has to fall until a range of indexes takes at most so many buckets."""
    by = 0
    while (high >> by) - (low >> by) >= max_size:
        by += 1
    return by


def index_of(value: float, scale: int) -> int:
    """Return the bucket of a value.

    Args:
        value: positive and finite; below the smallest normal number it counts as that.
        scale: -10 to 20.
    """
    if value > _LARGEST:  # noqa: PLR1730 - an int may be, hardly any is, and `min` takes longer than the rest
        value = _LARGEST
    mantissa, exponent = frexp(value)
    if scale > 0:
        if value <= _SMALLEST_NORMAL:
            return (_LOWEST_EXPONENT << scale) - 1
        if mantissa == _POWER_OF_TWO:
            return ((exponent - 1) << scale) - 1
        index = floor(log(value) * _FACTORS[scale])
        return index if index < _END << scale else (_END << scale) - 1
    if value < _SMALLEST_NORMAL:
        return (_LOWEST_EXPONENT >> -scale) - (scale > -2)  # noqa: PLR2004 - there 2 ** -1022 is a power of the base
    return (exponent - 1 - (mantissa == _POWER_OF_TWO)) >> -scale


def fitted(every: Iterable[tuple[Buckets, Buckets]], max_size: int) -> tuple[Buckets, Buckets]:
    """Return the sums of positive and of negative buckets, at the finest scale at which both fit.

    Args:
        every: positive and negative buckets, of any scales.
        max_size: most buckets of each.
    """
    pairs = [pair for pair in every if pair[0].counts or pair[1].counts]
    if len(pairs) == 1:
        return pairs[0]
    scale = min((each.scale for pair in pairs for each in pair if each.counts), default=0)
    # The scale first: at a fine one, far values are millions of buckets apart.
    by = max(_excess([pair[side].coarser(pair[side].scale - scale) for pair in pairs], max_size) for side in (0, 1))
    positive = negative = Buckets(scale - by)
    for pair in pairs:
        positive = positive.plus(pair[0].coarser(pair[0].scale - scale + by))
        negative = negative.plus(pair[1].coarser(pair[1].scale - scale + by))
    return positive, negative


def _excess(every: Iterable[Buckets], max_size: int) -> int:
    filled = [each for each in every if each.counts]
    if not filled:
        return 0
    return excess(
        min(each.offset for each in filled), max(each.offset + len(each.counts) - 1 for each in filled), max_size
    )
