"""What a logger makes of what it is told."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry._logs import LoggerProvider as ApiLoggerProvider
from opentelemetry._logs import LogRecord, NoOpLogger, SeverityNumber
from opentelemetry.context import Context
from opentelemetry.sdk._logs import LogRecordProcessor, ReadWriteLogRecord
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

from capibara_otel.pipeline.logs.limits import LogLimits
from capibara_otel.pipeline.logs.logger import Logger
from capibara_otel.pipeline.logs.official import readable
from capibara_otel.pipeline.logs.provider import LoggerProvider
from capibara_otel.pipeline.logs.record import Record
from capibara_otel.pipeline.scope import Resource
from tests.unit.pipeline.traces.interrupting import every_bytecode, interrupted
from tests.unit.pipeline.traces.support import Ended, provider_into


class Emitted(list[Record]):
    """The records that were emitted."""

    def provider(self, **settings: Any) -> LoggerProvider:
        """Return a provider that puts them here, with a clock that ticks once per look."""
        ticks: Callable[[], int] = itertools.count(1).__next__
        settings = {"on_emit": self.append, "limits": LogLimits(), "time_ns": ticks, **settings}
        return LoggerProvider(Resource({"service.name": "test"}), **settings)

    def logger(self, **settings: Any) -> Logger:
        """Return one of its loggers."""
        made = self.provider(**settings).get_logger("lib", "1")
        assert isinstance(made, Logger)
        return made


@pytest.fixture
def emitted() -> Emitted:
    """The records that were emitted."""
    return Emitted()


@pytest.fixture
def unharmed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Faults of telemetry are kept from the app, as outside of tests."""
    monkeypatch.setenv("CAPIBARA_RAISE", "0")


# --- records


def test_a_record_holds_what_was_said(emitted: Emitted) -> None:
    """Every part reaches the record as plain data; the scope is the logger's."""
    emitted.logger().emit(
        timestamp=7,
        observed_timestamp=8,
        severity_number=SeverityNumber.WARN,
        severity_text="WARN",
        body="said",
        attributes={"a": 1},
        event_name="event",
    )
    (record,) = emitted
    assert (record.time_ns, record.observed_ns, record.severity_number, record.severity_text) == (7, 8, 13, "WARN")
    assert (record.body, record.attributes, record.dropped_attributes) == ("said", {"a": 1}, 0)
    assert (record.event_name, record.scope.name, record.scope.version) == ("event", "lib", "1")


def test_what_was_not_said_is_empty(emitted: Emitted) -> None:
    """Only the time it was seen is filled in."""
    emitted.logger().emit()
    (record,) = emitted
    assert (record.time_ns, record.observed_ns, record.severity_number, record.severity_text) == (0, 1, 0, "")
    assert (record.body, record.attributes, record.event_name) == (None, {}, "")
    assert (record.trace_id, record.span_id, record.flags) == (0, 0, 0)


def test_it_belongs_to_the_span_around_it(emitted: Emitted) -> None:
    """The current span's ids and flags are the record's, or those of the context that is given; own and foreign spans."""
    logger = emitted.logger()
    foreign = set_span_in_context(
        NonRecordingSpan(SpanContext(10, 20, is_remote=True, trace_flags=TraceFlags(1))), Context()
    )
    with provider_into(Ended()).get_tracer("lib").start_as_current_span("around") as span:
        logger.emit()
        logger.emit(context=Context())
        logger.emit(context=foreign)
        logger.emit(LogRecord(context=foreign))
    ids = span.get_span_context()
    assert [(record.trace_id, record.span_id, record.flags) for record in emitted] == [
        (ids.trace_id, ids.span_id, 3),
        (ids.trace_id, ids.span_id, 3),  # an empty context stands for the current one, as in the API
        (10, 20, 1),
        (10, 20, 1),
    ]


def test_what_is_no_span_is_none(emitted: Emitted) -> None:
    """Whatever else stands in the context as its span gives no ids and no fault."""
    odd: Any = "no span"
    emitted.logger().emit(context=set_span_in_context(odd, Context()))
    assert emitted[0].trace_id == 0


