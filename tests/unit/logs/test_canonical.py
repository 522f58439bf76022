"""One line per operation."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from capibara_otel.logs import CanonicalLines, LogLevel, Output
from capibara_otel.logs.canonical import _CATEGORIES
from capibara_otel.operation import Operation
from capibara_otel.sdk import Capibara
from capibara_otel.semconv.spans import SPANS
from capibara_otel.testing import Capture


@pytest.fixture(name="cap")
def _cap() -> Capibara:
    """An instance that nobody else uses."""
    return Capibara()


@pytest.fixture(name="capture")
def _capture(cap: Capibara) -> Iterator[Capture]:
    """Everything that instance emits."""
    with Capture(cap) as capture:
        yield capture


def _lines(capture: Capture) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capture.lines]


_OPENED: dict[str, tuple[Callable[[Capibara], Operation], str]] = {
    "api": (lambda cap: cap.api.request(method="GET"), "api"),
    "websocket": (lambda cap: cap.api.websocket(), "api"),
    "background": (lambda cap: cap.api.background(), "api"),
    "routing": (lambda cap: cap.routing.decide(), "routing"),
    "ace": (lambda cap: cap.ace.cycle(component="curator"), "ace"),
    "e2b": (lambda cap: cap.e2b.execute(language="go"), "e2b"),
    "rag": (lambda cap: cap.rag.search(index="docs"), "rag"),
    "agents": (lambda cap: cap.agents.interaction(domain="d"), "agents"),
    "llm": (lambda cap: cap.llm.chat(provider="p", model="m"), "agents"),
    "optimizations": (lambda cap: cap.optimizations.cache("c"), "optimizations"),
    "business": (lambda cap: cap.business.query(query_type="q"), "business"),
}
_SERVED = {"api", "websocket"}


@pytest.mark.parametrize("kind", _OPENED)
class TestLevels:
    """Requests are told, failures are warned of, the rest is for debugging; in the category of its subsystem."""

    def test_success(self, kind: str, cap: Capibara, capture: Capture) -> None:
        """What a server did is information, what happened inside is for debugging."""
        make, category = _OPENED[kind]
        with make(cap) as operation:
            pass

        (line,) = _lines(capture)
        assert (line["level"], line["category"]) == ("info" if kind in _SERVED else "debug", category)
        assert (line["message"], line["event"]) == (operation.name, operation.spec.type)

    @pytest.mark.parametrize(
        ("error", "level"),
        [(ValueError("x"), "warning"), (TimeoutError(), "warning"), (asyncio.CancelledError(), None)],
        ids=["error", "timeout", "cancelled"],
    )
    def test_failure(self, error: BaseException, level: str | None, kind: str, cap: Capibara, capture: Capture) -> None:
        """Errors and timeouts are warnings with their traceback; a cancellation is nobody's fault and has none."""
        make, category = _OPENED[kind]
        with pytest.raises(type(error)), make(cap):
            raise error

        (line,) = _lines(capture)
        assert (line["level"], line["category"]) == (level or ("info" if kind in _SERVED else "debug"), category)
        assert line.get("exception", {}).get("type") == (type(error).__qualname__ if level else None)


def test_the_whole_line(cap: Capibara, capture: Capture) -> None:
    """The line has the span's name, time, ids, people and all its attributes."""
    with cap.context(user_id="u", tenant="acme"), cap.rag.search(index="docs", top_k=8) as search:
        capture.clock.advance(0.0123456)
        search.found(2, scores=[0.5])
    (line,) = _lines(capture)
    (span,) = capture.spans

    assert line == {
        "timestamp": "2023-11-14T22:13:20.012345Z",
        "level": "debug",
        "category": "rag",
        "message": "rag search docs",
        "user_id": "u",
        "tenant_id": "acme",
        "duration_ms": 12.346,
        "trace_id": f"{span.context.trace_id:032x}" if span.context else "",
        "span_id": f"{span.context.span_id:016x}" if span.context else "",
        "event": "capibara6.rag.search",
        "metadata": {
            "capibara6.rag.index": "docs",
            "capibara6.rag.top_k": 8,
            "gen_ai.operation.name": "retrieval",
            "gen_ai.data_source.id": "docs",
            "capibara6.rag.results": 2,
            "capibara6.rag.hit": True,
            "capibara6.rag.relevance.best": 0.5,
            "capibara6.outcome": "success",
        },
    }


