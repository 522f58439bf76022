"""The loggers that code calls: they behave as structlog's do, and follow where lines go."""

from __future__ import annotations

import asyncio
import contextvars
import io
import json
import logging
import threading
from typing import Any, cast

import pytest
import structlog
from opentelemetry import _logs as otel_logs
from structlog.typing import EventDict, FilteringBoundLogger

from capibara_otel._safety import Once, shield
from capibara_otel.logs import LogLevel, Logs, Output
from capibara_otel.testing import START_NS

_METHODS = (
    "debug", "info", "warning", "warn", "error", "critical", "fatal", "exception", "msg",
    "adebug", "ainfo", "awarning", "awarn", "aerror", "acritical", "afatal", "aexception", "amsg",
)  # fmt: skip


def _output(level: LogLevel = LogLevel.DEBUG) -> tuple[Output, io.StringIO]:
    stream = io.StringIO()
    return Output("json", level, stream=stream, provider=otel_logs.NoOpLoggerProvider()), stream


def _logs(level: LogLevel = LogLevel.DEBUG) -> tuple[Logs, io.StringIO]:
    output, stream = _output(level)
    return Logs(output, lambda: START_NS), stream


def _lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def _structlogs(level: LogLevel = LogLevel.DEBUG) -> tuple[FilteringBoundLogger, list[dict[str, Any]]]:
    """A logger of structlog itself, and what it says."""
    said: list[dict[str, Any]] = []

    def keep(_: Any, method: str, event: EventDict) -> EventDict:
        said.append({"level": "error" if method == "exception" else method, **event})
        raise structlog.DropEvent

    logger = structlog.wrap_logger(
        None, processors=[keep], wrapper_class=structlog.make_filtering_bound_logger(level.number)
    )
    return cast("FilteringBoundLogger", logger.bind()), said


async def _call(logger: Any, method: str, *args: Any, **fields: Any) -> None:
    result = getattr(logger, method)(*args, **fields)
    if method.startswith("a"):
        await result


class TestAsStructlog:
    """Whoever knows structlog knows these loggers."""

    def test_the_same_methods(self) -> None:
        """Everything that structlog's protocol has is there, for the type checker too."""
        logger: FilteringBoundLogger = _logs()[0].rag
        promised = [name for name in dir(FilteringBoundLogger) if not name.startswith("_")]

        assert len(promised) > 25
        assert [name for name in promised if not callable(getattr(logger, name, None))] == []
        assert logger._context == {}

    @pytest.mark.parametrize("least", list(LogLevel))
    @pytest.mark.parametrize("method", _METHODS)
    def test_each_method_at_each_level(self, method: str, least: LogLevel) -> None:
        """Each writes what structlog's would, by the level that is the lowest to be written."""
        logs, stream = _logs(least)
        theirs, said = _structlogs(least)
        asyncio.run(_call(logs.rag.bind(a=1), method, "took %d ms", 5, b=2))
        asyncio.run(_call(theirs.bind(a=1), method, "took %d ms", 5, b=2))

        assert [(line["level"], line["message"], line["metadata"]) for line in _lines(stream)] == [
            (event["level"], event["event"], {"a": event["a"], "b": event["b"]}) for event in said
        ]

    @pytest.mark.parametrize(
        ("args", "message"),
        [
            (("plain 100%",), "plain 100%"),
            (("took %d ms of %s", 5, "all"), "took 5 ms of all"),
            (("%(index)s in %(ms).1f ms", {"index": "docs", "ms": 2.25}), "docs in 2.2 ms"),
            (("%s", {}), "{}"),
            (("%s and %s", {"a": 1}, 2), "{'a': 1} and 2"),
            (("%s", ("a", "b")), "('a', 'b')"),
        ],
    )
    def test_positional_values(self, args: tuple[Any, ...], message: str) -> None:
        """They go into the message by `%`, one mapping by its names; without any a `%` means nothing."""
        logs, stream = _logs()
        theirs, said = _structlogs()
        logs.rag.info(*args)
        theirs.info(*args)

        assert _lines(stream)[0]["message"] == message == said[0]["event"]

    def test_fields(self) -> None:
        """Bound fields come before the call's, which win; a logger that was bound leaves the one it came from alone."""
        logs, stream = _logs()
        theirs, said = _structlogs()
        for logger in (logs.rag, theirs):
            bound = logger.bind(a=1, b=2)
            bound.info("x", c=3)
            bound.info("x", b=4)
            bound.bind(a=5, d=6).info("x")
            bound.unbind("a").info("x")
            bound.try_unbind("a", "z").info("x")
            bound.info("x")
            bound.new(e=7).info("x")
            logger.info("x")

        ours = [line.get("metadata", {}) for line in _lines(stream)]
        assert ours == [
            {"a": 1, "b": 2, "c": 3},
            {"a": 1, "b": 4},
            {"a": 5, "b": 2, "d": 6},
            {"b": 2},
            {"b": 2},
            {"a": 1, "b": 2},
            {"e": 7},
            {},
        ]
        assert [list(fields) for fields in ours] == [
            [name for name in event if name not in {"level", "event"}] for event in said
        ]

    def test_a_field_that_is_not_there(self) -> None:
        """Taking away a field that a logger does not have is the caller's mistake, as it is with structlog."""
        logger = _logs()[0].rag.bind(a=1)

        with pytest.raises(KeyError, match="z"):
            logger.unbind("a", "z")

    def test_fields_of_any_name(self) -> None:
        """Names of the method's own arguments are free for fields, but for the message's."""
        logs, stream = _logs()
        logs.rag.info("x", self=1, args=2, kw=3, level_=4)

        assert _lines(stream)[0]["metadata"] == {"self": 1, "args": 2, "kw": 3, "level_": 4}

    @pytest.mark.parametrize("number", [0, 5, 10, 15, 20, 30, 39, 40, 50, 60])
    @pytest.mark.parametrize("least", list(LogLevel))
    def test_levels_by_number(self, number: int, least: LogLevel) -> None:
        """`log` takes a number, also one between two levels; whether it is written, and what is, can be asked."""
        logs, stream = _logs(least)
        theirs, _ = _structlogs(least)
        logs.rag.log(number, "x", a=1)
        asyncio.run(logs.rag.alog(number, "x", a=1))

        assert logs.rag.is_enabled_for(number) is theirs.is_enabled_for(number) is (number >= least.number)
        assert logs.rag.get_effective_level() == theirs.get_effective_level() == least.number
        assert len(_lines(stream)) == (2 if number >= least.number else 0)

    def test_it_says_what_it_is(self) -> None:
        """A logger's own text names its category and fields."""
        assert repr(_logs()[0].rag.bind(a=1)) == "<logger of rag with {'a': 1}>"