def test_an_exception_is_described(emitted: Emitted) -> None:
    """Type, message and stack trace become attributes; what the caller says of it goes first."""
    with pytest.raises(ValueError, match="wrong") as raised:
        raise ValueError("wrong")
    logger = emitted.logger()
    logger.emit(exception=raised.value, attributes={"exception.message": "mine", "a": 1})
    logger.emit(LogRecord(exception=raised.value))

    first, second = (dict(record.attributes) for record in emitted)
    assert first["exception.type"] == second["exception.type"] == "ValueError"
    assert (first["exception.message"], first["a"], second["exception.message"]) == ("mine", 1, "wrong")
    assert "test_an_exception_is_described" in first["exception.stacktrace"]


def test_an_exception_that_is_none_harms_nobody(emitted: Emitted, unharmed: None) -> None:
    """The record is emitted without it."""
    odd: Any = "no exception"
    emitted.logger().emit(body="said", exception=odd, attributes={"a": 1})
    assert emitted[0].attributes == {"a": 1}


def test_attributes_keep_to_the_limits(emitted: Emitted) -> None:
    """The last ones are kept, the others counted, values cut; no Python warning is raised, as the SDK would."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        emitted.logger(limits=LogLimits(2, 3)).emit(attributes={"a": 1, "b": "äöüß", "c": ["long"]})
    assert emitted[0].attributes == {"b": "äöü", "c": ("lon",)}
    assert emitted[0].dropped_attributes == 1


def _endless() -> dict[str, Any]:
    endless: dict[str, Any] = {}
    endless["again"] = endless
    return endless


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"deep": [1, {"x": (2, b"3")}]}, {"deep": (1, {"x": (2, b"3")})}),
        ({1: "one", "1": "text"}, {"1": "text"}),
        ({"": None}, {"": None}),
        (ValueError("text"), "text"),
        ([object()], (None,)),
        (_endless(), None),
    ],
)
def test_a_body_may_be_anything(emitted: Emitted, body: Any, expected: Any) -> None:
    """Keys become texts, each one once; what OTLP cannot hold becomes its text or nothing, and no batch fails over it."""
    emitted.logger().emit(body=body)
    assert emitted[0].body == expected


def test_a_body_changed_later_does_not_change_the_record(emitted: Emitted) -> None:
    """What was emitted is what it was when it was emitted."""
    body: dict[str, Any] = {"a": [1]}
    emitted.logger().emit(body=body)
    body["a"].append(2)
    assert emitted[0].body == {"a": (1,)}


@pytest.mark.parametrize(("number", "expected"), [(SeverityNumber.FATAL4, 24), (9, 9), (None, 0), ("ERROR", 0)])
def test_severities_are_numbers(emitted: Emitted, number: Any, expected: int) -> None:
    """The API's numbers, plain ones too; what is none is 0."""
    emitted.logger().emit(severity_number=number)
    assert emitted[0].severity_number == expected


def test_emitted_within_an_emission_nothing_is_lost() -> None:
    """A handler that emits at any bytecode of an emission: both records are there."""

    def run(at: int) -> bool:
        emitted = Emitted()
        logger = emitted.logger(limits=LogLimits(1))
        came = interrupted(
            lambda: logger.emit(body={"main": 1}, attributes={"a": 1, "b": 2}),
            lambda: logger.emit(body="handler", attributes={"c": 1, "d": 2}),
            at,
        )
        assert [record.dropped_attributes for record in emitted] == [1] * (2 if came else 1)
        assert len({str(record.body) for record in emitted}) == len(emitted)
        return came

    assert every_bytecode(run) > 100


# --- providers


def test_the_same_library_has_one_logger(emitted: Emitted) -> None:
    """Name, version, schema and attributes tell loggers apart."""
    provider = emitted.provider()
    first = provider.get_logger("lib", "1", "schema", {"a": 1})

    assert isinstance(provider, ApiLoggerProvider)
    assert provider.get_logger("lib", "1", "schema", {"a": 1}) is first
    assert provider.get_logger("lib", "1", "schema", {"a": 2}) is not first
    assert provider.get_logger("lib", "1", "schema") is not first
    assert isinstance(first, Logger)
    assert first.instrumentation_scope.attributes == {"a": 1}
    assert first.resource is provider.resource


