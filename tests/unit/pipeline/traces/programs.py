"""Random programs of span operations, and what an implementation of the API makes of them."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from hypothesis import strategies as st
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource as OfficialResource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace import SpanLimits as OfficialLimits
from opentelemetry.sdk.trace import TracerProvider as OfficialProvider
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    Tracer,
    TraceState,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.util.types import Attributes

from capibara_otel.pipeline.scope import Resource
from capibara_otel.pipeline.traces.limits import SpanLimits
from capibara_otel.pipeline.traces.official import readable
from capibara_otel.pipeline.traces.provider import TracerProvider
from capibara_otel.pipeline.traces.sampling import Sampling
from capibara_otel.pipeline.traces.span import Span as OurSpan
from capibara_otel.pipeline.traces.values import UNLIMITED

RESOURCE: Final[Mapping[str, Any]] = {"service.name": "équivalence", "process.pid": 7}


class Named:
    """A value that no attribute can hold, with a text of its own."""

    def __str__(self) -> str:
        return "näme" * 3


class Nameless:
    """A value that no attribute can hold, without one."""


class Text(str):
    """A text of a type of its own."""

    __slots__ = ()


# --- what programs are made of

_numbers = st.integers(-(2**63), 2**63 - 1)
_plain = st.one_of(st.text(max_size=12), _numbers, st.floats(), st.booleans(), st.none(), st.binary(max_size=6))
VALUES: Final[st.SearchStrategy[Any]] = st.one_of(
    _plain,
    _plain,
    st.recursive(
        _plain,
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.lists(inner, max_size=3).map(tuple),
            st.dictionaries(st.one_of(st.text(max_size=4), st.integers(0, 3)), inner, max_size=3),
        ),
        max_leaves=6,
    ),
    st.sampled_from([Named(), Nameless(), Text("own"), range(3), {"a"}]),
)
KEYS: Final[st.SearchStrategy[Any]] = st.one_of(
    st.sampled_from(["a", "b", "c", "d", "http.route"]),
    st.text(max_size=5),
    st.sampled_from(["", 1, "1", 0, None, Text("t")]),
)
ATTRIBUTES: Final[st.SearchStrategy[Attributes]] = st.one_of(
    st.none(), st.dictionaries(KEYS, VALUES, max_size=5), st.dictionaries(st.sampled_from("abc"), _plain, max_size=3)
)
Fault = tuple[type[BaseException], tuple[object, ...]]

TIMES: Final = st.integers(1, 2**58)
NAMES: Final = st.text(max_size=8)
_states = st.sampled_from([TraceState(), TraceState([("vendor", "one"), ("other", "two")])])
CONTEXTS: Final = st.builds(
    SpanContext,
    st.one_of(st.just(0), st.integers(1, 2**128 - 1)),
    st.one_of(st.just(0), st.integers(1, 2**64 - 1)),
    st.booleans(),
    st.integers(0, 3).map(TraceFlags),
    _states,
)
LINKS: Final = st.lists(st.tuples(CONTEXTS, ATTRIBUTES), max_size=4)
STATUSES: Final = st.one_of(
    st.tuples(st.sampled_from(StatusCode), st.one_of(st.none(), st.text(max_size=5))),
    st.tuples(
        st.builds(Status, st.sampled_from(StatusCode), st.one_of(st.none(), st.text(max_size=5))),
        st.one_of(st.none(), st.just("ignored")),
    ),
)
FAULTS: Final[st.SearchStrategy[Fault]] = st.sampled_from(
    [(ValueError, ("wröng",)), (KeyError, ("key",)), (KeyboardInterrupt, ()), (StopIteration, (3,))]
)
"""Types and arguments: each run has exceptions of its own, for they remember where they were raised."""

Step = tuple[Any, ...]

_which = st.integers(0, 3)
_start: Final[st.SearchStrategy[Step]] = st.tuples(
    st.just("start"),
    st.one_of(st.just("current"), st.just("root"), _which, CONTEXTS),
    NAMES,
    st.sampled_from(SpanKind),
    ATTRIBUTES,
    st.one_of(st.none(), LINKS),
    TIMES,
)
_steps: Final[st.SearchStrategy[Step]] = st.one_of(
    _start,
    st.tuples(st.just("set"), _which, KEYS, VALUES),
    st.tuples(st.just("set"), _which, KEYS, VALUES),
    st.tuples(st.just("set_many"), _which, ATTRIBUTES.map(lambda given: given or {})),
    st.tuples(st.just("event"), _which, NAMES, ATTRIBUTES, TIMES),
    st.tuples(st.just("event"), _which, NAMES, ATTRIBUTES, TIMES),
    st.tuples(st.just("link"), _which, CONTEXTS, ATTRIBUTES),
    st.tuples(st.just("status"), _which, STATUSES),
    st.tuples(st.just("exception"), _which, FAULTS, ATTRIBUTES, TIMES, st.booleans()),
    st.tuples(st.just("rename"), _which, NAMES),
    st.tuples(st.just("end"), _which, TIMES),
)


def _blocks(inner: st.SearchStrategy[list[Step]]) -> st.SearchStrategy[Step]:
    fault = st.one_of(st.none(), FAULTS)
    return st.one_of(
        st.tuples(
            st.just("block"), NAMES, ATTRIBUTES, TIMES, st.booleans(), st.booleans(), st.booleans(), fault, inner
        ),
        st.tuples(st.just("span_block"), _which, fault, inner),
    )


_innermost = st.lists(_steps, max_size=4)
_inner = st.lists(st.one_of(_steps, _blocks(_innermost)), max_size=6)
PROGRAMS: Final[st.SearchStrategy[list[Step]]] = st.builds(
    lambda start, rest: [start, *rest],
    _start,
    st.lists(st.one_of(_steps, _steps, _blocks(_inner)), min_size=8, max_size=25),
)
"""They begin with a span, so that there is one to work on."""


@dataclass
class Machine:
    """Runs a program on a tracer."""

    tracer: Tracer
    spans: list[Span] = field(default_factory=list)
    answers: list[object] = field(default_factory=list)

    def run(self, program: Sequence[Step]) -> None:
        """Run it, whatever is raised by its blocks."""
        for name, *arguments in program:
            getattr(self, name)(*arguments)

    def finish(self) -> None:
        """End what is still open, so that it can be compared."""
        for span in self.spans:
            span.end(1)

    def which(self, number: int) -> Span | None:
        """Return one of the spans there are."""
        return self.spans[number % len(self.spans)] if self.spans else None

    def start(self, parent: Any, name: str, kind: SpanKind, attributes: Attributes, links: Any, time_ns: int) -> None:
        """Begin a span."""
        context: Context | None = None
        if parent == "root":
            context = Context()
        elif isinstance(parent, SpanContext):
            context = set_span_in_context(NonRecordingSpan(parent), Context())
        elif isinstance(parent, int) and (above := self.which(parent)) is not None:
            context = set_span_in_context(above, Context())
        made = None if links is None else [Link(context, attributes) for context, attributes in links]
        self._note(self.tracer.start_span(name, context, kind, attributes, made, time_ns))

    def _note(self, span: Span) -> None:
        self.spans.append(span)
        self.answers.append((span.get_span_context(), span.is_recording(), type(span) is NonRecordingSpan))

    def set(self, number: int, key: Any, value: Any) -> None:
        """Set an attribute."""
        if (span := self.which(number)) is not None:
            span.set_attribute(key, value)

    def set_many(self, number: int, attributes: Mapping[str, Any]) -> None:
        """Set attributes."""
        if (span := self.which(number)) is not None:
            span.set_attributes(attributes)

    def event(self, number: int, name: str, attributes: Attributes, time_ns: int) -> None:
        """Add an event."""
        if (span := self.which(number)) is not None:
            span.add_event(name, attributes, time_ns)

    def link(self, number: int, context: SpanContext, attributes: Attributes) -> None:
        """Add a link."""
        if (span := self.which(number)) is not None:
            span.add_link(context, attributes)

    def status(self, number: int, status: tuple[Any, str | None]) -> None:
        """Set the status."""
        if (span := self.which(number)) is not None:
            span.set_status(*status)

    def exception(self, number: int, fault: Fault, attributes: Attributes, time_ns: int, escaped: bool) -> None:
        """Record an exception."""
        if (span := self.which(number)) is not None:
            kind, arguments = fault
            span.record_exception(kind(*arguments), attributes, time_ns, escaped)

    def rename(self, number: int, name: str) -> None:
        """Rename a span."""
        if (span := self.which(number)) is not None:
            span.update_name(name)

    def end(self, number: int, time_ns: int) -> None:
        """End a span."""
        if (span := self.which(number)) is not None:
            span.end(time_ns)

    def block(
        self,
        name: str,
        attributes: Attributes,
        time_ns: int,
        record_exception: bool,
        set_status: bool,
        end_on_exit: bool,
        fault: Fault | None,
        body: Sequence[Step],
    ) -> None:
        """Run steps in a block with a current span."""
        with (
            suppress(BaseException),
            self.tracer.start_as_current_span(
                name,
                attributes=attributes,
                start_time=time_ns,
                record_exception=record_exception,
                set_status_on_exception=set_status,
                end_on_exit=end_on_exit,
            ) as span,
        ):
            self._note(span)
            self.answers.append(get_current_span() is span)
            self._raise_after(body, fault)

    def span_block(self, number: int, fault: Fault | None, body: Sequence[Step]) -> None:
        """Run steps in a block of a span that is not current."""
        if (span := self.which(number)) is not None:
            with suppress(BaseException), span:
                self._raise_after(body, fault)

    def _raise_after(self, body: Sequence[Step], fault: Fault | None) -> None:
        self.run(body)
        if fault is not None:
            kind, arguments = fault
            raise kind(*arguments)


# --- two implementations, alike in all that can be chosen


class Ids(IdGenerator):
    """Repeatable ids."""

    def __init__(self, *, are_random: bool) -> None:
        self._source = random.Random(5)
        self._are_random = are_random

    def generate_trace_id(self) -> int:
        """Return the next."""
        return self._source.getrandbits(128)

    def generate_span_id(self) -> int:
        """Return the next."""
        return self._source.getrandbits(64)

    def is_trace_id_random(self) -> bool:
        """Tell what was chosen."""
        return self._are_random


class Picky(Sampler):
    """Decides by the name's length, adds an attribute and a trace state."""

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """Decide."""
        decision = (Decision.DROP, Decision.RECORD_ONLY, Decision.RECORD_AND_SAMPLE)[len(name) % 3]
        state = None if len(name) % 2 else TraceState([("picky", str(len(links or ())))])
        return SamplingResult(decision, {**(attributes or {}), "picked": len(name)}, state)

    def get_description(self) -> str:
        """Name it."""
        return "picky"


