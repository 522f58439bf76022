"""The pieces of protobuf's wire format."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import ExponentialHistogramDataPoint

from capibara_otel.pipeline.otlp.wire import fields, signed_varint, sized, text, varint, zigzag

RELAXED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@RELAXED
@given(st.one_of(st.integers(0, 2000), st.integers(0, 2**64 - 1)))
def test_numbers_are_read_back(value: int) -> None:
    """A number is written in as few bytes as it takes, and read again."""
    written = varint(value)
    assert len(written) == max(1, -(-value.bit_length() // 7))
    assert list(fields(b"\x08" + written)) == [(1, value)]


@pytest.mark.parametrize("value", [-1, 2**64])
def test_numbers_that_have_no_form_are_refused(value: int) -> None:
    """What does not fit is not written as something else."""
    with pytest.raises(ValueError, match="64 bits"):
        varint(value)


@RELAXED
@given(st.integers(-(2**63), 2**63 - 1))
def test_signed_numbers_are_protobufs(value: int) -> None:
    """Negative numbers are written as protobuf does it."""
    assert b"\x18" + signed_varint(value) == AnyValue(int_value=value).SerializeToString()


@RELAXED
@given(st.integers(-(2**31), 2**31 - 1).filter(bool))
def test_zigzag_is_protobufs(value: int) -> None:
    """Numbers around zero are written as protobuf does it."""
    assert b"\x30" + zigzag(value) == ExponentialHistogramDataPoint(scale=value).SerializeToString()


@RELAXED
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_texts_are_protobufs(value: str) -> None:
    """Text is written in UTF-8 with its length before it."""
    assert b"\x0a" + sized(text(value)) == KeyValue(key=value).SerializeToString()
