"""Lines of the standard library's logging, sent to OpenTelemetry."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Iterator

import pytest
from opentelemetry import _logs as otel_logs
from opentelemetry import trace
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, get_current, set_value
from opentelemetry.trace import NonRecordingSpan, SpanContext

from capibara_otel._safety import Once, shield
from capibara_otel.logs.stdlib import OtlpHandler
from capibara_otel.operation import attached
from capibara_otel.testing import Capture


@pytest.fixture(name="logger")
def _logger(capture: Capture) -> Iterator[logging.Logger]:
    """A logger that only sends to the capture."""
    logger = logging.getLogger("app.orders")
    handler = OtlpHandler(capture.logger_provider)
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    yield logger
    logger.removeHandler(handler)
    logger.setLevel(logging.NOTSET)
    logger.propagate = True


def _record(capture: Capture) -> LogRecord:
    (written,) = capture.log_records
    return written.log_record


def test_the_whole_record(logger: logging.Logger, capture: Capture) -> None:
    """Time, severity, text, place in the code, extra fields, trace and the logger's name as scope."""
    span = NonRecordingSpan(SpanContext(0xAB, 0xCD, is_remote=False))
    with attached(trace.set_span_in_context(span)):
        logger.warning("order %s is late by %.1f h", "o_7", 2.5, extra={"customer": "c_1", "items": [1, 2]})
    record = _record(capture)
    attributes = dict(record.attributes or {})
    place = (attributes.pop("code.file.path"), attributes.pop("code.function.name"), attributes.pop("code.line.number"))

    assert record.body == "order o_7 is late by 2.5 h"
    assert (record.severity_number, record.severity_text) == (SeverityNumber.WARN, "WARNING")
    assert (record.trace_id, record.span_id) == (0xAB, 0xCD)
    assert record.timestamp is not None
    assert abs(record.timestamp - (record.observed_timestamp or 0)) < 5e9
    assert (place[0], place[1], type(place[2])) == (__file__, "test_the_whole_record", int)
    assert attributes == {"customer": "c_1", "items": (1, 2)}
    assert [one.instrumentation_scope.name for one in capture.log_records if one.instrumentation_scope] == [
        "app.orders"
    ]


@pytest.mark.parametrize(
    ("number", "severity", "word"),
    [
        (logging.INFO, SeverityNumber.INFO, "INFO"),
        (25, SeverityNumber.INFO, "Level 25"),
        (logging.WARNING, SeverityNumber.WARN, "WARNING"),
        (logging.ERROR, SeverityNumber.ERROR, "ERROR"),
        (logging.CRITICAL, SeverityNumber.FATAL, "CRITICAL"),
    ],
)
def test_levels(number: int, severity: SeverityNumber, word: str, logger: logging.Logger, capture: Capture) -> None:
    """A level, also one of somebody's own, has the severity at or below it and keeps its word."""
    logger.log(number, "x")

    assert (_record(capture).severity_number, _record(capture).severity_text) == (severity, word)


def test_lines_below_its_level_are_not_sent(logger: logging.Logger, capture: Capture) -> None:
    """Debug lines are not sent by default."""
    logger.debug("x")

    assert not capture.log_records


def test_exceptions(logger: logging.Logger, capture: Capture) -> None:
    """An exception is three attributes of the conventions, with the whole traceback."""
    expected = ("", "")
    try:
        json.loads("{")
    except ValueError as error:
        logger.exception("failed")
        expected = (str(error), traceback.format_exc())
    attributes = _record(capture).attributes or {}

    assert attributes["exception.type"] == "json.decoder.JSONDecodeError"
    assert (attributes["exception.message"], attributes["exception.stacktrace"]) == expected
    assert "exc_info" not in attributes
    assert "exc_text" not in attributes


def test_what_every_record_has_is_no_field(capture: Capture) -> None:
    """Only what a caller added becomes an attribute, on newer Pythons and after other handlers too."""
    given = {
        "name": "app",
        "levelno": 40,
        "msg": "x",
        "taskName": "Task-1",
        "asctime": "now",
        "message": "x",
        "mine": 1,
    }
    OtlpHandler(capture.logger_provider).emit(logging.makeLogRecord(given))

    added = {name: value for name, value in (_record(capture).attributes or {}).items() if not name.startswith("code.")}
    assert added == {"mine": 1}


def test_secrets(logger: logging.Logger, capture: Capture) -> None:
    """Message, arguments, extra fields and exceptions are redacted."""
    secret = "sk-abcdefghijklmnopqrstuvwx1234"
    logger.error("key %s", secret, extra={"password": "hunter22", "note": f"{secret}"}, exc_info=ValueError(secret))
    record = _record(capture)

    assert record.body == "key [redacted]"
    assert secret not in repr(record)
    assert "hunter22" not in repr(record)


def test_secrets_in_names(logger: logging.Logger, capture: Capture) -> None:
    """An extra field's name may hold a secret itself."""
    logger.error("x", extra={"mail of bob@example.com": 1})

    assert (_record(capture).attributes or {})["mail of [redacted]"] == 1


def test_a_logger_that_wants_nothing_is_told_nothing() -> None:
    """A record is only made, and its message only formatted, where it is wanted."""
    handler = OtlpHandler(otel_logs.NoOpLoggerProvider())
    record = logging.makeLogRecord({"name": "app", "levelno": 40, "msg": "%s and %s", "args": ("one",)})

    handler.emit(record)

    assert record.args == ("one",)


@pytest.mark.parametrize(
    "name",
    [
        "capibara_otel",
        "capibara_otel.pipeline.batch",
        "opentelemetry.sdk.trace",
        "urllib3.connectionpool",
        "grpc._channel",
    ],
)
def test_lines_of_the_exporters_own_path_are_not_sent(name: str, capture: Capture) -> None:
    """Lines that exporting makes would make more lines."""
    OtlpHandler(capture.logger_provider).emit(logging.makeLogRecord({"name": name, "levelno": 40, "msg": "x"}))

    assert not capture.log_records


def test_nothing_is_sent_where_instrumentation_is_suppressed(logger: logging.Logger, capture: Capture) -> None:
    """Inside of an export the context says so."""
    with attached(set_value(_SUPPRESS_INSTRUMENTATION_KEY, True, get_current())):  # noqa: FBT003 - OpenTelemetry's signature
        logger.error("x")

    assert not capture.log_records


def test_a_line_that_cannot_be_formatted(
    capture: Capture, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A wrong number of arguments costs the line, not the caller, and is said."""
    monkeypatch.setenv("CAPIBARA_RAISE", "0")
    monkeypatch.setattr(shield, "_said", Once())
    handler = OtlpHandler(capture.logger_provider)
    handler.emit(logging.makeLogRecord({"name": "app", "levelno": 40, "msg": "%s and %s", "args": ("one",)}))
    handler.emit(logging.makeLogRecord({"name": "app", "levelno": 40, "msg": "fine"}))

    assert _record(capture).body == "fine"
    assert [record.getMessage() for record in caplog.records] == [
        "telemetry fault in logs.stdlib; your code goes on, with less telemetry"
    ]


def test_the_global_provider_is_the_default(capture: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a provider of its own it sends to the global one, as it is at that moment."""
    handler = OtlpHandler()
    monkeypatch.setattr("capibara_otel.logs.stdlib.get_logger_provider", lambda: capture.logger_provider)
    handler.emit(logging.makeLogRecord({"name": "app", "levelno": 40, "levelname": "ERROR", "msg": "x"}))

    assert _record(capture).body == "x"
