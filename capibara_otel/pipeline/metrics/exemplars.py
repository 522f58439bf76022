"""Which measurements become exemplars: the first one of an interval that the filter lets pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, TypeAlias

from opentelemetry import context as context_api
from opentelemetry.context import Context, get_current
from opentelemetry.context.contextvars_context import ContextVarsRuntimeContext
from opentelemetry.trace import INVALID_SPAN_CONTEXT, SpanContext
from opentelemetry.trace.propagation import _SPAN_KEY

from capibara_otel._safety import kept
from capibara_otel.pipeline.metrics.attributes import clean
from capibara_otel.pipeline.metrics.data import Exemplar, Series
from capibara_otel.pipeline.metrics.numbers import writable
from capibara_otel.pipeline.scope import NOTHING

ExemplarFilter: TypeAlias = Literal["trace_based", "always_on", "always_off"]

SPAN_KEY: Final[str] = _SPAN_KEY
"""Where a context holds the current span."""


def how_to_look(runtime: object) -> Callable[[], Context]:
    """Return what returns the current context: the API's function, or at a third of its price what that would ask.

    Args:
        runtime: holds the contexts; the usual one has them in a variable.
    """
    if type(runtime) is ContextVarsRuntimeContext:
        return runtime._current_context.get  # noqa: SLF001 - read for every measurement
    return get_current


current: Final = how_to_look(context_api._RUNTIME_CONTEXT)  # noqa: SLF001 - the same
"""Returns the current context."""

WANTED: Final = object()
"""In the place of an exemplar: any measurement will do. None in that place: one made in a sampled span."""
OFF: Final = object()
"""In the place of an exemplar: none will do."""

_BLANKS: Final[Mapping[str, object | None]] = {"trace_based": None, "always_on": WANTED, "always_off": OFF}


class Sampling:
    """Makes exemplars.

    Args:
        exemplar_filter: OpenTelemetry's name of the filter.
        time_ns: Unix nanoseconds.

    Raises:
        ValueError: there is no such filter.
    """

    def __init__(self, exemplar_filter: str, time_ns: Callable[[], int]) -> None:
        if exemplar_filter not in _BLANKS:
            raise ValueError(f"exemplar_filter must be one of {', '.join(_BLANKS)}, not {exemplar_filter!r}")
        self.blank: Final[Any] = _BLANKS[exemplar_filter]
        """What stands in the place of an exemplar that there is not."""
        self._takes_all: Final = self.blank is WANTED
        self.time_ns: Final = time_ns

    def exemplar(
        self, amount: float, context: Context | None, attributes: Mapping[str, Any] | None, series: Series
    ) -> Exemplar | None:
        """Return the measurement as an exemplar, or None if the filter does not take it.

        Args:
            amount: what was measured.
            context: given by the caller; the current one if it is empty or None, as in the official SDK.
            attributes: given by the caller; the exemplar keeps what the series does not have.
            series: that the measurement went into.
        """
        try:
            span: Any = (context or current()).get(SPAN_KEY)
            parent: SpanContext = INVALID_SPAN_CONTEXT if span is None else span.get_span_context()
            if not (self._takes_all or parent.trace_flags.sampled):
                return None
            left_out = _left_out(attributes, series)
            return Exemplar(writable(amount), self.time_ns(), parent.trace_id, parent.span_id, left_out)
        except Exception as fault:
            if not kept("metrics.exemplar", fault):
                raise
        return None


def _left_out(attributes: Any, series: Series) -> Mapping[str, Any]:
    kept = series.attributes
    if not isinstance(attributes, Mapping) or all(name in kept for name in attributes):
        return NOTHING
    return {name: value for name, value in clean(attributes).items() if name not in kept}