LIMITS: Final = st.fixed_dictionaries(
    dict.fromkeys(
        (
            "max_events",
            "max_links",
            "max_span_attributes",
            "max_event_attributes",
            "max_link_attributes",
            "max_attribute_length",
            "max_span_attribute_length",
        ),
        st.sampled_from([OfficialLimits.UNSET, 0, 1, 2, 3, 100]),
    )
)


def _ours(limit: int) -> int:
    return UNLIMITED if limit == OfficialLimits.UNSET else limit


def own_limits(limits: Mapping[str, int]) -> SpanLimits:
    """Return the same limits as ours."""
    return SpanLimits(
        attributes=_ours(limits["max_span_attributes"]),
        value_length=_ours(limits["max_span_attribute_length"]),
        events=_ours(limits["max_events"]),
        links=_ours(limits["max_links"]),
        event_attributes=_ours(limits["max_event_attributes"]),
        link_attributes=_ours(limits["max_link_attributes"]),
        inner_value_length=_ours(limits["max_attribute_length"]),
    )


class Keep(SpanProcessor):
    """Keeps what ended."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        """Take a span."""
        self.spans.append(span)


@dataclass
class Outcome:
    """What became of a program."""

    answers: list[object]
    spans: list[ReadableSpan]

    @property
    def data(self) -> object:
        """Everything that is exported, and what else is known of each span."""
        return (
            self.answers,
            [
                (
                    encode_spans([_masked(span)]).SerializeToString(deterministic=True),
                    span.context,
                    span.parent,
                    span.resource,
                    span.instrumentation_scope,
                    span.status.status_code,
                    span.status.description or "",
                )
                for span in self.spans
            ],
        )


def _masked(span: ReadableSpan) -> ReadableSpan:
    """Take out what cannot be alike: the present time, and stack traces with the SDK's own frames."""
    masked: Any = span
    masked._end_time = _without_now(masked._end_time)
    for event in masked.events:
        event._timestamp = _without_now(event._timestamp)
        inner = event.attributes
        if "Traceback" in str(inner.get("exception.stacktrace")):
            inner._dict = {**inner._dict, "exception.stacktrace": "masked"}
    return span


