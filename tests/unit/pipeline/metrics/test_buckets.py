"""Buckets of exponential histograms."""

from __future__ import annotations

import sys
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.metrics._internal.exponential_histogram.mapping.exponent_mapping import ExponentMapping
from opentelemetry.sdk.metrics._internal.exponential_histogram.mapping.logarithm_mapping import LogarithmMapping

from capibara_otel.pipeline.metrics.buckets import Buckets, excess, fitted, index_of
from capibara_otel.pipeline.metrics.reader import Reader
from capibara_otel.pipeline.metrics.views import ExponentialBuckets
from tests.unit.pipeline.metrics.reading import in_span, point, reader_and

positive = st.one_of(
    st.floats(min_value=0, exclude_min=True, allow_infinity=False, allow_nan=False),
    st.integers(-1074, 1023).map(lambda power: 2.0**power),
    st.sampled_from([sys.float_info.min, sys.float_info.max, 5e-324, 1.0]),
)


@settings(deadline=None, max_examples=500)
@given(positive, st.integers(-10, 20))
def test_indexes_are_those_of_the_sdk(value: float, scale: int) -> None:
    """At each scale, each number is in the bucket in which the official SDK has it."""
    mapping = ExponentMapping(scale) if scale <= 0 else LogarithmMapping(scale)
    assert index_of(value, scale) == mapping.map_to_index(value)


def test_numbers_beyond_floats_are_the_largest() -> None:
    """An int that no float can hold is in the last bucket."""
    assert index_of(10**400, 0) == index_of(sys.float_info.max, 0) == 1023


counted = st.builds(
    Buckets,
    st.just(3),
    st.integers(-50, 50),
    st.lists(st.integers(0, 5), max_size=20),
)


@given(counted, st.integers(0, 6))
def test_coarser_buckets_hold_the_same(buckets: Buckets, by: int) -> None:
    """Each count moves to the bucket that covers its own at the lower scale."""
    expected: dict[int, int] = {}
    for index, count in enumerate(buckets.counts, buckets.offset):
        expected[index >> by] = expected.get(index >> by, 0) + count
    found = buckets.coarser(by)
    assert found.scale == 3 - by
    assert {index: count for index, count in enumerate(found.counts, found.offset) if count} == {
        index: count for index, count in expected.items() if count
    }


@given(counted, counted)
def test_buckets_add_up(first: Buckets, second: Buckets) -> None:
    """Adding and subtracting the same leaves what was there."""
    both = first.plus(second)
    assert sum(both.counts) == sum(first.counts) + sum(second.counts)
    back, before = both.plus(second, -1).trimmed(), first.trimmed()
    assert (back.offset, back.counts) == (before.offset, before.counts) or not before.counts
    assert sum(back.counts) == sum(before.counts)


@given(st.lists(st.tuples(counted, counted), max_size=4), st.sampled_from([2, 5, 160]))
def test_sums_fit(every: list[tuple[Buckets, Buckets]], size: int) -> None:
    """What threads have counted adds up within the size, at one scale."""
    every = [tuple(side.coarser(excess(side.offset, side.offset + 19, size)) for side in pair) for pair in every]  # type: ignore[misc]
    every = [pair for pair in every if pair[0].scale == pair[1].scale]
    sides = fitted(every, size)
    assert sides[0].scale == sides[1].scale
    for index, side in enumerate(sides):
        assert sum(side.counts) == sum(sum(pair[index].counts) for pair in every)
        assert len(side.counts) <= size


def test_threads_with_other_scales_add_up() -> None:
    """Threads whose values have other ranges, and so other scales, make one histogram."""
    reader, histogram = reader_and(
        lambda made: made.get_meter("m").create_histogram("h"),
        Reader(aggregation={"histogram": ExponentialBuckets(max_size=4)}),
    )
    histogram.record(1)
    threads = [threading.Thread(target=histogram.record, args=(value,)) for value in (1.001, 1000, 0)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = point(reader.collect(), "h")
    assert (found.count, found.zero_count, found.minimum, found.maximum) == (4, 1, 0, 1000)
    assert (found.scale, found.positive_offset, found.positive_counts) == (-2, -1, [1, 1, 0, 1])


@pytest.mark.parametrize("value", [0.001, 1, 900])
def test_each_power_of_two_has_an_exemplar(value: float) -> None:
    """A series shows the first of each power of two, up to 20."""
    reader, histogram = reader_and(
        lambda made: made.get_meter("m").create_histogram("h"),
        Reader(aggregation={"histogram": ExponentialBuckets()}),
    )
    for step in range(4):
        for trace_id in (1, 2):
            with in_span(trace_id):
                histogram.record(value * 2**step)
    found = point(reader.collect(), "h").exemplars
    assert {(each.value, each.trace_id) for each in found} == {(value * 2**step, 1) for step in range(4)}
