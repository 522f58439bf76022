"""The same log records as the official SDK's, whatever is emitted and in whichever way."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry._logs import Logger as ApiLogger
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.sdk._logs import LoggerProvider as OfficialProvider
from opentelemetry.sdk._logs import LogRecordLimits as OfficialLimits
from opentelemetry.sdk._logs import LogRecordProcessor, ReadableLogRecord, ReadWriteLogRecord
from opentelemetry.sdk.resources import Resource as OfficialResource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import NonRecordingSpan, SpanContext, set_span_in_context, use_span

from capibara_otel.pipeline.logs.limits import LogLimits
from capibara_otel.pipeline.logs.official import readable
from capibara_otel.pipeline.logs.provider import LoggerProvider
from capibara_otel.pipeline.logs.record import Record
from capibara_otel.pipeline.scope import Resource
from capibara_otel.pipeline.traces.values import UNLIMITED
from tests.unit.pipeline.traces.programs import ATTRIBUTES, CONTEXTS, FAULTS, RESOURCE, TIMES, Text

_plain = st.one_of(
    st.text(max_size=8),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.booleans(),
    st.none(),
    st.binary(max_size=4),
    st.just(Text("own")),
)
_bodies: st.SearchStrategy[Any] = st.one_of(
    st.text(max_size=8),
    st.recursive(
        _plain,
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.lists(inner, max_size=3).map(tuple),
            st.dictionaries(st.text(max_size=3), inner, max_size=3),
            st.dictionaries(st.integers(0, 2), inner, max_size=3),
        ),
        max_leaves=6,
    ),
)
_times = st.one_of(st.none(), TIMES)
_texts = st.one_of(st.none(), st.text(max_size=6))
_parts = st.fixed_dictionaries(
    {},
    optional={
        "timestamp": _times,
        "observed_timestamp": _times,
        "severity_number": st.one_of(st.none(), st.sampled_from(SeverityNumber)),
        "severity_text": _texts,
        "body": _bodies,
        "attributes": ATTRIBUTES,
        "event_name": _texts,
        "exception": st.one_of(st.none(), FAULTS),
        "context": st.one_of(st.none(), st.just("empty"), CONTEXTS),
    },
)
_emits = st.tuples(st.sampled_from(["parts", "record", "ids", "writable"]), st.one_of(st.none(), CONTEXTS), _parts)
_LIMITS = st.sampled_from([OfficialLimits.UNSET, 0, 1, 2, 3, 100])


@pytest.fixture(autouse=True)
def _silence() -> Iterator[None]:
    """Both say a great deal about wrong input."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


class _Keep(LogRecordProcessor):
    """Keeps what is emitted."""

    def __init__(self) -> None:
        self.records: list[ReadableLogRecord] = []

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        """Take a record."""
        self.records.append(
            ReadableLogRecord(
                log_record.log_record,
                log_record.resource or OfficialResource({}),
                log_record.instrumentation_scope,
                log_record.limits,
            )
        )

    def shutdown(self) -> None:
        """Do nothing."""

    def force_flush(self, timeout_millis: int = 0) -> bool:
        """Do nothing."""
        return True


class _Change(_Keep):
    """Changes what is emitted."""

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        """Change a record."""
        inner: Any = log_record.log_record
        inner.attributes["added"] = "by a processor"
        inner.attributes.pop("a", None)
        inner.body = {"was": inner.body}
        inner.severity_text = "CHANGED"
        inner.trace_id ^= 1


def _context(context: Any) -> Context | None:
    if isinstance(context, SpanContext):
        return set_span_in_context(NonRecordingSpan(context), Context())
    return None if context is None else Context()


def _emit(logger: ApiLogger, limits: OfficialLimits, emits: Sequence[tuple[str, Any, Mapping[str, Any]]]) -> None:
    for way, current, given_parts in emits:
        parts = dict(given_parts)
        if "context" in parts:
            parts["context"] = _context(parts["context"])
        if parts.get("exception") is not None:
            kind, arguments = parts["exception"]
            parts["exception"] = kind(*arguments)
        span = NonRecordingSpan(current or SpanContext(0, 0, is_remote=False))
        with use_span(span):
            if way == "parts":
                logger.emit(**parts)
                continue
            record = LogRecord(**parts)
            if way == "ids":
                record.trace_id, record.span_id = 77, 0
            if way == "writable":
                scope = InstrumentationScope("own", "3", None, {"b": 1})
                official: Any = ReadWriteLogRecord(record, OfficialResource(RESOURCE), scope, limits)
                logger.emit(official)
            else:
                logger.emit(record)


def _data(records: Sequence[ReadableLogRecord]) -> list[object]:
    data: list[object] = []
    for record in records:
        inner: Any = record.log_record
        if inner.observed_timestamp > 2**58:
            inner.observed_timestamp = 0
        data.append((encode_logs([record]).SerializeToString(deterministic=True), record.instrumentation_scope))
    return data


def _own_limit(limit: int) -> int:
    return UNLIMITED if limit == OfficialLimits.UNSET else limit


@given(
    emits=st.lists(_emits, min_size=1, max_size=4),
    count=_LIMITS,
    length=_LIMITS,
    changes=st.booleans(),
)
@settings(deadline=None, max_examples=300)
def test_any_emission_gives_the_same_record(
    emits: Sequence[tuple[str, Any, Mapping[str, Any]]], count: int, length: int, changes: bool
) -> None:
    """In parts or whole, with any values, contexts and exceptions, and changed by processors, the OTLP data is the same."""
    limits = OfficialLimits(
        max_log_record_attributes=count, max_log_record_attribute_length=length, max_attributes=OfficialLimits.UNSET
    )
    kept = _Keep()
    official = OfficialProvider(OfficialResource(RESOURCE), shutdown_on_exit=False, log_record_limits=limits)
    records: list[Record] = []
    own = LoggerProvider(
        Resource(RESOURCE), on_emit=records.append, limits=LogLimits(_own_limit(count), _own_limit(length))
    )
    for provider in (official, own):
        if changes:
            provider.add_log_record_processor(_Change())
    official.add_log_record_processor(kept)
    names = ("lib", "1.2", "https://schema", {"scope": "attribute"})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _emit(official.get_logger(*names), limits, emits)
        _emit(own.get_logger(*names), limits, emits)

    assert _data([readable(record, own.resource) for record in records]) == _data(kept.records)
