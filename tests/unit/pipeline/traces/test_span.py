"""What a span takes, and what it shows."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any

import pytest
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from capibara_otel.pipeline.traces.data import EndedSpan
from capibara_otel.pipeline.traces.limits import SpanLimits
from capibara_otel.pipeline.traces.span import Span
from tests.unit.pipeline.traces.support import Ended, provider_into


@pytest.fixture
def ended() -> Ended:
    """The spans that ended."""
    return Ended()


def _begin(ended: Ended, limits: SpanLimits | None = None, **arguments: Any) -> Span:
    span = provider_into(ended, limits=limits).get_tracer("lib", "1").start_span("work", **arguments)
    assert isinstance(span, Span)
    return span


def test_an_ended_span_holds_plain_data(ended: Ended) -> None:
    """Every field that exporters read is a plain attribute of the span that `on_end` gets."""
    span = _begin(ended, attributes={"a": 1}, kind=SpanKind.SERVER)
    span.add_event("happened", {"b": 2}, 5)
    span.add_link(SpanContext(1, 2, is_remote=True), {"c": 3})
    span.set_status(StatusCode.ERROR, "broke")
    span.end(9)

    read: EndedSpan = span
    (event,), (link,) = read.happened, read.linked
    assert ended == [span]
    assert (read.name, read.kind, read.values, read.start_ns, read.end_ns) == ("work", SpanKind.SERVER, {"a": 1}, 1, 9)
    assert (event.name, event.time_ns, event.attributes, event.dropped_attributes) == ("happened", 5, {"b": 2}, 0)
    assert (link.context.trace_id, link.context.span_id, link.attributes) == (1, 2, {"c": 3})
    assert (read.status_code, read.status_description) == (2, "broke")
    assert (read.parent_id, read.parent_is_remote, read.flags, read.trace_state) == (0, False, 3, "")
    assert (read.scope.name, read.scope.version) == ("lib", "1")
    assert (read.dropped_attributes, read.dropped_events, read.dropped_links) == (0, 0, 0)


def test_what_the_sdks_spans_show_can_be_read_at_any_time(ended: Ended) -> None:
    """Name, context, kind, times, attributes, events, links, status, resource and scope are read alike before and after."""
    span = _begin(ended, attributes={"a": 1})
    span.add_event("happened", {"b": 2}, 5)
    span.add_link(SpanContext(1, 2, is_remote=True), {"c": 3})

    def shown() -> list[Any]:
        return [
            span.name,
            span.context,
            span.get_span_context(),
            span.kind,
            span.parent,
            span.start_time,
            dict(span.attributes),
            [(event.name, getattr(event, "timestamp", None), dict(event.attributes)) for event in span.events],
            [(link.context.span_id, dict(link.attributes)) for link in span.links],
            (span.status.status_code, span.status.description),
            dict(span.resource.attributes),
            span.instrumentation_scope.name,
        ]

    def state() -> tuple[bool, int | None]:
        return span.is_recording(), span.end_time

    before = shown()
    assert state() == (True, None)
    span.end(7)

    assert shown() == before
    assert before[6:10] == [{"a": 1}, [("happened", 5, {"b": 2})], [(2, {"c": 3})], (StatusCode.UNSET, None)]
    assert state() == (False, 7)


def test_its_attributes_cannot_be_written_where_they_are_read(ended: Ended) -> None:
    """`attributes` is a view that refuses to be changed, as the SDK's is."""
    attributes: Any = _begin(ended).attributes
    with pytest.raises(TypeError):
        attributes["a"] = 1


def test_it_can_be_written_as_json(ended: Ended) -> None:
    """`to_json` gives what the SDK's spans give."""
    span = _begin(ended, attributes={"a": 1})
    span.end(2_000_000_000)

    written = json.loads(span.to_json())

    assert written["name"] == "work"
    assert written["attributes"] == {"a": 1}
    assert written["end_time"] == "1970-01-01T00:00:02.000000Z"
    assert written["context"]["span_id"] == f"0x{span.span_id:016x}"
    assert written["resource"]["attributes"] == {"service.name": "test"}
    assert "\n" not in span.to_json(indent=None)


def test_it_names_itself(ended: Ended) -> None:
    """Its representation tells its name and ids."""
    span = _begin(ended)
    assert repr(span) == f'Span(name="work", context={span.context!r})'


