"""What all spans of one provider in one process share."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from opentelemetry.context import Context

from capibara_otel._safety import kept
from capibara_otel.pipeline.scope import Resource
from capibara_otel.pipeline.traces.limits import SpanLimits
from capibara_otel.pipeline.traces.sampling import Sampling

if TYPE_CHECKING:
    from capibara_otel.pipeline.traces.official import Processors
    from capibara_otel.pipeline.traces.plugged import PluggedIds, PluggedSampler
    from capibara_otel.pipeline.traces.span import Span


class Shared:
    """What tracers and spans need to know of their provider, in plain attributes.

    In a forked child the provider makes another one, so that spans of the parent's are told from its own.

    Args:
        resource: of this process.
        sampling: which traces are recorded, where no sampler is plugged in.
        sampler: one that others wrote.
        ids: an id generator that others wrote; ids are random without one.
        limits: of each span.
        on_start: called with each span that begins and the context around it.
        on_end: called with each sampled span that ended.
        processors: those that others wrote, where there are any.
        time_ns: nanoseconds since the epoch.
        is_heard: whether anybody takes spans; if not, they only carry their ids.
    """

    __slots__ = (
        "attributes",
        "bound",
        "event_attributes",
        "events",
        "ids",
        "inner_value_length",
        "is_heard",
        "limits",
        "link_attributes",
        "links",
        "lock",
        "on_end",
        "on_start",
        "processors",
        "resource",
        "sampler",
        "samples_by_parent",
        "sampling",
        "time_ns",
        "value_length",
    )

    def __init__(
        self,
        resource: Resource,
        *,
        sampling: Sampling,
        sampler: PluggedSampler | None,
        ids: PluggedIds | None,
        limits: SpanLimits,
        on_start: list[Callable[[Span, Context], object]],
        on_end: Callable[[Span], object] | None,
        processors: Processors | None,
        time_ns: Callable[[], int],
        is_heard: bool = True,
    ) -> None:
        self.resource = resource
        self.sampling = sampling
        self.bound = sampling.bound
        self.samples_by_parent = sampling.by_parent
        self.sampler = sampler
        self.ids = ids
        self.limits = limits
        self.attributes = limits.attributes
        self.value_length = limits.value_length
        self.events = limits.events
        self.links = limits.links
        self.event_attributes = limits.event_attributes
        self.link_attributes = limits.link_attributes
        self.inner_value_length = limits.inner_value_length
        self.on_start = on_start
        self.on_end = on_end
        self.is_heard = is_heard
        self.processors = processors
        self.time_ns = time_ns
        self.lock = threading.RLock()
        """Held only while something over a limit is dropped."""

    def succeed(self, resource: Resource) -> Shared:
        """Return what spans that begin from now on share, in a forked child; those of the parent's go nowhere.

        Args:
            resource: of the child.
        """
        childs = Shared(
            resource,
            sampling=self.sampling,
            sampler=self.sampler,
            ids=self.ids,
            limits=self.limits,
            on_start=self.on_start,
            on_end=self.on_end,
            processors=self.processors,
            time_ns=self.time_ns,
            is_heard=self.is_heard,
        )
        self.lock = threading.RLock()
        self.on_start = []
        self.on_end = None
        self.processors = None
        return childs


def guarded(place: str, call: Callable[..., object], *args: Any) -> None:
    """Call what others handed in; its fault harms nobody.

    Args:
        place: where it was called, for the message.
        call: what is called.
        args: with what.
    """
    try:
        call(*args)
    except Exception as fault:
        if not kept(place, fault):
            raise
