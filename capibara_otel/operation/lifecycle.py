"""The one lifecycle of everything that is observed: a span, its measurements, its record."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping
from types import MappingProxyType, TracebackType
from typing import Any, Final, Self, TypeVar

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, SpanKind, Status, StatusCode
from opentelemetry.util.types import AttributeValue

from capibara_otel._safety import kept
from capibara_otel.operation import outcomes
from capibara_otel.operation.asked import Asked
from capibara_otel.operation.context import (
    NOBODY,
    WHO,
    Marked,
    attach,
    current_context,
    entered,
    leave,
    live,
    spanned,
)
from capibara_otel.operation.decorate import decorated
from capibara_otel.operation.record import OperationRecord
from capibara_otel.operation.streams import stream, stream_async
from capibara_otel.operation.values import InvalidValueError, given, metric_value
from capibara_otel.semconv import attributes as a
from capibara_otel.semconv.specs import MetricSpec

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


class Operation(Asked):
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
        if self._inside is None:
            self._begin(parent, links, current=current, ago_ns=ago_ns, span=span)
            if not current:
                self.emitter.expect_drops()
        return self

    def _begin(self, parent: Context | None, links: Iterable[Link], *, current: bool, ago_ns: int, span: bool) -> None:
        emitter = self.emitter
        if not emitter.used:
            emitter.use()
        try:
            spec = self.spec
            here = current_context()
            if type(here) is Marked:
                here = live(here)
            around = here if parent is None else live(parent)
            who: Any = around.get(WHO, NOBODY)
            now = emitter.time_ns
            started_ns = now() - ago_ns
            name, attributes, own = self.name, self._attributes, None
            if span:
                own = self._span = emitter.tracer.start_span(
                    name,
                    context=around,
                    kind=_KINDS[spec.kind],
                    attributes=attributes if who is NOBODY else {**attributes, **who},
                    links=tuple(links) if links else (),
                    start_time=started_ns,
                    record_exception=False,
                    set_status_on_exception=False,
                )
            if current:
                inside: Context = entered(self, here, around, own)
            else:
                inside = around if own is None else spanned(around, own)
            self._late = {}
            active: Mapping[str, AttributeValue] = NOBODY if spec.active is None else attributes.copy()
            now = emitter.monotonic_ns
            self._start = (started_ns, now() - ago_ns, emitter.epoch, name, who, active)
            self._inside = inside
            if spec.active is not None:
                emitter.write(spec.active, 1, active, inside)
            if current:
                attach(inside)
        except Exception as fault:
            if not kept("operation.start", fault, emitter.fault):
                raise

    def suspend(self) -> Self:
        """Step out of it without ending it, as before handing a stream to its reader."""
        self._leave()
        return self

    def activate(self) -> Self:
        """Step into it again, here: in whichever task or thread this runs.

        Each time the mark is a new one, so that surroundings never form a circle.
        """
        inside = self._inside
        if inside is None or not self._open:
            return self
        if type(inside) is Marked and inside.mark.active and current_context() is inside:
            return self
        if type(inside) is Marked:
            inside.mark.active = False
        self._inside = inside = entered(self, live(current_context()), inside)
        attach(inside)
        return self

    def finish(self, error: BaseException | None = None) -> None:
        """End it. Only the first call counts, from whichever thread.

        Args:
            error: the exception that ended it, if one did.
        """
        if self._inside is None:
            return
        try:
            self._open.pop()
        except IndexError:
            return
        emitter = self.emitter
        start = self._start
        if start[2] != emitter.epoch:  # a fork copied it; the parent will end it
            self._leave()
            return
        now = emitter.monotonic_ns
        duration_ns = now() - start[1]
        if duration_ns < 0:  # noqa: PLR1730 - `max` takes as long as the rest of this method
            duration_ns = 0
        if error is not None and isinstance(error, GeneratorExit):
            # This may be the garbage collector's call, in which nothing may be recorded.
            self._leave()
            emitter.reaper.put(lambda: self._end(error, duration_ns))
        else:
            self._end(error, duration_ns)

    # One long method on purpose: each call within it would cost a hundredth of all that an operation costs.
    def _end(self, error: BaseException | None, duration_ns: int) -> None:  # noqa: C901, PLR0912, PLR0915 - see above
        emitter, spec, span, told = self.emitter, self.spec, self._span, self._measurements
        started_ns, _, _, name, who, active = self._start
        try:
            if error is not None:
                self._failed(error)
            duration_s = duration_ns / 1e9
            self._before_end(duration_s)
            if spec.duration is not None:
                told.append((spec.duration, duration_s, None))
            if spec.count is not None:
                told.append((spec.count, 1, None))

            attributes, late = self._attributes, self._late or {}
            outcome, failure, is_described = self._ending
            attributes[a.OUTCOME] = late[a.OUTCOME] = outcome = outcome or outcomes.SUCCESS
            if failure:
                attributes[a.ERROR_TYPE] = late[a.ERROR_TYPE] = failure
                if not is_described:
                    span.set_status(Status(StatusCode.ERROR, failure))
            self._late = None
            span.set_attributes(late.copy())  # another thread may be in the middle of telling it something

            instruments, inside = emitter.instruments, self._inside
            row = (instruments.rows.get(spec.type) or instruments.rows_of(spec)).of(attributes)
            for metric, number, labels in told:
                try:
                    if labels:
                        instruments.write_of(metric)(number, {**attributes, **labels}, inside)
                    else:
                        (row.get(metric.name) or instruments.add_to(row, spec, metric, attributes))(number, inside)
                except Exception as fault:
                    if not kept("metrics", fault, emitter.fault):
                        raise
            if spec.active is not None:
                emitter.write(spec.active, -1, active, inside)

            hooks = emitter.hooks
            if hooks:
                record: OperationRecord = tuple.__new__(  # the class itself takes more than twice as long
                    OperationRecord,
                    (
                        spec,
                        self.name if spec.target in late else self._name or name,
                        MappingProxyType(attributes.copy()),
                        who,
                        tuple(told),
                        started_ns,
                        duration_s,
                        outcome,
                        failure,
                        error,
                        trace.get_current_span(inside) if span is trace.INVALID_SPAN else span,
                    ),
                )
                for hook in hooks:
                    try:
                        hook.on_end(record, span)
                    except Exception as fault:
                        if not kept("operation.hook", fault, emitter.fault):
                            raise
        except Exception as fault:
            if not kept("operation.finish", fault, emitter.fault):
                raise
        finally:
            inside = self._inside
            if type(inside) is Marked:
                leave(inside)
            try:
                span.end(started_ns + duration_ns)
            except Exception as fault:
                if not kept("operation.span", fault, emitter.fault):
                    raise

    def _leave(self) -> None:
        inside = self._inside
        if type(inside) is Marked:
            leave(inside)

    def _failed(self, error: BaseException) -> None:
        outcome, failure, is_described = self._ending
        outcome = outcome or outcomes.outcome_of(error)
        if outcome in outcomes.FAILURES:
            failure, is_described = failure or outcomes.error_type(error), True
            self._describe(error)
        self._ending = (outcome, failure, is_described)

    def _before_end(self, duration_s: float) -> None:
        """Add what a subclass knows only now; called once, before anything is written.

        Args:
            duration_s: how long it took, seconds.
        """

    def record(self, duration_s: Any, *, outcome: Any = "", error: BaseException | str = "", span: bool = True) -> None:
        """Record work that was measured elsewhere and has just ended: the same span, metrics and record.

        Args:
            duration_s: how long it took, seconds, finite and ≥ 0; otherwise nothing is recorded.
            outcome: a value of `capibara6.outcome`, otherwise nothing is recorded; by default what the error says,
                or success.
            error: the failure, or a short constant word for it.
            span: False to record metrics only.
        """
        try:
            seconds = metric_value(self.spec.duration or _ANY_DURATION, duration_s)
        except InvalidValueError as fault:
            self.emitter.invalid(self.spec.call, "duration_s", fault.expected, duration_s)
            return
        failed, known = given(error), given(outcome)
        if known and self.emitter.checked(self.spec.call, a.OUTCOME, outcome) is None:
            return
        duration_ns = int(seconds * 1e9)
        if self._inside is None:
            self._begin(None, (), current=False, ago_ns=duration_ns, span=span)
        if failed:
            self.fail(error)
        if known:
            self.ended(outcome, self._ending[1])
        if self._inside is not None:
            try:
                self._open.pop()
            except IndexError:
                return
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
        if self._inside is None:
            self._begin(None, (), current=True, ago_ns=0, span=True)
        return self

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
        if self._open and self._inside is not None:
            self.finish(GeneratorExit())
