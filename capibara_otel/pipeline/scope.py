"""What every signal is attributed to: the resource that emits it and the scope of the library that made it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, eq=False)
class Resource:
    """Which service, which instance of it, on which machine; OTLP's `Resource`."""

    attributes: Mapping[str, Any] = field(default_factory=lambda: NOTHING)
    schema_url: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Scope:
    """The library that makes telemetry; OTLP's `InstrumentationScope`. One object per tracer, meter or logger."""

    name: str
    version: str = ""
    schema_url: str = ""
    attributes: Mapping[str, Any] = field(default_factory=lambda: NOTHING)