def _without_now(time_ns: int) -> int:
    return time_ns if time_ns <= 2**58 else 0


def run_official(program: Sequence[Step], sampler: Sampler, limits: Mapping[str, int], *, are_random: bool) -> Outcome:
    """Run a program on the official SDK."""
    kept = Keep()
    provider = OfficialProvider(
        sampler,
        OfficialResource(RESOURCE),
        shutdown_on_exit=False,
        id_generator=Ids(are_random=are_random),
        span_limits=OfficialLimits(**limits),
    )
    provider.add_span_processor(kept)
    machine = Machine(provider.get_tracer("lib", "1.2", "https://schema", {"scope": "attribute"}))
    machine.run(program)
    machine.finish()
    return Outcome(machine.answers, kept.spans)


def run_own(
    program: Sequence[Step], sampler: Sampling | Sampler, limits: Mapping[str, int], *, are_random: bool
) -> tuple[Outcome, Outcome]:
    """Run a program on the own implementation.

    Returns:
        What processors got, and what `on_end` got.
    """
    kept = Keep()
    ended: list[OurSpan] = []
    provider = TracerProvider(
        Resource(RESOURCE),
        sampler=sampler,
        id_generator=Ids(are_random=are_random),
        limits=own_limits(limits),
        on_end=ended.append,
        processors=[kept],
    )
    machine = Machine(provider.get_tracer("lib", "1.2", "https://schema", {"scope": "attribute"}))
    machine.run(program)
    machine.finish()
    return Outcome(machine.answers, kept.spans), Outcome(
        machine.answers, [readable(span, provider.resource) for span in ended]
    )
