"""What hooks are given: the record of an operation."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from dirty_equals import IsStr
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from capibara_otel.operation import Operation
from capibara_otel.sdk import DEFAULT
from capibara_otel.semconv import attributes as a
from capibara_otel.semconv import metrics as m
from capibara_otel.semconv import spans
from capibara_otel.testing import Capture

cap = DEFAULT


def _search() -> Operation:
    return Operation(cap.emitter, spans.RAG_SEARCH).set(a.RAG_INDEX, "docs")


@pytest.mark.parametrize("pipeline", ["capibara", "sdk"])
def test_it_says_where_it_stands_in_its_trace(pipeline: Literal["capibara", "sdk"]) -> None:
    """Ids are those of the span, in hexadecimal digits; a child names its parent, a root names none."""
    with Capture(pipeline=pipeline) as capture, _search(), _search():
        pass
    child, root = capture.records

    assert (root.trace_id, root.span_id, root.parent_span_id) == ("0" * 31 + "1", "0" * 15 + "1", "")
    assert (child.trace_id, child.span_id, child.parent_span_id) == (root.trace_id, "0" * 15 + "2", root.span_id)
    assert child.trace_id == IsStr(regex="[0-9a-f]{32}")


def test_without_a_span_it_names_the_one_around(capture: Capture) -> None:
    """An operation that only measures belongs to the span it ran in."""
    around = NonRecordingSpan(SpanContext(0xA, 0xB, is_remote=False, trace_flags=TraceFlags(1)))
    _search().start(span=False, parent=trace.set_span_in_context(around)).finish()

    (record,) = capture.records
    assert (record.trace_id, record.span_id, record.parent_span_id) == ("0" * 31 + "a", "0" * 15 + "b", "")


def test_it_cannot_be_changed(capture: Capture) -> None:
    """One hook cannot change what the next one is told."""
    with _search():
        pass

    record: Any = capture.records[0]
    with pytest.raises(AttributeError):
        record.outcome = "error"
    for mapping in (record.attributes, record.context):
        with pytest.raises(TypeError):
            mapping["x"] = 1


def test_it_keeps_labels_of_measurements(capture: Capture) -> None:
    """`told` has the labels that a measurement carries beyond the operation's attributes."""
    with Operation(cap.emitter, spans.GEN_AI_CLIENT_EMBEDDINGS) as call:
        call.measure(m.LLM_RETRIES, 1, labels={a.LLM_RETRY_REASON: "503"})

    (record,) = capture.records
    metric, number, labels = record.told[0]
    assert record.measurements[0] == (metric, number)
    assert (metric.name, number) == ("capibara6.llm.retries", 1)
    assert labels == {"capibara6.llm.retry.reason": "503"}
    assert record.spec is spans.GEN_AI_CLIENT_EMBEDDINGS