def test_disabled_it_does_nothing(emitted: Emitted, monkeypatch: pytest.MonkeyPatch) -> None:
    """`OTEL_SDK_DISABLED=true` makes every logger one that does nothing."""
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    logger = emitted.provider().get_logger("lib")
    assert isinstance(logger, NoOpLogger)
    assert not logger.enabled()


def test_it_reads_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits come from the environment where they are not given."""
    monkeypatch.setenv("OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT", "1")
    emitted = Emitted()
    emitted.logger(limits=None).emit(attributes={"a": 1, "b": 2})
    assert emitted[0].attributes == {"b": 2}


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, LogLimits()),
        ({"OTEL_ATTRIBUTE_COUNT_LIMIT": "5", "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT": "6"}, LogLimits(5, 6)),
        ({"OTEL_ATTRIBUTE_COUNT_LIMIT": "5", "OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT": "7"}, LogLimits(7)),
        ({"OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT": "5", "OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT": ""}, LogLimits()),
    ],
)
def test_special_limits_go_before_general_ones(environ: dict[str, str], expected: LogLimits) -> None:
    """The variables are read as by the SDK."""
    assert LogLimits.read(environ) == expected


# --- processors


class _Seen(LogRecordProcessor):
    """Keeps what it is told."""

    def __init__(self, *, wants: bool = True) -> None:
        self.records: list[ReadWriteLogRecord] = []
        self.calls: list[str] = []
        self.asked: list[Any] = []
        self._wants = wants

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        """Take a record."""
        self.records.append(log_record)

    def enabled(self, **asked: Any) -> bool:
        """Tell what was chosen."""
        self.asked.append(asked)
        return self._wants

    def shutdown(self) -> None:
        """Note it."""
        self.calls.append("shutdown")

    def force_flush(self, timeout_millis: int = 0) -> bool:
        """Note it."""
        self.calls.append("flush")
        return True


def test_processors_of_the_sdks_kind_work(emitted: Emitted) -> None:
    """They get the SDK's record with resource, scope and context; what they change is exported changed."""

    class Change(_Seen):
        def on_emit(self, log_record: ReadWriteLogRecord) -> None:
            super().on_emit(log_record)
            inner: Any = log_record.log_record
            inner.attributes["added"] = 1
            inner.body = [inner.body, "changed"]
            inner.severity_number = SeverityNumber.ERROR
            inner.attributes["a"] = "redacted"

    change, after = Change(), _Seen()
    provider = emitted.provider(processors=[change])
    provider.add_log_record_processor(after)
    around = set_span_in_context(NonRecordingSpan(SpanContext(10, 20, is_remote=True)), Context())
    provider.get_logger("lib", "1").emit(body="said", attributes={"a": 1}, context=around)

    (record,), (given,) = emitted, change.records
    assert given is after.records[0]
    assert given.resource is not None
    assert given.resource.attributes == {"service.name": "test"}
    assert given.instrumentation_scope is not None
    assert (given.instrumentation_scope.name, given.instrumentation_scope.version) == ("lib", "1")
    assert given.log_record.context is around
    assert (record.body, record.severity_number) == (("said", "changed"), 17)
    assert record.attributes == {"added": 1, "a": "redacted"}
    assert (record.trace_id, record.span_id, record.scope.name) == (10, 20, "lib")


def test_what_processors_add_keeps_to_the_limits(emitted: Emitted) -> None:
    """Attributes they set or replace are bounded and counted as any others."""

    class Add(_Seen):
        def on_emit(self, log_record: ReadWriteLogRecord) -> None:
            inner: Any = log_record.log_record
            inner.attributes["c"] = "long"

    class Replace(_Seen):
        def on_emit(self, log_record: ReadWriteLogRecord) -> None:
            log_record.log_record.attributes = {"x": 1, "y": 2, "z": "long"}

    emitted.logger(limits=LogLimits(2, 3), processors=[Add()]).emit(attributes={"a": 1, "b": 2, "b2": 3})
    emitted.logger(limits=LogLimits(2, 3), processors=[Replace()]).emit(attributes={"a": 1})

    assert [(record.attributes, record.dropped_attributes) for record in emitted] == [
        ({"b2": 3, "c": "lon"}, 2),
        ({"y": 2, "z": "lon"}, 1),
    ]


