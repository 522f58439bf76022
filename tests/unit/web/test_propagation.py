"""What comes with a request: read as OpenTelemetry's propagators read it, and only where there is something to read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import baggage, propagate, trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.trace import SpanContext
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from capibara_otel.web.propagation import Incoming

Headers = list[tuple[bytes, bytes]]
PARENT = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

_HEX = st.text("0123456789abcdef")
_PARTS = st.tuples(
    st.sampled_from(["00", "01", "cc", "ff", "0"]) | _HEX,
    st.text("0123456789abcdef", min_size=32, max_size=32) | st.just("0" * 32) | _HEX,
    st.text("0123456789abcdef", min_size=16, max_size=16) | st.just("0" * 16) | _HEX,
    st.text("0123456789abcdef", min_size=2, max_size=2) | _HEX,
)
_USUAL = st.tuples(
    st.integers(0, 2**128 - 1), st.integers(0, 2**64 - 1), st.integers(0, 255), st.sampled_from(["", " ", "\n", "-x"])
).map(lambda parts: f"00-{parts[0]:032x}-{parts[1]:016x}-{parts[2]:02x}{parts[3]}".encode())
_PARENTS = _USUAL | _PARTS.map("-".join).map(str.encode) | _USUAL.map(bytes.upper) | st.binary(max_size=60)


class Elsewhere(TextMapPropagator):
    """Reads a header that it does not name in its fields, as propagators that only read do."""

    def extract(self, carrier: Any, context: Any = None, getter: Any = None) -> Context:
        """Put the header's values into the context."""
        return Context({**(context or {}), "elsewhere": getter.get(carrier, "X-Elsewhere")})

    def inject(self, carrier: Any, context: Any = None, setter: Any = None) -> None:
        """Write nothing."""

    @property
    def fields(self) -> set[str]:
        """Name nothing."""
        return set()


@pytest.fixture(autouse=True)
def _propagator() -> Iterator[None]:
    before = propagate.get_global_textmap()
    yield
    propagate.set_global_textmap(before)


def extract(raw: Headers, incoming: Incoming | None = None) -> Context:
    """Return the context that headers make of an empty one."""
    return (incoming or Incoming()).extract(raw, dict(raw), Context())


def parent(context: Context) -> SpanContext:
    """Return what the next span will be below."""
    return trace.get_current_span(context).get_span_context()


@given(_PARENTS)
def test_any_traceparent_means_what_opentelemetry_says(value: bytes) -> None:
    """Whatever a client sends, the parent is the one that OpenTelemetry's propagator finds, or none as there."""
    theirs = TraceContextTextMapPropagator().extract({"traceparent": [value.decode("latin-1")]}, Context())

    ours = parent(extract([(b"host", b"x"), (b"traceparent", value)]))

    assert tuple(ours) == tuple(parent(theirs))


@pytest.mark.parametrize(
    ("more", "state", "carried"),
    [
        ([(b"tracestate", b"a=1"), (b"tracestate", b"b=2")], "a=1,b=2", {}),
        ([(b"baggage", b"a=1"), (b"baggage", b"b=2")], "", {"a": "1", "b": "2"}),
    ],
)
def test_what_comes_beside_a_parent(more: Headers, state: str, carried: dict[str, str]) -> None:
    """Trace state and baggage come in too, of several headers all."""
    context = extract([(b"traceparent", PARENT), *more])

    assert parent(context).trace_state.to_header() == state
    assert baggage.get_all(context) == carried
    assert f"{parent(context).trace_id:032x}".encode() in PARENT


def test_of_two_parents_the_first_counts() -> None:
    """A header that is there twice is judged by OpenTelemetry's propagator, which takes the first."""
    second = PARENT.replace(b"00f067aa0ba902b7", b"1" * 16)

    assert parent(extract([(b"traceparent", PARENT), (b"traceparent", second)])).span_id == 0x00F067AA0BA902B7


def test_nothing_there_is_nothing_read() -> None:
    """A request without any of the headers keeps the very context it has."""
    around = Context({"a": 1})
    raw = [(b"host", b"x")]

    assert Incoming().extract(raw, dict(raw), around) is around


@pytest.mark.parametrize("also", [[], [TraceContextTextMapPropagator()]])
def test_a_propagator_of_others_is_always_asked(also: list[TextMapPropagator]) -> None:
    """What a foreign propagator reads is not known beforehand, alone or among others."""
    foreign = Elsewhere()
    propagate.set_global_textmap(CompositePropagator([*also, foreign]) if also else foreign)

    assert extract([(b"x-elsewhere", b"1")])["elsewhere"] == ["1"]
    assert extract([(b"host", b"x")])["elsewhere"] is None


@pytest.mark.parametrize("parts", [[], [W3CBaggagePropagator()]])
def test_a_parent_that_nobody_reads(parts: list[TextMapPropagator]) -> None:
    """Without a propagator for it a `traceparent` is a header like any other."""
    propagate.set_global_textmap(CompositePropagator(parts))

    assert extract([(b"traceparent", PARENT)]) == {}


def test_another_propagator_takes_over() -> None:
    """A propagator that is set after the first request is the one for the next."""
    incoming = Incoming()
    assert parent(extract([(b"traceparent", PARENT)], incoming)).is_valid
    propagate.set_global_textmap(Elsewhere())

    assert not parent(extract([(b"traceparent", PARENT)], incoming)).is_valid
