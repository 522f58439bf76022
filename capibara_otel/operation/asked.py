"""What an operation keeps, and what can be asked of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span
from opentelemetry.util.types import AttributeValue

from capibara_otel.operation.context import NOBODY, Marked, current_context, entered, live
from capibara_otel.operation.emitter import Emitter
from capibara_otel.operation.record import Measurement
from capibara_otel.operation.told import UNTOLD, Told
from capibara_otel.semconv.specs import SpanSpec

_Start: TypeAlias = tuple[int, int, int, str, Mapping[str, str], Mapping[str, AttributeValue]]
"""When it began by both clocks, the fork epoch, its name then, who it is for, labels of the gauge of what is active."""
_NEVER: Final[_Start] = (0, 0, 0, "", NOBODY, NOBODY)


class Asked(Told):
    """The part of an operation that answers."""

    _open: Any = ()
    """Holds one item until the operation ends; whoever takes it out ends it. Nobody can end what was never made."""

    def __init__(
        self,
        emitter: Emitter,
        spec: SpanSpec,
        *,
        name: str = "",
        attributes: Mapping[str, AttributeValue] | None = None,
        measurements: Iterable[Measurement] = (),
    ) -> None:
        # All attributes are made here: Python keeps objects in which others come later as dicts. They are few, because
        # methods that see objects of many classes, as those here do of subclasses, pay for each they read or write.
        self.emitter = emitter
        self.spec = spec
        self._name = name
        self._attributes = dict(attributes) if attributes else {}
        self._measurements = list(measurements) if measurements else []
        self._late = None
        self._span = trace.INVALID_SPAN
        self._ending = UNTOLD
        self._start = _NEVER
        self._inside: Context | None = None
        self._open = [None]
        self._reset()

    def _reset(self) -> None:
        """Set the state that a subclass keeps; called at construction."""

    @property
    def running(self) -> bool:
        """Whether it began and did not end yet."""
        return self._inside is not None and bool(self._open)

    @property
    def finished(self) -> bool:
        """Whether it ended."""
        return not self._open

    @property
    def span(self) -> Span:
        """Its span, with everything told so far; one that records nothing before it began."""
        late = self._late
        if late:
            for attribute in tuple(late):
                value = late.pop(attribute, None)  # one at a time: another thread may set, or do the same
                if value is not None:
                    self._span.set_attribute(attribute, value)
        return self._span

    @property
    def trace_id(self) -> str:
        """Its trace id, 32 hexadecimal digits; zeros before it began."""
        return trace.format_trace_id(self._span.get_span_context().trace_id)

    @property
    def context(self) -> Context:
        """The context in which it is current."""
        inside = self._inside
        if inside is None:
            return current_context()
        if type(inside) is not Marked:
            own = entered(self, live(current_context()), inside)
            own.mark.active = False
            inside = self._inside = own
        return inside

    @property
    def name(self) -> str:
        """The span's name."""
        if self._name:
            return self._name
        target = self._attributes.get(self.spec.target)
        return self.spec.action if target is None else f"{self.spec.action} {target}".strip()

    @property
    def elapsed_s(self) -> float:
        """Seconds since it began; 0 before."""
        return max(0, self.emitter.monotonic_ns() - self._start[1]) / 1e9 if self._inside is not None else 0.0
