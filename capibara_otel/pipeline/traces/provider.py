"""Hands out tracers."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from opentelemetry.context import Context
from opentelemetry.trace import NoOpTracer
from opentelemetry.trace import Tracer as ApiTracer
from opentelemetry.trace import TracerProvider as ApiTracerProvider
from opentelemetry.util.types import Attributes

from capibara_otel.pipeline.scope import Resource
from capibara_otel.pipeline.traces.limits import SpanLimits
from capibara_otel.pipeline.traces.official import Processors
from capibara_otel.pipeline.traces.plugged import OfficialIds, OfficialSampler, PluggedIds, PluggedSampler
from capibara_otel.pipeline.traces.sampling import Sampling
from capibara_otel.pipeline.traces.scopes import Scopes
from capibara_otel.pipeline.traces.shared import Shared
from capibara_otel.pipeline.traces.span import Span
from capibara_otel.pipeline.traces.tracer import Tracer

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor

logger: Final = logging.getLogger(__name__)


class TracerProvider(ApiTracerProvider):
    """A tracer provider of OpenTelemetry's API.

    It starts no thread and registers nothing: whoever builds it flushes it, shuts it down, and tells it of a fork.

    Args:
        resource: what all spans are attributed to.
        sampler: which traces are recorded: a `Sampling`, or any sampler of the official SDK's kind; by default what
            `OTEL_TRACES_SAMPLER` and `OTEL_TRACES_SAMPLER_ARG` say.
        id_generator: makes ids, of the official SDK's kind; by default they are random.
        limits: of each span; by default what the environment says.
        on_end: called with each sampled span that ended, in the thread that ended it, after the processors.
        processors: span processors of the official SDK's kind, to begin with.
        time_ns: nanoseconds since the epoch.
        is_heard: whether anybody takes spans. If not, and until a processor is added, they record nothing and only
            carry their ids and the sampler's decision, for logs, exemplars and other services.

    Raises:
        ValueError: the environment holds a limit that is none.
    """

    def __init__(
        self,
        resource: Resource,
        *,
        sampler: Sampling | OfficialSampler | None = None,
        id_generator: OfficialIds | None = None,
        limits: SpanLimits | None = None,
        on_end: Callable[[Span], object] | None = None,
        processors: Iterable[SpanProcessor] = (),
        time_ns: Callable[[], int] = time.time_ns,
        is_heard: bool = True,
    ) -> None:
        environ = os.environ
        self.sampler: Final = Sampling.read(environ) if sampler is None else sampler
        self.on_start: Final[list[Callable[[Span, Context], object]]] = []
        """Called with each recorded span that begins and the context around it, before the processors."""
        self._shared = Shared(
            resource,
            sampling=self.sampler if isinstance(self.sampler, Sampling) else Sampling(),
            sampler=None if isinstance(self.sampler, Sampling) else PluggedSampler(self.sampler),
            ids=None if id_generator is None else PluggedIds(id_generator),
            limits=SpanLimits.read(environ) if limits is None else limits,
            on_start=self.on_start,
            on_end=on_end,
            processors=None,
            time_ns=time_ns,
            is_heard=is_heard,
        )
        self._is_disabled: Final = environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
        self._processors: Final = Processors(resource)
        self._tracers: Final = Scopes(lambda scope: Tracer(self._shared, scope))
        for processor in processors:
            self.add_span_processor(processor)

    @property
    def resource(self) -> Resource:
        """What its spans are attributed to."""
        return self._shared.resource

    def get_tracer(
        self,
        instrumenting_module_name: str,
        instrumenting_library_version: str | None = None,
        schema_url: str | None = None,
        attributes: Attributes = None,
    ) -> ApiTracer:
        """Return the tracer of a library, the same one each time; see `opentelemetry.trace.TracerProvider`."""
        if self._is_disabled:
            return NoOpTracer()
        if not instrumenting_module_name:
            logger.error("get_tracer called with missing module name.")
        return self._tracers.get(instrumenting_module_name, instrumenting_library_version, schema_url, attributes)

    def add_span_processor(self, span_processor: SpanProcessor) -> None:
        """Have a processor of the official SDK's kind told of each recorded span that begins or ends from now on.

        It gets our live span at the start and a `ReadableSpan` at the end.
        """
        self._processors.add(span_processor)
        self._shared.is_heard = True
        self._shared.processors = self._processors

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Have the processors flush.

        Args:
            timeout_millis: milliseconds for all of them.

        Returns:
            Whether all of them did in time.
        """
        return self._processors.force_flush(timeout_millis)

    def shutdown(self) -> None:
        """Have the processors shut down."""
        self._processors.shutdown()

    def after_fork(self, resource: Resource) -> None:
        """Begin anew in a forked child: spans that began before end in the parent only.

        Args:
            resource: of the child.
        """
        self._tracers.after_fork()
        self._processors.after_fork(resource)
        self._shared = self._shared.succeed(resource)
        for tracer in self._tracers:
            tracer.shared = self._shared