@pytest.mark.parametrize("how", ["block", "recorded", "stream", "elsewhere"])
def test_it_belongs_to_the_operations_span(how: str, cap: Capibara, capture: Capture) -> None:
    """Also where the operation is not current when it ends, line and log record carry the ids of its own span."""
    with cap.business.query(query_type="outer"):
        if how == "block":
            with cap.llm.chat(provider="p", model="m"):
                pass
        elif how == "recorded":
            cap.llm.record_chat("p", "m", 1.5)
        elif how == "stream":
            assert list(cap.llm.chat(provider="p", model="m").stream("ab")) == ["a", "b"]
        else:
            chat = cap.llm.chat(provider="p", model="m").start(current=False)
            with cap.rag.search(index="docs"):
                chat.finish()

    span = capture.span("chat m").context
    (record,) = [one.log_record for one in capture.log_records if one.log_record.body == "chat m"]
    (line,) = [line for line in _lines(capture) if line["message"] == "chat m"]
    assert span is not None
    assert (record.trace_id, record.span_id, record.trace_flags) == (span.trace_id, span.span_id, span.trace_flags)
    assert (line["trace_id"], line["span_id"]) == (f"{span.trace_id:032x}", f"{span.span_id:016x}")


def test_without_a_span_it_belongs_to_what_surrounds_it(cap: Capibara, capture: Capture) -> None:
    """A request that was recorded as metrics only has no ids of its own, certainly not zeros."""
    cap.api.record_request("GET", "/", 200, 0.1)
    with cap.rag.search(index="docs") as search:
        cap.api.record_request("GET", "/", 200, 0.1)

    alone, inside, _ = _lines(capture)
    assert "trace_id" not in alone
    assert inside["trace_id"] == search.trace_id


def test_the_order_of_fields(cap: Capibara, capture: Capture) -> None:
    """Known fields stand in the order of all lines, whatever set them; a failure's exception is the last of them."""
    with (
        pytest.raises(ValueError, match="no"),
        cap.context(agent="a", request_id="r"),
        cap.context(user_id="u"),
        cap.rag.search(index="docs"),
    ):
        raise ValueError("no")
    (line,) = _lines(capture)

    assert list(line) == [
        "timestamp", "level", "category", "message", "user_id", "request_id", "agent", "duration_ms", "trace_id", "span_id",
        "event", "exception", "metadata",
    ]  # fmt: skip


def test_secrets(cap: Capibara, capture: Capture) -> None:
    """Names, people, attributes and exceptions are redacted, in the line and in the log record."""
    secret = "sk-abcdefghijklmnopqrstuvwx1234"
    with (
        pytest.raises(ValueError, match="sk-"),
        cap.context(user_id="bob@example.com", session_id="s1"),
        cap.rag.search(index=f"docs {secret}"),
    ):
        raise ValueError(secret)
    (line,) = _lines(capture)
    (record,) = capture.log_records

    assert secret not in capture.lines[0]
    assert secret not in repr(record.log_record)
    assert (line["message"], line["user_id"], line["session_id"]) == ("rag search docs [redacted]", "[redacted]", "s1")
    assert line["metadata"]["capibara6.rag.index"] == "docs [redacted]"
    assert line["exception"]["message"] == "[redacted]"


@pytest.mark.parametrize(
    ("seconds", "milliseconds"), [(0, 0.0), (0.0000004, 0.0), (0.0123456, 12.346), (1, 1000.0), (86_400, 86_400_000.0)]
)
def test_durations(seconds: float, milliseconds: float, cap: Capibara, capture: Capture) -> None:
    """They are milliseconds, to the microsecond."""
    cap.rag.record_search("docs", seconds)

    assert repr(_lines(capture)[0]["duration_ms"]) == repr(milliseconds)


def test_numbers_of_tokens_are_shown(cap: Capibara, capture: Capture) -> None:
    """Names such as input_tokens are no secrets."""
    cap.llm.record_chat("p", "m", 1, input_tokens=812, output_tokens=164, cached_tokens=5)
    cap.ace.record_cycle("curator", 1, tokens_before=3, tokens_after=2)

    assert "[redacted]" not in "".join(capture.lines)


def test_lines_below_the_level_are_not_made(cap: Capibara) -> None:
    """An output that takes only warnings gets the failures and nothing else."""
    written = io.StringIO()
    with Capture(cap) as capture:
        cap.log.send_to(Output("json", LogLevel.WARNING, stream=written, provider=capture.logger_provider))
        cap.emitter.hooks = (CanonicalLines(cap.log),)
        cap.rag.record_search("docs", 1)
        cap.api.request(method="GET").record(1)
        cap.rag.record_search("docs", 1, outcome="timeout")

    assert [json.loads(line)["level"] for line in written.getvalue().splitlines()] == ["warning"]


def test_every_subsystem_has_a_category(cap: Capibara) -> None:
    """Operations of a subsystem are written under a category of their own, not under the fallback by accident."""
    assert {spec.subsystem for spec in SPANS} <= set(_CATEGORIES)