def test_the_second_end_is_none(ended: Ended, caplog: pytest.LogCaptureFixture) -> None:
    """Ending twice is said, changes nothing and hands nothing on."""
    span = _begin(ended)
    span.end(5)
    span.end(6)

    assert ended == [span]
    assert span.end_ns == 5
    assert "Calling end() on an ended span." in caplog.text


@pytest.mark.parametrize(
    ("method", "arguments", "message"),
    [
        ("set_attribute", ("a", 2), "Setting attribute on ended span."),
        ("set_attributes", ({"a": 2},), "Setting attribute on ended span."),
        ("add_event", ("late",), "Tried calling add_event on an ended span."),
        ("add_link", (SpanContext(1, 2, is_remote=False),), "Tried calling add_link on an ended span."),
        ("update_name", ("late",), "Tried calling update_name on an ended span."),
        ("set_status", (StatusCode.ERROR,), "Tried calling set_status on an ended span."),
        ("record_exception", (ValueError(),), "Tried calling add_event on an ended span."),
    ],
)
def test_nothing_changes_after_the_end(
    ended: Ended, caplog: pytest.LogCaptureFixture, method: str, arguments: tuple[Any, ...], message: str
) -> None:
    """What is told to a span that has ended is said to be too late, and nothing more."""
    span = _begin(ended, attributes={"a": 1})
    span.end()
    before = span.to_json()
    getattr(span, method)(*arguments)

    assert span.to_json() == before
    assert message in caplog.text


def test_attributes_set_again_are_the_newest(ended: Ended) -> None:
    """An attribute that is set again stands last, and so is dropped last."""
    span = _begin(ended, SpanLimits(attributes=2), attributes={"a": 1, "b": 1})
    span.set_attribute("a", 2)
    span.set_attribute("c", 1)
    span.end()

    assert span.values == {"a": 2, "c": 1}
    assert list(span.values) == ["a", "c"]
    assert span.dropped_attributes == 1


def test_what_is_over_a_limit_is_dropped_oldest_first_and_counted(ended: Ended) -> None:
    """Attributes, events and links keep the last ones within their limits, and count the others."""
    span = _begin(ended, SpanLimits(attributes=3, events=2, links=1, event_attributes=1, link_attributes=1))
    for number in range(10):
        span.set_attribute(f"k{number}", number)
        span.add_event(f"e{number}", {"first": 1, "second": 2})
        span.add_link(SpanContext(1, number + 1, is_remote=False), {"first": 1, "second": 2})
    span.end()

    assert span.values == {"k7": 7, "k8": 8, "k9": 9}
    assert [(event.name, event.attributes, event.dropped_attributes) for event in span.happened] == [
        ("e8", {"second": 2}, 1),
        ("e9", {"second": 2}, 1),
    ]
    assert [(link.context.span_id, link.attributes, link.dropped_attributes) for link in span.linked] == [
        (10, {"second": 2}, 1)
    ]
    assert (span.dropped_attributes, span.dropped_events, span.dropped_links) == (7, 8, 9)


def test_any_number_of_them_takes_no_more_room_than_the_limit(ended: Ended) -> None:
    """A span that is told things for ever holds no more than its limits while it lasts."""
    span = _begin(ended, SpanLimits(attributes=4, events=4, links=4))
    for number in range(20_000):
        span.set_attribute(f"k{number}", number)
        span.add_event("again")
        assert len(span.attributes) <= 4
        assert len(span.events) <= 4
    assert span.dropped_so_far() == (19_996, 19_996, 0)


def test_values_are_cut_and_cleaned(ended: Ended) -> None:
    """Strings are cut at their limit, at any depth; lists become tuples; what cannot be held becomes its text."""
    span = _begin(ended, SpanLimits(value_length=3, inner_value_length=2), attributes={"start": "abcdef"})
    span.set_attribute("later", "äöüß")
    span.set_attribute("deep", ["abcdef", {"k": "abcdef"}])
    odd: Any = Exception("abcdef")
    span.set_attribute("object", odd)
    span.add_event("event", {"inner": "abcdef"})
    span.end()

    assert span.values == {"start": "abc", "later": "äöü", "deep": ("abc", {"k": "abc"}), "object": "abcdef"}
    assert span.happened[0].attributes == {"inner": "ab"}


