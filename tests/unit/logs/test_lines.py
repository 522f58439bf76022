"""Lines of `cap.log`: categories, levels, fields, context, redaction."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import IntEnum
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry import _logs as otel_logs
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext

from capibara_otel._safety import Once, shield
from capibara_otel.logs import Category, LogLevel, Logs, Output
from capibara_otel.logs.categories import level_of
from capibara_otel.logs.fields import BEGINNINGS, RESERVED
from capibara_otel.logs.fields import _harmless as harmless
from capibara_otel.logs.forms import timestamp
from capibara_otel.logs.members import _passed as passed
from capibara_otel.operation import attached
from capibara_otel.sdk import Capibara
from capibara_otel.testing import START_NS, Capture

_CATEGORIES = [
    "system", "api", "routing", "ace", "e2b", "rag", "agents", "optimizations", "business", "security", "performance",
]  # fmt: skip
_LEVELS = ["debug", "info", "warning", "error", "critical"]


@pytest.fixture(name="cap")
def _cap() -> Capibara:
    """An instance that nobody else uses."""
    return Capibara()


@pytest.fixture(name="capture")
def _capture(cap: Capibara) -> Iterator[Capture]:
    """Everything that instance writes."""
    with Capture(cap) as capture:
        yield capture


def _line(capture: Capture) -> dict[str, Any]:
    (text,) = capture.lines
    line: dict[str, Any] = json.loads(text)
    return line


class TestCategoriesAndLevels:
    """11 categories, 5 levels."""

    def test_there_are_these(self) -> None:
        """The categories and levels are those promised, in rising order."""
        assert [category.value for category in Category] == _CATEGORIES
        assert [level.value for level in LogLevel] == _LEVELS
        assert [level.number for level in LogLevel] == [10, 20, 30, 40, 50]
        assert [level.severity.value for level in LogLevel] == [5, 9, 13, 17, 21]

    @pytest.mark.parametrize("category", _CATEGORIES)
    @pytest.mark.parametrize("level", _LEVELS)
    def test_each_logger_at_each_level(self, category: str, level: str, cap: Capibara, capture: Capture) -> None:
        """`cap.log.<category>.<level>(…)` writes a line of that category and level."""
        getattr(getattr(cap.log, category), level)("it happened")

        assert (_line(capture)["category"], _line(capture)["level"]) == (category, level)
        assert getattr(cap.log, category) is cap.log.of(category)

    def test_an_unknown_category(self, cap: Capibara) -> None:
        """There is no logger for a category that does not exist."""
        with pytest.raises(ValueError, match="'llm' is not a valid Category"):
            cap.log.of("llm")

    @pytest.mark.parametrize(("method", "level"), [("warn", "warning"), ("fatal", "critical"), ("exception", "error")])
    def test_other_words_for_levels(self, method: str, level: str, cap: Capibara, capture: Capture) -> None:
        """What structlog calls otherwise has one of the five levels."""
        getattr(cap.log.system, method)("it happened")

        assert _line(capture)["level"] == level

    @pytest.mark.parametrize("least", _LEVELS)
    def test_lines_below_the_level_are_dropped(self, least: str, cap: Capibara, capture: Capture) -> None:
        """Only lines at or above the output's level are written, and the others cost no work."""
        cap.log.send_to(Output("json", LogLevel(least), stream=capture.stream))

        class Costly:
            def __str__(self) -> str:
                written.append("shown")
                return "x"

        written: list[str] = []
        for level in _LEVELS:
            getattr(cap.log.api, level)("it happened", value=Costly())

        assert [json.loads(line)["level"] for line in capture.lines] == _LEVELS[_LEVELS.index(least) :]
        assert len(written) == len(capture.lines)

    @pytest.mark.parametrize(
        ("number", "level"),
        [(0, "debug"), (10, "debug"), (19, "debug"), (20, "info"), (25, "info"), (30, "warning"), (40, "error"), (49, "error"), (50, "critical"), (90, "critical")],
    )  # fmt: skip
    def test_levels_of_the_standard_library(self, number: int, level: str) -> None:
        """A number of the standard library, also one between, is the level at or below it."""
        assert level_of(number) is LogLevel(level)


