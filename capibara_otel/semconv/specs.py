"""What a signal's specification holds at run time. The values come from the registry, see `metrics` and `spans`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

AttributeType = Literal["string", "int", "double", "boolean", "string[]", "int[]", "double[]", "boolean[]"]
Instrument = Literal["counter", "updowncounter", "gauge", "histogram"]
Rule = Literal["latest", "sum", "max", "min"]
SpanKindName = Literal["internal", "server", "client", "producer", "consumer"]


@dataclass(frozen=True, slots=True)
class AttributeSpec:
    """One attribute: what values it takes and where it may stand."""

    name: str
    type: AttributeType
    brief: str
    members: tuple[str, ...] = ()
    """The closed set of values, where there is one."""
    minimum: float | None = None
    maximum: float | None = None
    bounded: bool = False
    """Few values over all time, so that it may become a metric label."""
    template: bool = False
    """A prefix: `name.<key>` is what is set."""
    content: bool = False
    """Holds what users or models wrote; recorded only where content capture is on."""
    context: str = ""
    """Keyword of `context()` that sets it on everything beneath, where there is one."""


@dataclass(frozen=True, slots=True)
class MetricSpec:
    """One metric: instrument, unit (UCUM), the only labels it may carry, and its histogram bounds."""

    name: str
    instrument: Instrument
    unit: str
    brief: str
    subsystem: str
    attributes: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    minimum: float | None = 0.0
    maximum: float | None = None
    legacy: bool = False
    """A name from before a convention changed; emitted only where it is asked for."""
    processes: Rule = "latest"
    """How a gauge that several worker processes have becomes one value on their common metrics page."""


@dataclass(frozen=True, slots=True)
class SpanSpec:
    """One kind of span and the metrics that every operation of that kind moves by itself.

    The span's name is `action`, a space and the value of the attribute `target`.
    """

    type: str
    action: str
    kind: SpanKindName
    brief: str
    subsystem: str
    target: str = ""
    attributes: tuple[str, ...] = ()
    duration: MetricSpec | None = None
    count: MetricSpec | None = None
    active: MetricSpec | None = None
    helper: str = ""
    """The helper that opens it, where the type does not say so, as with types of the GenAI conventions."""

    @property
    def call(self) -> str:
        """The helper that opens it, such as `rag.search`, for messages to the developer."""
        return self.helper or self.type.removeprefix("capibara6.")
