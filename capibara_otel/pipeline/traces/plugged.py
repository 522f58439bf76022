"""Samplers and id generators that others wrote, with the official interfaces, held to what a span can bear."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from opentelemetry.context import Context
from opentelemetry.trace import DEFAULT_TRACE_STATE, Link, SpanKind, TraceState
from opentelemetry.util.types import Attributes

from capibara_otel._safety import shield
from capibara_otel.pipeline.traces.ids import SPAN_ID_END, TRACE_ID_END, new_span_id, new_trace_id
from capibara_otel.pipeline.traces.recorded import RANDOM_TRACE_ID, SAMPLED


class OfficialSampler(Protocol):
    """`opentelemetry.sdk.trace.sampling.Sampler`."""

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
    ) -> Any:
        """Return a `SamplingResult`."""


class OfficialIds(Protocol):
    """`opentelemetry.sdk.trace.id_generator.IdGenerator`."""

    def generate_trace_id(self) -> int:
        """Return a trace id."""

    def generate_span_id(self) -> int:
        """Return a span id."""


@dataclass(slots=True, eq=False)
class Verdict:
    """What a sampler said of a span.

    Args:
        is_recorded: whether it is.
        flags: `SAMPLED` or 0.
        attributes: to begin with.
        state: the trace state to hand on.
    """

    is_recorded: bool
    flags: int
    attributes: Attributes
    state: TraceState


class PluggedSampler:
    """Asks a sampler; where it fails, the span is recorded if its parent is.

    Args:
        sampler: with the official interface.
    """

    def __init__(self, sampler: OfficialSampler) -> None:
        self._sampler: Final = sampler

    def judge(
        self,
        context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind,
        attributes: Attributes,
        links: Sequence[Link] | None,
        flags_otherwise: int,
        state_otherwise: TraceState,
    ) -> Verdict:
        """Return what it says.

        Args:
            context: as it was given to the tracer; None stands for the current one.
            trace_id: of the span.
            name: of the span.
            kind: of the span.
            attributes: given to the span.
            links: given to the span.
            flags_otherwise: trace flags to go by where it fails.
            state_otherwise: the trace state where it fails.
        """
        with shield("traces.sampler"):
            result = self._sampler.should_sample(context, trace_id, name, kind, attributes, links or ())
            return Verdict(
                result.decision.is_recording(),
                SAMPLED if result.decision.is_sampled() else 0,
                result.attributes,
                DEFAULT_TRACE_STATE if result.trace_state is None else result.trace_state,
            )
        is_sampled = flags_otherwise & SAMPLED
        return Verdict(bool(is_sampled), is_sampled, attributes, state_otherwise)


class PluggedIds:
    """Asks an id generator; an id that is none, or a failure, is replaced by a random id.

    Args:
        generator: with the official interface.
    """

    def __init__(self, generator: OfficialIds) -> None:
        self._generator: Final = generator

    def trace_id(self) -> int:
        """Return a trace id."""
        with shield("traces.ids"):
            made = self._generator.generate_trace_id()
            if 0 < made < TRACE_ID_END:
                return made
        return new_trace_id()

    def span_id(self) -> int:
        """Return a span id."""
        with shield("traces.ids"):
            made = self._generator.generate_span_id()
            if 0 < made < SPAN_ID_END:
                return made
        return new_span_id()

    def flags(self) -> int:
        """Return the trace flags that say whether trace ids are random."""
        with shield("traces.ids"):
            if getattr(self._generator, "is_trace_id_random", bool)():
                return RANDOM_TRACE_ID
        return 0