class TestFields:
    """What a line holds and in which order."""

    def test_the_whole_line(self, cap: Capibara, capture: Capture) -> None:
        """Known fields come first and in this order; everything else is metadata, in the caller's order."""
        span = NonRecordingSpan(SpanContext(0xAB, 0xCD, is_remote=False))
        people = cap.context(
            user_id=7, session_id="s1", tenant="acme", request_id="r1", conversation_id="c1", agent="a1"
        )
        with attached(trace.set_span_in_context(span)), people:
            cap.log.rag.warning(
                "index is stale",
                zebra=1,
                index="docs",
                duration_ms=1.5,
                component="indexer",
                age_hours=31,
                nothing=None,
            )

        assert capture.lines == [
            json.dumps(
                {
                    "timestamp": "2023-11-14T22:13:20.000000Z",
                    "level": "warning",
                    "category": "rag",
                    "component": "indexer",
                    "message": "index is stale",
                    "user_id": "7",
                    "session_id": "s1",
                    "tenant_id": "acme",
                    "request_id": "r1",
                    "conversation_id": "c1",
                    "agent": "a1",
                    "duration_ms": 1.5,
                    "trace_id": "000000000000000000000000000000ab",
                    "span_id": "00000000000000cd",
                    "metadata": {"zebra": 1, "index": "docs", "age_hours": 31, "nothing": None},
                }
            )
        ]

    def test_the_shortest_line(self, cap: Capibara, capture: Capture) -> None:
        """Without context, trace and fields there is nothing but these."""
        capture.clock.now_ns += 1_234_567_891
        cap.log.system.info("up")

        assert capture.lines == [
            '{"timestamp": "2023-11-14T22:13:21.234567Z", "level": "info", "category": "system", "message": "up"}'
        ]

    def test_what_the_caller_gives_wins_over_the_context(self, cap: Capibara, capture: Capture) -> None:
        """A line may be about somebody else than the request it is written in."""
        with cap.context(user_id="u", tenant="acme"):
            cap.log.security.info("impersonated", user_id="v")

        assert (_line(capture)["user_id"], _line(capture)["tenant_id"]) == ("v", "acme")

    def test_the_lines_own_fields_cannot_be_given(self, cap: Capibara, capture: Capture) -> None:
        """Time, level, category and message are the line's."""
        cap.log.rag.info("true", timestamp="never", level="critical", category="password=hunter22", message="false")

        line = _line(capture)
        assert (line["timestamp"][:4], line["level"], line["category"], line["message"]) == (
            "2023",
            "info",
            "rag",
            "true",
        )
        assert "hunter22" not in capture.lines[0]

    def test_the_context_is_that_of_the_task(self, cap: Capibara, capture: Capture) -> None:
        """Lines of tasks that run at the same time each have their own context."""

        async def work(user: str) -> None:
            with cap.context(user_id=user):
                await asyncio.sleep(0)
                cap.log.api.info(user)

        async def both() -> None:
            await asyncio.gather(work("u"), work("v"))

        asyncio.run(both())

        assert all(line["user_id"] == line["message"] for line in map(json.loads, capture.lines))
        assert len(capture.lines) == 2

    def test_bound_fields(self, cap: Capibara, capture: Capture) -> None:
        """A logger may be bound to fields; positional values go into the message as structlog has it."""
        cap.log.rag.bind(index="docs").info("took %d ms", 5)

        assert (_line(capture)["message"], _line(capture)["metadata"]) == ("took 5 ms", {"index": "docs"})

    def test_values_of_any_type(self, cap: Capibara, capture: Capture) -> None:
        """Whatever is given, the line is JSON: numbers stay numbers, what JSON does not know is written as text."""
        cap.log.business.info(
            "all",
            integer=1,
            huge=2**70,
            number=0.5,
            infinite=float("inf"),
            missing=float("nan"),
            flag=True,
            money=Decimal("0.10"),
            moment=datetime(2026, 1, 2, tzinfo=UTC),
            several=(1, "a"),
            nested={"a": {1: [float("-inf")]}},
            odd="caf\udce9 é",
            line="a\nb",
        )

        assert _line(capture)["metadata"] == {
            "integer": 1,
            "huge": str(2**70),
            "number": 0.5,
            "infinite": "Infinity",
            "missing": "NaN",
            "flag": True,
            "money": "0.10",
            "moment": "2026-01-02 00:00:00+00:00",
            "several": [1, "a"],
            "nested": {"a": {"1": ["-Infinity"]}},
            "odd": "caf\\udce9 é",
            "line": "a\nb",
        }
        assert len(capture.lines) == 1
        assert "é" in capture.lines[0]

    @given(
        message=st.text(max_size=20),
        fields=st.dictionaries(
            st.text(max_size=8).filter(lambda name: name not in RESERVED),
            st.recursive(
                st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
                lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
                max_leaves=6,
            ),
            max_size=6,
        ),
    )
    @settings(max_examples=300, deadline=None)
    def test_it_is_what_the_json_module_writes(self, message: str, fields: dict[str, Any]) -> None:
        """Whatever the fields: one line, that any reader of JSON takes, and to the letter as Python's writes it."""
        stream = io.StringIO()
        output = Output("json", stream=stream, provider=otel_logs.NoOpLoggerProvider())
        Logs(output, lambda: START_NS).rag.info(message, **fields)
        line = stream.getvalue()

        assert line.count("\n") == 1
        assert json.dumps(json.loads(line), ensure_ascii=False, allow_nan=False) + "\n" == line

    @pytest.mark.parametrize(
        ("number", "written"),
        [
            (2**63 - 1, 2**63 - 1),
            (2**63, str(2**63)),
            (-(2**63), -(2**63)),
            (-(2**63) - 1, str(-(2**63) - 1)),
            (IntEnum("Code", ["OK"]).OK, 1),  # type: ignore[attr-defined]
            (True, True),
            (-0.0, -0.0),
            (1e16, 1e16),
            (5e-324, 5e-324),
        ],
        ids=repr,
    )
    def test_numbers(self, number: float, written: object, cap: Capibara, capture: Capture) -> None:
        """What 64 bits hold stays a number, to the last digit; a greater one is a text."""
        cap.log.rag.info("x", number=number)
        found = _line(capture)["metadata"]["number"]

        assert (repr(found), type(found)) == (repr(written), type(written))

    @given(st.integers(-(10**18), 2 * 10**18))
    @settings(max_examples=200, deadline=None)
    def test_times(self, now_ns: int) -> None:
        """The time is ISO 8601 in UTC, cut to microseconds, also before 1970 and when the clock goes back."""
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=now_ns // 1000)

        assert timestamp(now_ns) == moment.isoformat(timespec="microseconds").replace("+00:00", "Z")

    def test_people_of_several_blocks(self, cap: Capibara, capture: Capture) -> None:
        """The fields keep their order, whichever block set them."""
        with cap.context(agent="a", request_id="r"), cap.context(session_id="s"), cap.context(user_id="u", agent="b"):
            cap.log.rag.info("x")
            cap.log.rag.info("x", component="c", session_id=None)

        first, second = (list(json.loads(line).items()) for line in capture.lines)
        assert first[3:] == [
            ("message", "x"),
            ("user_id", "u"),
            ("session_id", "s"),
            ("request_id", "r"),
            ("agent", "b"),
        ]
        assert second[3:] == [
            ("component", "c"),
            ("message", "x"),
            ("user_id", "u"),
            ("request_id", "r"),
            ("agent", "b"),
        ]

    @pytest.mark.filterwarnings("ignore:Log record attributes were dropped")  # the official SDK's, about its limit
    def test_names_without_an_end_are_not_kept(self, cap: Capibara, capture: Capture) -> None:
        """What is remembered about names is bounded; a line with more, or longer, names is written all the same."""
        BEGINNINGS.clear()
        harmless.clear()
        long = "n" * 1_000
        cap.log.rag.info("x", **{long: 1, f"{long}_password": "hunter22"})
        assert set(BEGINNINGS) <= {"message"}

        cap.log.rag.info("x", **{f"name_{number}": number for number in range(3_000)})
        first, second = (json.loads(line)["metadata"] for line in capture.lines)
        assert first == {long: 1, f"{long}_password": "[redacted]"}
        assert second == {f"name_{number}": number for number in range(3_000)}
        assert len(BEGINNINGS) == 2_000
        assert len(harmless) <= 2_000
        BEGINNINGS.clear()

    def test_a_message_that_is_no_text(self, cap: Capibara, capture: Capture) -> None:
        """Anything may be the message."""
        cap.log.api.info({"a": 1})
        cap.log.api.info(5)

        assert [json.loads(line)["message"] for line in capture.lines] == ["{'a': 1}", "5"]