def test_a_list_changed_later_does_not_change_the_span(ended: Ended) -> None:
    """What was set is what it was when it was set, also what the caller's own dict held."""
    items, given = [1, 2], {"a": 1}
    span = _begin(ended, attributes=given)
    span.set_attribute("items", items)
    items.append(3)
    given["a"] = 2
    span.end()

    assert span.values == {"a": 1, "items": (1, 2)}


@pytest.mark.parametrize(
    ("given", "kept", "dropped"), [({1: "one", "a": 1}, {"1": "one", "a": 1}, 0), ({"": "none", "a": 1}, {"a": 1}, 1)]
)
def test_keys_become_texts(ended: Ended, given: Any, kept: dict[str, Any], dropped: int) -> None:
    """In a mapping a key that has a text is kept under that; an empty one is left out and counted."""
    span = _begin(ended, attributes=given)
    span.add_event("event", given)
    span.end()

    assert span.values == span.happened[0].attributes == kept
    assert span.dropped_attributes == span.happened[0].dropped_attributes == dropped


class _Refuses:
    """A value whose text cannot be had."""

    def __str__(self) -> str:
        raise ValueError("no text")


class _BadMapping(dict[str, Any]):
    """Attributes that cannot be read."""

    def items(self) -> Any:
        """Refuse."""
        raise RuntimeError("not now")


def _endless() -> list[Any]:
    endless: list[Any] = []
    endless.append(endless)
    return endless


def test_values_that_refuse_to_be_read_harm_nobody(ended: Ended, caplog: pytest.LogCaptureFixture) -> None:
    """A value whose own code fails, or that contains itself, is dropped, said and counted; the app sees no exception."""
    span = _begin(ended, attributes={"a": 1, "bad": _Refuses()})
    span.set_attribute("worse", _endless())
    bad: Any = _Refuses()
    span.set_attributes({"b": 2, "bad": bad})
    span.end()

    assert span.values == {"a": 1, "b": 2}
    assert span.dropped_attributes == 3
    assert caplog.text.count("cannot be read and is dropped") == 3


@pytest.mark.parametrize("given", [7, ["a"], _BadMapping(a=1)])
def test_attributes_that_are_none_harm_nobody(ended: Ended, caplog: pytest.LogCaptureFixture, given: Any) -> None:
    """What is no mapping, or fails to be one, is left out and said."""
    span = _begin(ended, attributes=given)
    span.set_attributes(given)
    span.add_event("event", given)
    span.end()

    assert span.values == {}
    assert span.happened[0].attributes == {}
    assert caplog.text.count("Attributes cannot be read") == 3


@pytest.mark.parametrize("key", ["", None, 5])
def test_a_key_that_is_none_is_refused(ended: Ended, caplog: pytest.LogCaptureFixture, key: Any) -> None:
    """A single attribute without a proper name is left out, said and counted."""
    span = _begin(ended)
    span.set_attribute(key, 1)

    assert span.attributes == {}
    assert span.dropped_so_far() == (1, 0, 0)
    span.end()
    assert span.dropped_attributes == 1
    assert "must be non-empty string" in caplog.text


def test_success_is_final(ended: Ended) -> None:
    """Once a span was a success nothing makes it a failure, and what is unset changes nothing."""
    span = _begin(ended)
    span.set_status(StatusCode.ERROR, "first")
    span.set_status(Status(StatusCode.UNSET))
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "first")
    span.set_status(StatusCode.OK)
    span.set_status(Status(StatusCode.ERROR, "late"))
    span.end()

    assert (span.status_code, span.status_description) == (1, "")


def test_only_failures_are_described(ended: Ended, caplog: pytest.LogCaptureFixture) -> None:
    """A description with another status, or beside a whole one, is said and left out; what is no status too."""
    span = _begin(ended)
    span.set_status(Status(StatusCode.ERROR, "whole"), "beside")
    assert span.status.description == "whole"
    no_status: Any = "error"
    span.set_status(no_status)
    assert span.status.description == "whole"
    span.set_status(StatusCode.OK, "well")
    span.end()

    assert (span.status_code, span.status_description) == (1, "")
    assert "Description beside ignored" in caplog.text
    assert "should only be set when status_code is set to StatusCode.ERROR" in caplog.text


