"""The bytes mean what the official encoder's bytes mean."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DataObject
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage
from opentelemetry.sdk.metrics import export as official
from opentelemetry.trace import SpanKind

from capibara_otel.pipeline.logs.record import Record
from capibara_otel.pipeline.metrics.data import Collection, Metric, NumberPoint, ScopeMetrics, Series
from capibara_otel.pipeline.otlp import common, logs, metrics, traces
from capibara_otel.pipeline.scope import Resource, Scope
from tests.support.otlp_pairs import Span, a_span, collection_pairs, record_pairs, resources, scope_lists, span_pairs

RELAXED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

SCOPE = Scope("s")
HERE = Resource()


def a_record(**changed: Any) -> Record:
    """Return a log record with little in it."""
    little: dict[str, Any] = {"severity_text": "", "body": None, "attributes": {}, "event_name": "", "scope": SCOPE}
    numbers = dict.fromkeys(
        ("time_ns", "observed_ns", "severity_number", "dropped_attributes", "trace_id", "span_id", "flags"), 0
    )
    return Record(**{**numbers, **little, **changed})


def a_sum(*values: float, count: int = 1) -> Collection:
    """Return a collection of some equal sums, with a point for each value."""
    points = [NumberPoint(Series({}), 1, 2, value) for value in values]
    sums = [Metric("m", "", "", "sum", "delta", monotonic=True, points=points) for _ in range(count)]
    return Collection(HERE, [ScopeMetrics(SCOPE, sums)])


def written_spans(*spans: Span, **options: Any) -> list[SpanMessage]:
    """Return spans as a receiver reads them."""
    request = ExportTraceServiceRequest.FromString(traces.encode(spans, HERE, **options))
    return [span for resource in request.resource_spans for scope in resource.scope_spans for span in scope.spans]


def written_records(*records: Record, **options: Any) -> list[LogRecord]:
    """Return log records as a receiver reads them."""
    request = ExportLogsServiceRequest.FromString(logs.encode(records, HERE, **options))
    return [
        record for resource in request.resource_logs for scope in resource.scope_logs for record in scope.log_records
    ]


@RELAXED
@given(st.data())
def test_spans_are_what_the_official_encoder_makes_of_them(data: DataObject) -> None:
    """Any spans in any scopes give the message that the official encoder builds, field by field."""
    resource, theirs = data.draw(resources())
    pairs = [
        pair
        for scope in data.draw(scope_lists())
        for pair in data.draw(st.lists(span_pairs(scope), min_size=1, max_size=3))
    ]
    for _, span in pairs:
        span.resource = theirs
    ours = ExportTraceServiceRequest.FromString(traces.encode([span for span, _ in pairs], resource))
    assert ours == encode_spans([span for _, span in pairs])


@RELAXED
@given(st.data())
def test_log_records_are_what_the_official_encoder_makes_of_them(data: DataObject) -> None:
    """Any records in any scopes give the message that the official encoder builds, field by field."""
    resource, theirs = data.draw(resources())
    pairs = [
        pair
        for scope in data.draw(scope_lists())
        for pair in data.draw(st.lists(record_pairs(scope), min_size=1, max_size=3))
    ]
    for _, record in pairs:
        record.resource = theirs
    ours = ExportLogsServiceRequest.FromString(logs.encode([record for record, _ in pairs], resource))
    assert ours == encode_logs([record for _, record in pairs])


@RELAXED
@given(collection_pairs())
def test_metrics_are_what_the_official_encoder_makes_of_them(pair: tuple[Collection, official.MetricsData]) -> None:
    """Any collection gives the message that the official encoder builds, and gives it again the second time."""
    collection, theirs = pair
    for _ in range(2):
        assert ExportMetricsServiceRequest.FromString(metrics.encode(collection)) == encode_metrics(theirs)


def test_spans_of_one_scope_object_stand_together() -> None:
    """Spans are grouped by the scope they have, in the order of their first span, and keep their order in it."""
    first, second = Scope("a"), Scope("b")
    spans = [a_span(name=name, scope=scope) for name, scope in [("1", first), ("2", second), ("3", first)]]
    request = ExportTraceServiceRequest.FromString(traces.encode(spans, HERE))
    (resource,) = request.resource_spans
    assert [(group.scope.name, [span.name for span in group.spans]) for group in resource.scope_spans] == [
        ("a", ["1", "3"]),
        ("b", ["2"]),
    ]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (2**63, AnyValue(string_value="9223372036854775808")),
        (-(2**63) - 1, AnyValue(string_value="-9223372036854775809")),
        ("a\ud800b", AnyValue(string_value="a\\ud800b")),
        (math.inf, AnyValue(double_value=math.inf)),
        (frozenset({"x"}), AnyValue(array_value=ArrayValue(values=[AnyValue(string_value="x")]))),
        (SpanKind.CLIENT, AnyValue(string_value="SpanKind.CLIENT")),
        ({1: True}, AnyValue(kvlist_value=KeyValueList(values=[KeyValue(key="1", value=AnyValue(bool_value=True))]))),
        (bytearray(b"\x01"), AnyValue(bytes_value=b"\x01")),
        (
            (True, 1, 1.0),
            AnyValue(
                array_value=ArrayValue(
                    values=[AnyValue(bool_value=True), AnyValue(int_value=1), AnyValue(double_value=1)]
                )
            ),
        ),
    ],
)
def test_what_otlp_has_no_type_for_becomes_its_text(value: object, expected: AnyValue) -> None:
    """No value is lost for its type: numbers past 64 bits, lone surrogates and foreign objects are written as text."""
    (span,) = written_spans(a_span(values={"key": value}))
    (record,) = written_records(a_record(body=value))
    assert span.attributes[0].value == expected
    assert record.body == expected


def test_a_foreign_object_that_cannot_be_a_text_is_named() -> None:
    """A value whose class fails when asked for its text is written as the name of the class."""

    class Silent:
        def __str__(self) -> str:
            raise RuntimeError("not now")

    (span,) = written_spans(a_span(values={"key": Silent()}))
    assert span.attributes[0].value == AnyValue(string_value="<Silent>")


def test_not_a_number_stays_what_it_is() -> None:
    """NaN, which equals nothing, arrives as NaN, in attributes and in points."""
    (span,) = written_spans(a_span(values={"key": math.nan}))
    request = ExportMetricsServiceRequest.FromString(metrics.encode(a_sum(math.nan)))
    assert math.isnan(span.attributes[0].value.double_value)
    assert math.isnan(request.resource_metrics[0].scope_metrics[0].metrics[0].sum.data_points[0].as_double)


def test_equal_keys_of_different_types_are_not_mixed_up() -> None:
    """1, 1.0, True and "1" under one key are four values, whatever was written before."""
    spans = [a_span(values={"key": value}) for value in (1, 1.0, True, "1", 1, True)]
    kinds = [span.attributes[0].value.WhichOneof("value") for span in written_spans(*spans)]
    assert kinds == ["int_value", "double_value", "bool_value", "string_value", "int_value", "bool_value"]


def test_what_is_nested_too_deep_ends_with_an_ellipsis() -> None:
    """Receivers refuse a whole request for one value that nests too deep, so it is cut; a value within itself too."""
    deep: list[Any] = []
    deep.append(deep)
    wide: dict[str, Any] = {}
    wide["again"] = wide
    (span,) = written_spans(a_span(values={"deep": deep, "wide": wide}))
    value, levels = span.attributes[0].value, 0
    while value.WhichOneof("value") == "array_value":
        value, levels = value.array_value.values[0], levels + 1
    assert (value.string_value, levels) == ("…", 30)
    assert span.attributes[1].value.WhichOneof("value") == "kvlist_value"


def test_a_value_that_holds_itself_many_times_is_left_out() -> None:
    """A value that would unfold into more than memory holds is left out, its neighbours are not."""
    many: list[Any] = []
    many.extend([many] * 50)
    (span,) = written_spans(a_span(values={"many": many, "other": 1}))
    assert [each.key for each in span.attributes] == ["other"]


def test_an_attribute_without_a_name_is_left_out() -> None:
    """What is no attribute is left out alone, as by the official encoder."""
    values: Any = {5: "x", "other": 1}
    (span,) = written_spans(a_span(values=values))
    assert [each.key for each in span.attributes] == ["other"]


@pytest.mark.parametrize(
    "bad",
    [
        {"start_ns": -1},
        {"end_ns": 2**64},
        {"trace_id": 2**128},
        {"name": None},
        {"name": b"x"},
        {"values": None},
    ],
    ids=str,
)
def test_a_span_that_cannot_be_written_is_left_out_alone(bad: dict[str, Any]) -> None:
    """The batch goes without it, and whoever asked is told of it once."""
    told: list[Exception] = []
    spans = written_spans(a_span(name="a"), a_span(**bad), a_span(name="b"), left_out=told.append)
    assert [span.name for span in spans] == ["a", "b"]
    assert len(told) == 1


def test_a_record_that_cannot_be_written_is_left_out_alone() -> None:
    """The same for log records."""
    told: list[Exception] = []
    many: list[Any] = []
    many.extend([many] * 50)
    records = written_records(a_record(body="a"), a_record(body=many), a_record(body="b"), left_out=told.append)
    assert [record.body.string_value for record in records] == ["a", "b"]
    assert len(told) == 1


def test_a_point_that_cannot_be_written_is_left_out_alone() -> None:
    """The same for points: a whole number of more than 64 bits has no place in one."""
    told: list[Exception] = []
    request = ExportMetricsServiceRequest.FromString(metrics.encode(a_sum(1, 2**63, 3), left_out=told.append))
    (metric,) = request.resource_metrics[0].scope_metrics[0].metrics
    assert [point.as_int for point in metric.sum.data_points] == [1, 3]
    assert len(told) == 1


def test_nothing_is_no_request() -> None:
    """Where there is nothing to send there are no bytes: without items, or without any that can be written."""
    assert traces.encode([], HERE) == b""
    assert traces.encode([a_span(name=None)], HERE) == b""
    assert logs.encode([], HERE) == b""
    assert metrics.encode(Collection(HERE, [ScopeMetrics(SCOPE, [])])) == b""


@pytest.mark.parametrize(
    "encode",
    [
        lambda pause: traces.encode([a_span() for _ in range(200)], HERE, pause=pause),
        lambda pause: logs.encode([a_record() for _ in range(200)], HERE, pause=pause),
        lambda pause: metrics.encode(a_sum(*range(50), count=4), pause=pause),
    ],
    ids=["traces", "logs", "metrics"],
)
def test_others_get_their_turn_between_slices(encode: Callable[[Callable[[], object]], bytes]) -> None:
    """A pause is made after every 64 items."""
    pauses: list[None] = []
    assert encode(lambda: pauses.append(None))
    assert len(pauses) == 200 // common.SLICE == 3


def test_what_is_remembered_is_bounded_and_right() -> None:
    """Far more texts than are remembered, under many keys, still arrive as they are."""
    numbers = range(20_000)
    spans = written_spans(*(a_span(values={f"key{number % 7}": f"text {number}"}) for number in numbers))
    assert [span.attributes[0].value.string_value for span in spans] == [f"text {number}" for number in numbers]
    assert sum(map(len, common._keys.values())) <= common._MOST_TEXTS


def test_long_names_are_not_remembered() -> None:
    """Names arrive as they are; what is held of them is bounded in number and length."""
    names = [f"{number}" * (1 + number % 200) for number in range(3000)]
    assert [span.name for span in written_spans(*(a_span(name=name) for name in names))] == names
    assert len(common.names) <= 1024
    assert max(map(len, common.names)) <= common._LONGEST_TEXT
