"""The one lifecycle of everything that is observed: a span, its measurements, its record."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping
from types import MappingProxyType, TracebackType
from typing import Any, Final, Self, TypeVar

from opentelemetry import context as otel
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode
from opentelemetry.util.types import AttributeValue

from capibara_otel._safety import shield
from capibara_otel.operation import outcomes
from capibara_otel.operation.context import Place, live, who
from capibara_otel.operation.decorate import decorated
from capibara_otel.operation.emitter import Emitter
from capibara_otel.operation.record import OperationRecord
from capibara_otel.operation.streams import stream, stream_async
from capibara_otel.operation.told import Measurement, Told
from capibara_otel.operation.values import InvalidValueError, given, metric_value
from capibara_otel.semconv import attributes as a
from capibara_otel.semconv.specs import MetricSpec, SpanSpec

_ANY_DURATION: Final = MetricSpec("duration", "histogram", "s", "Judges durations that no metric takes.", "")

_T = TypeVar("_T")
_F = TypeVar("_F", bound=Callable[..., Any])

_KINDS: Final = {
    "internal": SpanKind.INTERNAL,
    "server": SpanKind.SERVER,
    "client": SpanKind.CLIENT,
    "producer": SpanKind.PRODUCER,
    "consumer": SpanKind.CONSUMER,
}


class Operation(Told):
    """One unit of work. Use it as a context manager, as a decorator, or with `start()` and `finish()`.

    Every way out (return, exception, cancellation, a generator's close, the garbage collector) ends it once. The
    exception of the caller's code goes on unchanged.

    Subclasses add what can be told of their kind of work; they keep state of their own in `_reset`, not in a
    constructor, so that a decorator can make a fresh one for each call.

    Args:
        emitter: where it sends what it has to say.
        spec: what kind of work it is.
        name: the span's name, if not the specification's action and target.
        attributes: values to begin with, judged already.
        measurements: measurements to begin with, judged already.
    """

    def __init__(
        self,
        emitter: Emitter,
        spec: SpanSpec,
        *,
        name: str = "",
        attributes: Mapping[str, AttributeValue] | None = None,
        measurements: Iterable[Measurement] = (),
    ) -> None:
        super().__init__(emitter, spec, attributes or {}, measurements)
        self._name = name
        self._once = threading.Lock()
        self._place: Place | None = None
        self._started_ns = 0
        self._began_ns = 0
        self._epoch = 0
        self._active_labels: Mapping[str, AttributeValue] = {}
        self._reset()

    def _reset(self) -> None:
        """Set the state that a subclass keeps; called at construction."""

    # --- what can be asked

    @property
    def running(self) -> bool:
        """Whether it began and did not end yet."""
        return self._place is not None and not self._once.locked()

    @property
    def finished(self) -> bool:
        """Whether it ended."""
        return self._once.locked()

    @property
    def span(self) -> Span:
        """Its span; one that records nothing before it began."""
        return self._span

    @property
    def trace_id(self) -> str:
        """Its trace id, 32 hexadecimal digits; zeros before it began."""
        return trace.format_trace_id(self._span.get_span_context().trace_id)

    @property
    def context(self) -> Context:
        """The context in which it is current."""
        return otel.get_current() if self._place is None else self._place.own

    @property
    def name(self) -> str:
        """The span's name."""
        target = self._attributes.get(self.spec.target, "")
        return self._name or f"{self.spec.action} {target}".strip()

    @property
    def elapsed_s(self) -> float:
        """Seconds since it began; 0 before."""
        return max(0, self.emitter.clock.monotonic_ns() - self._began_ns) / 1e9 if self._place is not None else 0.0

    def rename(self, name: str) -> Self:
        """Give the span another name, once more is known."""
        self._name = name
        if self.running:
            self._span.update_name(name)
        return self

    # --- its life

    def start(
        self,
        *,
        parent: Context | None = None,
        links: Iterable[Link] = (),
        current: bool = True,
        ago_ns: int = 0,
        span: bool = True,
    ) -> Self:
        """Begin. A second start changes nothing.

        Args:
            parent: the surrounding context; the current one by default.
            links: spans it belongs to otherwise.
            current: whether code that runs here from now on is inside of it.
            ago_ns: how long ago it really began, nanoseconds.
            span: False to measure only.
        """
        if self._place is not None:
            return self
        with shield("operation.start", self.emitter.fault):
            clock = self.emitter.clock
            self.emitter.use()
            around = live(parent)
            self._epoch = self.emitter.epoch
            self._started_ns = clock.time_ns() - ago_ns
            inside = around
            if span:
                self._span = self.emitter.tracer.start_span(
                    self.name,
                    context=around,
                    kind=_KINDS[self.spec.kind],
                    attributes={**self._attributes, **who(around)},
                    links=tuple(links),
                    start_time=self._started_ns,
                    record_exception=False,
                    set_status_on_exception=False,
                )
                inside = trace.set_span_in_context(self._span, around)
            self._place = Place(self, around, inside)
            self._began_ns = clock.monotonic_ns() - ago_ns
            if self.spec.active is not None:
                self._active_labels = dict(self._attributes)
                self.emitter.write(self.spec.active, 1, self._active_labels, self._place.own)
            if current:
                self._place.enter()
            else:
                self.emitter.reaper.ensure()  # what is no block may be dropped
        return self

    def suspend(self) -> Self:
        """Step out of it without ending it, as before handing a stream to its reader."""
        self._leave()
        return self

    def activate(self) -> Self:
        """Step into it again, here: in whichever task or thread this runs."""
        if self._place is not None and self.running:
            self._place.enter()
        return self

    def finish(self, error: BaseException | None = None) -> None:
        """End it. Only the first call counts, from whichever thread.

        Args:
            error: the exception that ended it, if one did.
        """
        if self._place is None or not self._once.acquire(blocking=False):
            return
        if self._epoch != self.emitter.epoch:  # a fork copied it; the parent will end it
            self._leave()
            return
        duration_ns = max(0, self.emitter.clock.monotonic_ns() - self._began_ns)
        if isinstance(error, GeneratorExit):
            # This may be the garbage collector's call, in which nothing may be recorded.
            self._leave()
            self.emitter.reaper.put(lambda: self._end(error, duration_ns))
        else:
            self._end(error, duration_ns)

    def _end(self, error: BaseException | None, duration_ns: int) -> None:
        try:
            with shield("operation.finish", self.emitter.fault):
                self._conclude(error, duration_ns)
        finally:
            self._leave()
            with shield("operation.span", self.emitter.fault):
                self._span.end(self._started_ns + duration_ns)

    def _leave(self) -> None:
        if self._place is not None:
            self._place.leave()

    def _conclude(self, error: BaseException | None, duration_ns: int) -> None:
        if error is not None:
            self._outcome = self._outcome or outcomes.outcome_of(error)
            if self._outcome in outcomes.FAILURES:
                self._error_type = self._error_type or outcomes.error_type(error)
                self._describe(error)
        outcome = self._outcome or outcomes.SUCCESS
        self._before_end()
        final = {a.OUTCOME: outcome, **({a.ERROR_TYPE: self._error_type} if self._error_type else {})}
        self._attributes.update(final)
        self._span.set_attributes(final)
        if self._error_type and not self._described:
            self._span.set_status(Status(StatusCode.ERROR, self._error_type))
        duration_s = duration_ns / 1e9
        self._measurements += [(metric, duration_s, {}) for metric in self._durations()]
        if self.spec.count is not None:
            self._measurements.append((self.spec.count, 1, {}))
        for metric, number, extra in self._measurements:
            labels = {**self._attributes, **extra} if extra else self._attributes
            self.emitter.write(metric, number, labels, self.context)
        if self.spec.active is not None:
            self.emitter.write(self.spec.active, -1, self._active_labels, self.context)
        self._tell_hooks(error, outcome, duration_s)

    def _durations(self) -> tuple[MetricSpec, ...]:
        """Return the metrics that take the duration."""
        return () if self.spec.duration is None else (self.spec.duration,)

    def _before_end(self) -> None:
        """Add what a subclass knows only now; called once, before measurements are written."""

    def _tell_hooks(self, error: BaseException | None, outcome: str, duration_s: float) -> None:
        if not self.emitter.hooks:
            return
        span = trace.get_current_span(self.context)  # where it has none of its own, the one around it
        ids = span.get_span_context()
        parent = getattr(span, "parent", None)
        record = OperationRecord(
            spec=self.spec,
            name=self.name,
            attributes=MappingProxyType(dict(self._attributes)),
            context=who(self.context),
            measurements=tuple((metric, number) for metric, number, _ in self._measurements),
            start_ns=self._started_ns,
            duration_s=duration_s,
            outcome=outcome,
            error_type=self._error_type,
            exception=error,
            trace_id=trace.format_trace_id(ids.trace_id),
            span_id=trace.format_span_id(ids.span_id),
            parent_span_id=trace.format_span_id(parent.span_id) if parent is not None else "",
        )
        for hook in self.emitter.hooks:
            with shield("operation.hook", self.emitter.fault):
                hook.on_end(record, self._span)

    def record(self, duration_s: Any, *, outcome: Any = "", error: BaseException | str = "", span: bool = True) -> None:
        """Record work that was measured elsewhere and has just ended: the same span, metrics and record.

        Args:
            duration_s: how long it took, seconds, finite and ≥ 0; otherwise nothing is recorded.
            outcome: a value of `capibara6.outcome`, otherwise nothing is recorded; by default what the error says,
                or success.
            error: the failure, or a short constant word for it.
            span: False to record metrics only.
        """
        call = self.spec.call
        try:
            seconds = metric_value(self.spec.duration or _ANY_DURATION, duration_s)
        except InvalidValueError as fault:
            self.emitter.invalid(call, "duration_s", fault.expected, duration_s)
            return
        if given(outcome) and self.emitter.checked(call, a.OUTCOME, outcome) is None:
            return
        duration_ns = int(seconds * 1e9)
        self.start(current=False, ago_ns=duration_ns, span=span)
        if given(error):
            self.fail(error)
        if given(outcome):
            self.ended(outcome, self._error_type)
        if self._place is not None and self._once.acquire(blocking=False):
            self._end(None, duration_ns)

    # --- ways to use it

    def fresh(self) -> Self:
        """Return another operation that begins as this one did, for one call of a decorated function."""
        return type(self)(
            self.emitter, self.spec, name=self._name, attributes=self._attributes, measurements=self._measurements
        )

    def __call__(self, function: _F) -> _F:
        """Decorate a function, coroutine function, generator or async generator: one operation per call."""
        return decorated(self.fresh, function)

    def stream(self, chunks: Iterable[_T]) -> Iterator[_T]:
        """Begin, hand on the chunks, and end with the last one, an error, the reader's `close()` or when dropped.

        The operation is current only while the source works, never while the reader does.
        """
        return stream(self, chunks)

    def stream_async(self, chunks: AsyncIterable[_T]) -> AsyncIterator[_T]:
        """Do as `stream`, for an asynchronous source."""
        return stream_async(self, chunks)

    def chunk(self) -> None:
        """Take note that a chunk of a stream passed."""

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace_: TracebackType | None
    ) -> None:
        self.finish(error)

    async def __aenter__(self) -> Self:
        return self.start()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace_: TracebackType | None
    ) -> None:
        self.finish(error)

    def __del__(self) -> None:
        if getattr(self, "_place", None) is not None and not self._once.locked():
            self.finish(GeneratorExit())
