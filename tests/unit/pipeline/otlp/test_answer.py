"""What receivers answer."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from google.protobuf.any_pb2 import Any as AnyMessage  # type: ignore[import-untyped]
from google.protobuf.duration_pb2 import Duration  # type: ignore[import-untyped]
from google.rpc.error_details_pb2 import DebugInfo, RetryInfo  # type: ignore[import-untyped]
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsPartialSuccess,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from capibara_otel.pipeline.otlp.answer import Answer, Refusal, read_answer, read_refusal, read_retry_info
from capibara_otel.pipeline.otlp.wire import fields

RELAXED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

FIELDS = {
    ExportTraceServiceResponse: "rejected_spans",
    ExportMetricsServiceResponse: "rejected_data_points",
    ExportLogsServiceResponse: "rejected_log_records",
}


@RELAXED
@pytest.mark.parametrize("response", FIELDS)
@given(st.integers(0, 2**63 - 1), st.text(st.characters(exclude_categories=["Cs"])))
def test_a_partial_success_is_read(response: Any, rejected: int, message: str) -> None:
    """In every signal's response the number and the message are found."""
    body = response(partial_success={FIELDS[response]: rejected, "error_message": message}).SerializeToString()
    assert read_answer(body) == Answer(rejected, message)


@pytest.mark.parametrize(
    "body", [b"", b"\x0a", b"\x0a\x05\x08", b"\xff" * 20, b"\x0b", b"\x08\x01", b"\x0a\x02\x08\x80", b"hello", b"{}"]
)
def test_what_is_no_response_says_nothing(body: bytes) -> None:
    """A response that is empty, cut off or none at all is a plain success."""
    assert read_answer(body) == Answer()


def test_a_negative_number_of_rejected_items_is_none() -> None:
    """What makes no sense changes no count."""
    said = ExportLogsPartialSuccess(rejected_log_records=-5)
    body = ExportLogsServiceResponse(partial_success=said).SerializeToString()
    assert read_answer(body).rejected == 0


def test_fields_that_are_not_known_are_passed_over() -> None:
    """Responses of later versions are read as far as they are known, whatever types their new fields have."""
    body = b"\x49" + b"\x00" * 8 + b"\x55" + b"\x00" * 4 + b"\x7a\x01x" + b"\x0a\x05\x08\x07\x1a\x01x" + b"\x50\x05"
    assert read_answer(body) == Answer(7)


def status(*details: Any, message: str = "no") -> bytes:
    """Return a status with details."""
    packed = [AnyMessage() for _ in details]
    for empty, detail in zip(packed, details, strict=True):
        empty.Pack(detail)
    return bytes(Status(code=8, message=message, details=packed).SerializeToString())


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (status(), Refusal("no")),
        (status(RetryInfo(retry_delay=Duration(seconds=3, nanos=250_000_000))), Refusal("no", 3.25)),
        (status(DebugInfo(detail="x"), RetryInfo(retry_delay=Duration(nanos=1_000_000))), Refusal("no", 0.001)),
        (status(DebugInfo(detail="x")), Refusal("no")),
        (status(RetryInfo()), Refusal("no")),
        (status(RetryInfo(retry_delay=Duration(seconds=-3))), Refusal("no", 0.0)),
        (b"\x12\xff", Refusal()),
        (b"", Refusal()),
    ],
)
def test_a_refusal_is_read(body: bytes, expected: Refusal) -> None:
    """The reason is found, and the time to wait where one of the details names it."""
    assert read_refusal(body) == expected


@RELAXED
@given(st.binary(max_size=40))
def test_any_bytes_can_be_read(body: bytes) -> None:
    """Whatever comes back, reading it ends, and raises nothing but what is promised."""
    assert read_answer(body).rejected >= 0
    assert isinstance(read_refusal(body), Refusal)
    with suppress(ValueError):
        assert all(field >= 0 for field, _ in fields(body))
    with suppress(ValueError):
        assert (read_retry_info(body) or 0) >= 0