class TestExceptions:
    """Exceptions on lines."""

    def test_the_current_one(self, cap: Capibara, capture: Capture) -> None:
        """`exception()` and `exc_info=True` take the exception being handled: class, message, traceback."""
        try:
            json.loads("{")
        except ValueError:
            cap.log.rag.exception("search failed")
            cap.log.rag.error("search failed", exc_info=True)

        first, second = (json.loads(line)["exception"] for line in capture.lines)
        assert first["type"] == "json.decoder.JSONDecodeError"
        assert first["message"].startswith("Expecting property name")
        assert first["stacktrace"].startswith("Traceback (most recent call last):\n")
        assert first["stacktrace"].endswith(f"JSONDecodeError: {first['message']}\n")
        assert "test_the_current_one" in first["stacktrace"]
        assert second["message"] == first["message"]

    @pytest.mark.parametrize("how", ["exc_info", "tuple", "exception"])
    def test_a_given_one(self, how: str, cap: Capibara, capture: Capture) -> None:
        """An exception, or the tuple of `sys.exc_info()`, may be given."""
        error = json.JSONDecodeError("bad", "{", 0)
        given: dict[str, dict[str, Any]] = {
            "exc_info": {"exc_info": error},
            "tuple": {"exc_info": (type(error), error, None)},
            "exception": {"exception": error},
        }
        cap.log.api.warning("failed", **given[how])

        assert _line(capture)["exception"]["type"] == "json.decoder.JSONDecodeError"
        assert _line(capture)["exception"]["message"] == "bad: line 1 column 1 (char 0)"

    @pytest.mark.parametrize("info", [True, False, None, (None, None, None)])
    def test_none(self, info: object, cap: Capibara, capture: Capture) -> None:
        """Without an exception there is no such field."""
        cap.log.api.warning("fine", exc_info=info)

        assert "exception" not in _line(capture)
        assert "metadata" not in _line(capture)

    def test_a_description(self, cap: Capibara, capture: Capture) -> None:
        """What somebody wrote himself under `exception` is its message."""
        cap.log.api.warning("failed", exception="refused for bob@example.com")

        assert _line(capture)["exception"] == {"message": "refused for [redacted]"}

    def test_one_that_refuses_to_be_shown(self, cap: Capibara, capture: Capture) -> None:
        """An exception whose text fails is named, and its line is written."""

        class Broken(Exception):  # noqa: N818 - no error of ours
            def __str__(self) -> str:
                raise RuntimeError("no")

        cap.log.api.error("failed", exc_info=Broken())

        assert _line(capture)["exception"]["message"] == "<Broken>"