def test_a_link_that_says_nothing_is_none(ended: Ended) -> None:
    """A link without ids, attributes and trace state is left out; what is no context too."""
    span = _begin(ended)
    nothing, no_context = SpanContext(0, 0, is_remote=False), "context"
    span.add_link(nothing)
    wrong: Any = no_context
    span.add_link(wrong)
    span.add_link(nothing, {"a": 1})
    span.end()

    assert [link.attributes for link in span.linked] == [{"a": 1}]


class _CustomError(Exception):
    """An exception of a module of its own."""


class _MuteError(Exception):
    """One that cannot say what it is."""

    def __str__(self) -> str:
        raise ValueError("mute")


def _recorded(ended: Ended, exception: BaseException, **arguments: Any) -> Mapping[str, Any]:
    span = _begin(ended)
    span.record_exception(exception, **arguments)
    (event,) = span.events
    assert event.name == "exception"
    return event.attributes


def test_an_exception_is_an_event(ended: Ended) -> None:
    """It tells type, message, stack trace and whether it escaped; what the caller says goes first."""
    with pytest.raises(_CustomError) as raised:
        raise _CustomError("wrong")
    attributes = _recorded(ended, raised.value, attributes={"more": 1, "exception.message": "right"}, escaped=True)

    assert attributes["exception.type"] == f"{__name__}._CustomError"
    assert attributes["exception.message"] == "right"
    assert attributes["exception.escaped"] == "True"
    assert attributes["more"] == 1
    assert "in test_an_exception_is_an_event" in attributes["exception.stacktrace"]
    assert _recorded(ended, KeyError("k"))["exception.type"] == "KeyError"


def test_an_exception_that_cannot_speak_harms_nobody(ended: Ended) -> None:
    """One whose text cannot be had is recorded by its type."""
    assert _recorded(ended, _MuteError())["exception.message"] == "<exception str() failed>"

    span = _begin(ended)
    with pytest.raises(_MuteError), span:
        raise _MuteError
    assert span.status_description == "_MuteError: <exception str() failed>"


def test_as_a_block_it_tells_what_escaped(ended: Ended) -> None:
    """Left by an exception, also one that is no error, it records that it escaped, and fails; the exception goes on."""
    span = _begin(ended)
    with pytest.raises(KeyboardInterrupt), span:
        raise KeyboardInterrupt

    assert ended == [span]
    assert span.happened[0].attributes["exception.escaped"] == "True"
    assert (span.status_code, span.status_description) == (2, "KeyboardInterrupt: ")


def test_as_a_block_it_can_be_told_not_to(ended: Ended) -> None:
    """Neither event nor status, where the tracer was asked for neither."""
    span = _begin(ended, record_exception=False, set_status_on_exception=False)
    with pytest.raises(ValueError, match="x"), span:
        raise ValueError("x")

    assert (span.happened, span.status_code) == ((), 0)


def test_its_context_is_the_same_each_time(ended: Ended) -> None:
    """A context equals one made by the class itself, and is made once."""
    span = _begin(ended)
    context = span.get_span_context()

    assert context is span.get_span_context()
    assert context == SpanContext(span.trace_id, span.span_id, is_remote=False, trace_flags=TraceFlags(3))
    assert context.is_valid
    assert context.trace_flags.sampled
    assert context.trace_flags.random_trace_id


def test_whatever_else_is_put_on_it_stays(ended: Ended) -> None:
    """Instrumentations put attributes of their own on spans; they are not touched, and not exported."""
    span = _begin(ended)
    owned: Any = span
    owned.of_an_instrumentation = 1
    span.add_event("event")
    span.end()

    assert owned.of_an_instrumentation == 1
    assert span.values == {}


def test_warnings_of_the_limits_are_few(ended: Ended, caplog: pytest.LogCaptureFixture) -> None:
    """A span over its limits writes no log line per dropped or cut value, as the SDK does: one app's flood is enough."""
    with caplog.at_level(logging.DEBUG):
        span = _begin(ended, SpanLimits(attributes=1, value_length=1))
        for number in range(100):
            span.set_attribute(f"k{number}", "long")
        span.end()

    assert span.dropped_attributes == 99
    assert caplog.records == []