def test_who_fails_harms_nobody(unharmed: None, caplog: pytest.LogCaptureFixture) -> None:
    """Faults of processors and of the queue stay away from the app and from each other; each is said once."""

    class Broken(LogRecordProcessor):
        def on_emit(self, log_record: ReadWriteLogRecord) -> None:
            raise RuntimeError("emit")

        def enabled(self, **_: Any) -> bool:
            raise RuntimeError("enabled")

        def shutdown(self) -> None:
            raise RuntimeError("shutdown")

        def force_flush(self, timeout_millis: int = 0) -> bool:
            raise RuntimeError("flush")

    def fail(_: Record) -> None:
        raise RuntimeError("queue")

    seen = _Seen()
    provider = LoggerProvider(Resource({}), on_emit=fail, processors=[Broken(), seen])
    for _ in range(3):
        provider.get_logger("lib").emit(body="said")
    assert len(seen.records) == 3
    assert not provider.force_flush(1000)
    provider.shutdown()
    assert seen.calls == ["flush", "shutdown"]
    only = LoggerProvider(Resource({}), processors=[Broken(), seen]).get_logger("lib")
    assert only.enabled()
    messages = [record.message for record in caplog.records]
    assert len(messages) == len(set(messages)) == 5


def test_it_is_enabled_if_anybody_listens(emitted: Emitted) -> None:
    """A queue always does, a processor if it says so, nobody never; processors are told what is asked."""
    assert emitted.logger().enabled()
    assert not emitted.logger(on_emit=None).enabled()
    wants, refuses = _Seen(), _Seen(wants=False)
    assert not emitted.logger(on_emit=None, processors=[refuses]).enabled()
    around = Context()
    logger = emitted.logger(on_emit=None, processors=[refuses, wants])
    assert logger.enabled(context=around, severity_number=SeverityNumber.INFO, event_name="event")
    asked = wants.asked[0]
    assert (asked["context"], asked["severity_number"], asked["event_name"]) == (around, SeverityNumber.INFO, "event")
    assert asked["instrumentation_scope"].name == "lib"


def test_flushing_keeps_its_deadline(emitted: Emitted) -> None:
    """No processor is asked to flush once the time is over; without processors there is nothing to flush."""
    seen = _Seen()
    assert emitted.provider().force_flush(0)
    emitted.provider().shutdown()
    provider = emitted.provider(processors=[seen])
    assert not provider.force_flush(0)
    assert seen.calls == []
    assert provider.force_flush(10_000)


def test_a_forked_child_has_its_own_resource(emitted: Emitted) -> None:
    """Loggers made before belong to the child's resource, and processors are shown it."""
    seen = _Seen()
    provider = emitted.provider(processors=[seen])
    logger = provider.get_logger("lib")
    childs = Resource({"service.name": "child"})
    provider.after_fork(childs)
    logger.emit()

    assert provider.resource is childs
    assert isinstance(logger, Logger)
    assert logger.resource is childs
    assert seen.records[0].resource is not None
    assert seen.records[0].resource.attributes == {"service.name": "child"}
    assert provider.get_logger("lib") is logger


def test_a_record_can_be_read_in_the_sdks_form(emitted: Emitted) -> None:
    """`readable` gives exporters what the SDK gives them, and keeps no context alive."""
    provider = emitted.provider(limits=LogLimits(1))
    with provider_into(Ended()).get_tracer("lib").start_as_current_span("around") as span:
        provider.get_logger("lib").emit(body="said", attributes={"a": 1, "b": 2}, severity_number=SeverityNumber.INFO)
        read = readable(emitted[0], provider.resource)

    inner = read.log_record
    assert (inner.body, dict(inner.attributes or {}), read.dropped_attributes) == ("said", {"b": 2}, 1)
    assert (inner.timestamp, inner.severity_number, inner.severity_text) == (None, SeverityNumber.INFO, None)
    assert inner.trace_id == span.get_span_context().trace_id
    assert inner.context == {}
    assert "said" in read.to_json()