class TestRedaction:
    """No secret is written, wherever it stands."""

    @pytest.mark.parametrize("secret", ["sk-abcdefghijklmnopqrstuvwx1234", "bob@example.com", "4111 1111 1111 1111"])
    def test_in_every_place(self, secret: str, cap: Capibara, capture: Capture) -> None:
        """Message, fields, nested values, keys, context, ids and exceptions are searched, for text and OpenTelemetry."""
        try:
            float(f"for {secret}")
        except ValueError as error:
            with cap.context(user_id=f"user {secret}", session_id=f"session {secret}"):
                cap.log.security.error(
                    f"message {secret}",
                    exc_info=error,
                    component=f"component {secret}",
                    trace_id=f"trace {secret}",
                    span_id=f"span {secret}",
                    duration_ms=f"duration {secret}",
                    event_name=f"event {secret}",
                    agent=f"agent {secret}",
                    field=f"field {secret}",
                    nested={"list": [{"deep": f"deep {secret}"}], f"key {secret}": 1},
                    pairs=[("authorization", secret)],
                    error=ValueError(secret),
                    raw=secret.encode(),
                )
        (record,) = capture.log_records

        assert secret not in capture.lines[0]
        assert secret not in repr(record.log_record)
        assert capture.lines[0].count("[redacted]") >= 14

    def test_by_name(self, cap: Capibara, capture: Capture) -> None:
        """What stands under a secret's name is masked, whatever it is; a session's id and counts of tokens are not."""
        cap.log.security.info(
            "in",
            password="hunter22",
            api_key=5,
            headers={"Cookie": "a=b"},
            input_tokens=812,
            session_id="s1",
            passages=3,
        )

        line = _line(capture)
        assert line["session_id"] == "s1"
        assert line["metadata"] == {
            "password": "[redacted]",
            "api_key": "[redacted]",
            "headers": {"Cookie": "[redacted]"},
            "input_tokens": 812,
            "passages": 3,
        }

    def test_in_the_name_of_a_field(self, cap: Capibara, capture: Capture) -> None:
        """A field's name may hold a secret itself, as when headers or settings are given as fields."""
        secret = "bob@example.com"
        cap.log.security.info("x", **{f"mail of {secret}": 1, f"password of {secret}": "hunter22"})
        (record,) = capture.log_records

        assert _line(capture)["metadata"] == {"mail of [redacted]": 1, "password of [redacted]": "[redacted]"}
        assert secret not in repr(record.log_record)

    def test_what_is_remembered(self, cap: Capibara, capture: Capture) -> None:
        """Short texts without a secret are remembered, others never, and not more than there is room for."""
        passed.clear()
        cap.log.security.info("in", index="docs", mail="bob@example.com", note="n" * 31)
        cap.log.security.info("in", index="docs", note="docs")
        assert set(passed) == {"in", "docs"}

        cap.log.security.info("in", password="docs", nested={"api_key": "docs"}, index="docs")
        assert json.loads(capture.lines[-1])["metadata"] == {
            "password": "[redacted]",
            "nested": {"api_key": "[redacted]"},
            "index": "docs",
        }

        for number in range(5_000):
            cap.log.security.info("in", name=f"name {number}")
        assert 0 < len(passed) <= 2_001

    def test_nothing_is_found_across_fields(self, cap: Capibara, capture: Capture) -> None:
        """Two fields that would be a secret together are two fields."""
        cap.log.security.info("password:", first="hunter22", second="4111 1111", third="1111 1111", fourth="sk-")

        assert "[redacted]" not in capture.lines[0]

    def test_ids_that_look_like_cards(self, cap: Capibara, capture: Capture) -> None:
        """The id of a span may happen to be the number of a payment card; it stays what it is."""
        span = NonRecordingSpan(SpanContext(0xAB, 0x4111111111111111, is_remote=False))
        with attached(trace.set_span_in_context(span)):
            cap.log.api.info("x", order_id="4111111111111111")

        assert _line(capture)["span_id"] == "4111111111111111"
        assert _line(capture)["metadata"] == {"order_id": "[redacted]"}

    def test_in_console_form(self, cap: Capibara, capture: Capture) -> None:
        """The form for people is redacted too."""
        cap.log.send_to(Output("console", stream=capture.stream, provider=capture.logger_provider))
        cap.log.security.info("for bob@example.com", token="abc")

        assert capture.stream.getvalue().endswith("for [redacted]  token=[redacted]\n")


