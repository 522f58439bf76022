"""Where lines go: JSON, console, OpenTelemetry; and streams that are not what they should be."""

from __future__ import annotations

import io
import json
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import _logs as otel_logs
from opentelemetry import trace
from opentelemetry._logs import SeverityNumber
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from capibara_otel._safety import Once, shield
from capibara_otel.logs import LogLevel, Logs, Output
from capibara_otel.operation import attached
from capibara_otel.sdk import Capibara
from capibara_otel.testing import START_NS, Capture


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def _logs(stream: Any, form: Any = "auto", **more: Any) -> Logs:
    return Logs(
        Output(form, LogLevel.DEBUG, stream=stream, provider=otel_logs.NoOpLoggerProvider(), **more), lambda: START_NS
    )


class TestForms:
    """JSON for machines, text for people."""

    @pytest.mark.parametrize(
        ("form", "stream", "is_json"),
        [
            ("json", io.StringIO, True),
            ("json", _Terminal, True),
            ("console", io.StringIO, False),
            ("console", _Terminal, False),
            ("auto", io.StringIO, True),
            ("auto", _Terminal, False),
        ],
    )
    def test_which_one(self, form: str, stream: type[io.StringIO], is_json: bool) -> None:
        """`auto` is text on a terminal and JSON elsewhere."""
        written = stream()
        _logs(written, form).api.info("x")

        assert written.getvalue().startswith("{") is is_json

    def test_the_console_form(self) -> None:
        """Time of day, level, category, message, then what is known, quoted where it must be."""
        written = io.StringIO()
        _logs(written, "console").rag.warning(
            "index is stale",
            index="docs",
            age=31.123456789,
            note="two words",
            empty="",
            formula="a=b",
            quote='"',
            user_id="u",
            trace_id="ab",
            span_id="cd",
            event_name="capibara6.rag.search",
            flag=True,
        )

        assert written.getvalue() == (
            "22:13:20.000 warning  rag           index is stale  user_id=u trace_id=ab index=docs age=31.1235 "
            'note="two words" empty="" formula="a=b" quote="\\"" flag=True\n'
        )

    def test_without_anything_more(self) -> None:
        """A line of a message alone ends with it."""
        written = io.StringIO()
        _logs(written, "console").optimizations.info("done")

        assert written.getvalue() == "22:13:20.000 info     optimizations done\n"

    def test_exceptions_for_people(self) -> None:
        """The traceback stands beneath the line; a description alone does too."""
        written = io.StringIO()
        logs = _logs(written, "console")
        logs.api.error("failed", exc_info=ValueError("no"))
        logs.api.error("failed", exception="refused")

        assert written.getvalue() == (
            "22:13:20.000 error    api           failed\nValueError: no\n"
            "22:13:20.000 error    api           failed\nrefused\n"
        )

    def test_a_message_cannot_forge_a_line_or_steer_the_terminal(self) -> None:
        """Breaks in a message are indented, control characters written out, in values both."""
        written = io.StringIO()
        _logs(written, "console").api.info("a\n22:13:20.000 error b\x1b[2J\x07", value="a\nb\x1b[31m")

        assert written.getvalue() == (
            '22:13:20.000 info     api           a\n    22:13:20.000 error b\\x1b[2J\\x07  value="a\\nb\\u001b[31m"\n'
        )

    @pytest.mark.parametrize(
        ("level", "code"), [("debug", "2"), ("info", "36"), ("warning", "33"), ("error", "31"), ("critical", "1;31")]
    )
    def test_colours(self, level: str, code: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """On a terminal the level has its colour and nothing else has one."""
        monkeypatch.delenv("NO_COLOR", raising=False)
        written = _Terminal()
        getattr(_logs(written).api, level)("x", a=1)

        assert written.getvalue() == f"22:13:20.000 \x1b[{code}m{level:<8}\x1b[0m api           x  a=1\n"

    @pytest.mark.parametrize(
        ("stream", "no_color", "given", "coloured"),
        [
            (_Terminal, None, None, True),
            (_Terminal, "", None, False),
            (_Terminal, "1", None, False),
            (io.StringIO, None, None, False),
            (_Terminal, None, False, False),
            (io.StringIO, "1", True, True),
        ],
    )
    def test_who_decides_about_colours(
        self,
        stream: type[io.StringIO],
        no_color: str | None,
        given: bool | None,
        coloured: bool,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """The setting, else `NO_COLOR`, else whether it is a terminal."""
        monkeypatch.delenv("NO_COLOR", raising=False)
        if no_color is not None:
            monkeypatch.setenv("NO_COLOR", no_color)
        written = stream()
        _logs(written, "console", colours=given).api.info("x")

        assert ("\x1b[" in written.getvalue()) is coloured


class TestStreams:
    """Streams that are closed, broken, narrow or missing."""

    def test_standard_output_is_the_default(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Without a stream lines go to what standard output is at that moment."""
        logs = _logs(None)
        logs.api.info("x")

        assert json.loads(capsys.readouterr().out)["message"] == "x"

    def test_a_closed_stream(self, caplog: pytest.LogCaptureFixture) -> None:
        """A line for a closed stream is dropped, without a word and without a fault."""
        written = io.StringIO()
        logs = _logs(written)
        written.close()
        logs.api.info("x")

        assert not caplog.records

    def test_no_standard_output(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A process without standard output writes nothing."""
        logs = _logs(None)
        monkeypatch.setattr(sys, "stdout", None)

        logs.api.info("x")

    def test_a_broken_stream(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capture: Capture
    ) -> None:
        """A stream that fails costs its own lines only: OpenTelemetry still gets them, and it is said once."""
        monkeypatch.setenv("CAPIBARA_RAISE", "0")
        monkeypatch.setattr(shield, "_said", Once())

        class Broken(io.StringIO):
            def write(self, _: str) -> int:
                raise BrokenPipeError(32, "Broken pipe")

        logs = Logs(Output("json", stream=Broken(), provider=capture.logger_provider), lambda: START_NS)
        with caplog.at_level(logging.ERROR, logger="capibara_otel"):
            logs.api.info("a")
            logs.api.info("b")

        assert [record.log_record.body for record in capture.log_records] == ["a", "b"]
        assert [record.getMessage() for record in caplog.records] == [
            "telemetry fault in logs.stream; your code goes on, with less telemetry"
        ]

    def test_a_stream_of_another_encoding(self) -> None:
        """What the stream's encoding lacks is written out; the line is not lost."""
        raw = io.BytesIO()
        stream = io.TextIOWrapper(raw, encoding="ascii")
        logs = _logs(stream, "console")
        logs.api.info("naïve 🎉")

        assert raw.getvalue().decode("ascii").rstrip().endswith("api           na\\xefve \\U0001f389")
        stream.reconfigure(encoding="latin-1")
        logs.api.info("naïve 🎉")
        assert raw.getvalue().decode("latin-1").rstrip().endswith("api           naïve \\U0001f389")

    def test_an_object_that_only_writes(self) -> None:
        """A stream needs no more than `write` and `flush`, as the replacements of standard output have."""

        class Bare:
            def __init__(self) -> None:
                self.text = ""

            def write(self, text: str) -> None:
                self.text += text

            def flush(self) -> None:
                return

        written = Bare()
        _logs(written).api.info("x")

        assert json.loads(written.text)["message"] == "x"

    def test_what_a_stream_is_is_asked_once(self) -> None:
        """Whether it is a terminal, which costs a call of the system, is not asked for each line."""
        asked: list[str] = []

        class Asked(io.StringIO):
            def isatty(self) -> bool:
                asked.append("isatty")
                return True

        written = Asked()
        logs = _logs(written, colours=False)
        for _ in range(3):
            logs.api.info("x")

        assert asked == ["isatty"]
        assert written.getvalue() == "22:13:20.000 info     api           x\n" * 3

    def test_standard_output_that_is_replaced(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A new standard output is another stream, with a form and an encoding of its own."""
        logs = _logs(None)
        raw = io.BytesIO()
        streams = [_Terminal(), io.StringIO(), io.TextIOWrapper(raw, encoding="latin-1")]
        for stream in streams:
            monkeypatch.setattr(sys, "stdout", stream)
            logs.api.info("né 🎉")

        assert streams[0].getvalue().endswith("api           né 🎉\n")  # type: ignore[attr-defined]
        assert json.loads(streams[1].getvalue())["message"] == "né 🎉"  # type: ignore[attr-defined]
        assert b'"message": "n\xe9 \\U0001f389"' in raw.getvalue()

    def test_a_stream_that_is_closed_later(self, caplog: pytest.LogCaptureFixture) -> None:
        """From then on lines for it are dropped without a word; a fault of an open stream is not hidden by that."""
        written = io.StringIO()
        logs = _logs(written)
        logs.api.info("x")
        written.close()
        logs.api.info("y")

        assert not caplog.records

        class Full(io.StringIO):
            def write(self, _: str) -> int:
                raise ValueError("full")

        with pytest.raises(ValueError, match="full"):
            _logs(Full()).api.info("z")

    def test_text_that_no_stream_can_take(self) -> None:
        """Lone surrogates, wherever they stand, are written out, and the line is not lost."""
        raw = io.BytesIO()
        stream = io.TextIOWrapper(raw, encoding="utf-8")
        _logs(stream, "json").api.info("a\udce9", b="c\ud800", **{"d\udfff": ["e\udce9"]})
        line = json.loads(raw.getvalue())

        assert (line["message"], line["metadata"]) == ("a\\udce9", {"b": "c\\ud800", "d\\udfff": ["e\\udce9"]})

    @pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
    def test_the_last_line_before_a_kill(self) -> None:
        """A line is with the system when the call returns: a process that is killed then has written it."""
        code = "import capibara_otel as cap, os; cap.log.api.info('last words'); os.kill(os.getpid(), 9)"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

        assert done.returncode == -signal.SIGKILL
        assert json.loads(done.stdout)["message"] == "last words"

    def test_a_fresh_lock(self) -> None:
        """A forked process does not wait for a thread of its parent that was writing."""
        held, done = threading.Event(), threading.Event()

        class Slow(io.StringIO):
            def write(self, text: str) -> int:
                if "slow" in text:
                    held.set()
                    done.wait(30)
                return super().write(text)

        written = Slow()
        logs = _logs(written)
        writer = threading.Thread(target=lambda: logs.api.info("slow"))
        writer.start()
        held.wait(30)
        logs.output.renew()
        logs.api.info("quick")
        done.set()
        writer.join()

        assert [json.loads(line)["message"] for line in written.getvalue().splitlines()] == ["quick", "slow"]

    def test_lines_of_threads_do_not_mix(self) -> None:
        """Every line stands whole, whoever else writes."""
        written = io.StringIO()
        logs = _logs(written)
        barrier = threading.Barrier(4)

        def write(name: str) -> None:
            barrier.wait()
            for number in range(100):
                logs.api.info("x", who=name, number=number)

        threads = [threading.Thread(target=write, args=(str(number),)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert len(set(map(str, map(json.loads, written.getvalue().splitlines())))) == 400

    def test_logging_while_writing(self) -> None:
        """A line written from within a write, as a signal's handler may, does not wait for ever."""

        class Reentrant(io.StringIO):
            def write(self, text: str) -> int:
                if "outer" in text:
                    logs.system.info("inner")
                return super().write(text)

        written = Reentrant()
        logs = _logs(written)
        logs.api.info("outer")

        assert [json.loads(line)["message"] for line in written.getvalue().splitlines()] == ["inner", "outer"]

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
    def test_a_pipe_whose_reader_left(self) -> None:
        """A program whose output nobody reads any more goes on and ends as it would."""
        code = (
            "import capibara_otel as cap\n"
            "for number in range(20_000): cap.log.api.info('x', number=number)\n"
            "import sys; sys.stderr.write('done\\n'); sys.stdout = None\n"
        )
        with subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as one:
            assert one.stdout is not None
            assert one.stderr is not None
            one.stdout.readline()
            one.stdout.close()
            errors = one.stderr.read()

        assert one.wait() == 0
        assert errors.endswith("done\n")
        assert errors.count("telemetry fault in logs.stream") == 1


class TestOpenTelemetry:
    """Lines as OpenTelemetry's log records."""

    @pytest.fixture(name="cap")
    def _cap(self) -> Capibara:
        """An instance that nobody else uses."""
        return Capibara()

    @pytest.fixture(name="capture")
    def _capture(self, cap: Capibara) -> Iterator[Capture]:
        """Everything that instance writes."""
        with Capture(cap) as capture:
            yield capture

    def test_the_whole_record(self, cap: Capibara, capture: Capture) -> None:
        """Time, severity, body, event, attributes by the conventions' names, and the trace it belongs to."""
        span = NonRecordingSpan(SpanContext(0xAB, 0xCD, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED)))
        people = cap.context(user_id="u", session_id="s", tenant="t", request_id="r", conversation_id="c", agent="a")
        with attached(trace.set_span_in_context(span)), people:
            cap.log.rag.warning(
                "index is stale",
                index="docs",
                duration_ms=1.5,
                component="indexer",
                event_name="stale",
                n={"a": [1, 0.5]},
            )
        (written,) = capture.log_records
        record = written.log_record

        assert record.timestamp == START_NS
        assert (record.severity_number, record.severity_text) == (SeverityNumber.WARN, "WARNING")
        assert record.body == "index is stale"
        assert record.event_name == "stale"
        assert (record.trace_id, record.span_id, record.trace_flags) == (0xAB, 0xCD, TraceFlags.SAMPLED)
        assert dict(record.attributes or {}) == {
            "user.id": "u",
            "session.id": "s",
            "capibara6.tenant.id": "t",
            "capibara6.request.id": "r",
            "gen_ai.conversation.id": "c",
            "gen_ai.agent.name": "a",
            "category": "rag",
            "component": "indexer",
            "duration_ms": 1.5,
            "index": "docs",
            "n": {"a": (1, 0.5)},
        }
        assert written.instrumentation_scope is not None
        assert written.instrumentation_scope.name == "capibara_otel.rag"

    @pytest.mark.parametrize(
        ("level", "number", "text"),
        [
            ("debug", SeverityNumber.DEBUG, "DEBUG"),
            ("info", SeverityNumber.INFO, "INFO"),
            ("warning", SeverityNumber.WARN, "WARNING"),
            ("error", SeverityNumber.ERROR, "ERROR"),
            ("critical", SeverityNumber.FATAL, "CRITICAL"),
        ],
    )
    def test_severities(self, level: str, number: SeverityNumber, text: str, cap: Capibara, capture: Capture) -> None:
        """Each level has OpenTelemetry's number and its own word."""
        getattr(cap.log.api, level)("x")
        (written,) = capture.log_records

        assert (written.log_record.severity_number, written.log_record.severity_text) == (number, text)

    def test_exceptions(self, cap: Capibara, capture: Capture) -> None:
        """An exception is three attributes of the conventions."""
        cap.log.api.error("failed", exc_info=ValueError("no"))
        (written,) = capture.log_records

        assert written.log_record.attributes is not None
        assert {name: value for name, value in written.log_record.attributes.items() if name != "category"} == {
            "exception.type": "ValueError",
            "exception.message": "no",
            "exception.stacktrace": "ValueError: no\n",
        }

    def test_without_a_trace(self, cap: Capibara, capture: Capture) -> None:
        """Outside of any span a record belongs to no trace."""
        cap.log.api.info("x")
        (written,) = capture.log_records

        assert (written.log_record.trace_id, written.log_record.span_id) == (0, 0)

    def test_the_global_provider_is_the_default(self, capture: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without a provider of its own an output sends to the global one, as it is at that moment."""
        logs = Logs(Output("json", stream=io.StringIO()), lambda: START_NS)
        monkeypatch.setattr("capibara_otel.logs.output.get_logger_provider", lambda: capture.logger_provider)
        logs.api.info("x")

        assert [record.log_record.body for record in capture.log_records] == ["x"]

    def test_a_provider_that_is_set_later(self, capture: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
        """Lines follow the global provider when it is set after the first of them was written."""
        monkeypatch.setattr("opentelemetry._logs._internal._LOGGER_PROVIDER", None)
        logs = Logs(Output("json", stream=io.StringIO()), lambda: START_NS)
        logs.api.info("before")
        monkeypatch.setattr("opentelemetry._logs._internal._LOGGER_PROVIDER", capture.logger_provider)
        logs.api.info("after")

        assert [record.log_record.body for record in capture.log_records] == ["after"]

    def test_nothing_is_made_for_a_provider_that_wants_nothing(self) -> None:
        """A logger is asked first, with all that it may decide by; only if it wants the line is a record made."""
        asked: list[tuple[Any, ...]] = []
        emitted: list[dict[str, Any]] = []

        class Picky(otel_logs.NoOpLogger):
            def enabled(
                self,
                *,
                context: Context | None = None,
                severity_number: SeverityNumber | None = None,
                event_name: str | None = None,
            ) -> bool:
                asked.append((trace.get_current_span(context), severity_number, event_name))
                return severity_number is SeverityNumber.ERROR

            def emit(self, *_: Any, **record: Any) -> None:
                emitted.append(record)

        class Provider(otel_logs.NoOpLoggerProvider):
            def get_logger(self, name: str, *args: Any, **options: Any) -> otel_logs.Logger:
                return Picky(name, *args, **options)

        span = NonRecordingSpan(SpanContext(0xAB, 0xCD, is_remote=False))
        logs = Logs(Output("json", stream=io.StringIO(), provider=Provider()), lambda: START_NS)
        with attached(trace.set_span_in_context(span)):
            logs.api.info("a", event_name="e")
            logs.api.error("b")

        assert asked == [(span, SeverityNumber.INFO, "e"), (span, SeverityNumber.ERROR, None)]
        assert [record["body"] for record in emitted] == ["b"]
        assert trace.get_current_span(emitted[0]["context"]) is span