class TestCoroutines:
    """The twins of the methods write in another thread, so that a slow stream holds up no event loop."""

    def test_in_another_thread_and_in_the_same_context(self) -> None:
        """The stream is written to by a worker, with the fields, the exception and the context of the caller."""
        writers: list[int] = []
        place = contextvars.ContextVar("place", default="")

        class Stream(io.StringIO):
            def write(self, text: str) -> int:
                writers.append(threading.get_ident())
                return super().write(place.get() + text)

        stream = Stream()
        logs = Logs(Output("json", stream=stream, provider=otel_logs.NoOpLoggerProvider()), lambda: START_NS)

        async def work() -> None:
            place.set(" ")
            try:
                int("no")
            except ValueError:
                await logs.rag.aexception("failed", index="docs")

        asyncio.run(work())
        (line,) = _lines(stream)

        assert stream.getvalue().startswith(" {")
        assert writers
        assert threading.get_ident() not in writers
        assert (line["level"], line["metadata"]) == ("error", {"index": "docs"})
        assert (line["exception"]["type"], line["exception"]["message"]) == (
            "ValueError",
            "invalid literal for int() with base 10: 'no'",
        )

    def test_a_line_below_the_level_needs_no_thread(self) -> None:
        """It is dropped where it is said."""
        logs, stream = _logs(LogLevel.ERROR)

        async def work() -> int:
            await logs.rag.ainfo("x")
            return threading.active_count()

        before = threading.active_count()
        assert asyncio.run(work()) == before
        assert stream.getvalue() == ""


class TestRoutes:
    """Where lines go may change at any time, for loggers that were taken before too."""

    def test_bound_loggers_follow(self) -> None:
        """A logger with fields of its own writes where everything is written now, by the level that holds now."""
        logs, before = _logs()
        bound = logs.rag.bind(index="docs")
        bound.debug("a")
        output, after = _output(LogLevel.WARNING)
        logs.send_to(output)
        bound.info("b")
        bound.warning("c")

        assert [line["message"] for line in _lines(before)] == ["a"]
        assert [(line["message"], line["metadata"]) for line in _lines(after)] == [("c", {"index": "docs"})]
        assert logs.output is output


@pytest.mark.parametrize("args", [("%d", "x"), ("%s and %s", "x"), ("100%", 1)], ids=repr)
def test_values_that_do_not_fit_the_message(
    args: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """They cost the line, which is said once, and never reach the caller."""
    monkeypatch.setenv("CAPIBARA_RAISE", "0")
    monkeypatch.setattr(shield, "_said", Once())
    logs, stream = _logs()
    with caplog.at_level(logging.ERROR, logger="capibara_otel"):
        logs.rag.info(*args)
        logs.rag.info("fine")

    assert [line["message"] for line in _lines(stream)] == ["fine"]
    assert [record.getMessage() for record in caplog.records] == [
        "telemetry fault in logs.line; your code goes on, with less telemetry"
    ]