class TestHarmlessness:
    """A line never harms whoever writes it."""

    def test_a_hostile_field(self, cap: Capibara, capture: Capture) -> None:
        """An object that fails at everything costs no more than its own text."""

        class Hostile:
            def _no(self, *_: object) -> Any:
                raise RuntimeError("hostile")

            __str__ = __repr__ = __eq__ = __hash__ = __bool__ = __iter__ = __len__ = _no

        cap.log.api.info("a", field=Hostile(), exc_info=None)
        cap.log.api.info(Hostile())

        assert json.loads(capture.lines[0])["metadata"] == {"field": "<Hostile>"}
        assert json.loads(capture.lines[1])["message"] == "<Hostile>"

    def test_a_failing_clock(
        self, monkeypatch: pytest.MonkeyPatch, capture: Capture, caplog: pytest.LogCaptureFixture
    ) -> None:
        """A line that cannot be finished is dropped and said once; nothing reaches the caller."""
        monkeypatch.setenv("CAPIBARA_RAISE", "0")
        monkeypatch.setattr(shield, "_said", Once())

        def broken() -> int:
            raise OSError("no clock")

        logs = Logs(Output("json", stream=capture.stream), broken)
        with caplog.at_level(logging.ERROR, logger="capibara_otel"):
            logs.api.info("a")
            logs.api.info("b")

        assert capture.lines == []
        assert [record.getMessage() for record in caplog.records] == [
            "telemetry fault in logs.line; your code goes on, with less telemetry"
        ]


def test_a_kept_logger_follows(cap: Capibara) -> None:
    """A logger that a module took before anything was configured writes where everything is written now."""
    kept = cap.log.rag
    with Capture(cap) as capture:
        kept.debug("in the capture")

        assert _line(capture)["message"] == "in the capture"
    cap.log.send_to(Output("json", LogLevel.CRITICAL, stream=capture.stream))
    kept.error("below the level")

    assert len(capture.lines) == 1
