"""Which exporters the environment asks for. Without an endpoint or an exporter named in it, nothing leaves the machine.

The official ones are imported only where they are asked for. They are made by the thread that sends, when it sends
first, so that a process that forks before shares no connection with its children.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Mapping
from functools import partial
from importlib.metadata import entry_points
from importlib.util import find_spec
from typing import Any, Final, Generic, Protocol, TypeVar
from urllib.parse import urlsplit

from opentelemetry.sdk.metrics import Counter, Histogram, ObservableCounter
from opentelemetry.sdk.metrics.export import AggregationTemporality
from opentelemetry.sdk.metrics.view import Aggregation, ExponentialBucketHistogramAggregation

from capibara_otel._safety import Once
from capibara_otel.exceptions import MissingExtraError
from capibara_otel.pipeline.health import Signal

logger: Final = logging.getLogger(__name__)

B_contra = TypeVar("B_contra", contravariant=True)

_ROOMS: Final[Mapping[Signal, str]] = {"traces": "trace", "metrics": "metric", "logs": "_log"}
_CLASSES: Final[Mapping[Signal, str]] = {
    "traces": "OTLPSpanExporter",
    "metrics": "OTLPMetricExporter",
    "logs": "OTLPLogExporter",
}
_CONSOLE: Final[Mapping[Signal, tuple[str, str]]] = {
    "traces": ("opentelemetry.sdk.trace.export", "ConsoleSpanExporter"),
    "metrics": ("opentelemetry.sdk.metrics.export", "ConsoleMetricExporter"),
    "logs": ("opentelemetry.sdk._logs.export", "ConsoleLogRecordExporter"),
}
_TIMEOUTS: Final[Mapping[Signal, str]] = {
    "traces": "OTEL_BSP_EXPORT_TIMEOUT",
    "metrics": "OTEL_METRIC_EXPORT_TIMEOUT",
    "logs": "OTEL_BLRP_EXPORT_TIMEOUT",
}
# What the HTTP exporters import only when they are made or send first, which a thread of ours does. A fork meanwhile
# would leave the child with the lock of a module that nobody imports any more.
_IMPORTED_LATE: Final = ("requests", "netrc", "encodings.idna")
_PROTOCOLS: Final[Mapping[str, str]] = {"otlp_proto_grpc": "grpc", "otlp_proto_http": "http/protobuf"}


class Exporter(Protocol[B_contra]):
    """What the official exporters of the three signals have in common."""

    def export(self, batch: B_contra, /) -> Any:
        """Send; answers a result with a name."""

    def shutdown(self) -> Any:
        """Give up what is under way and refuse the rest."""


class Outlet(Generic[B_contra]):
    """One exporter, made when it is first used.

    Args:
        target: where it sends, for people; without credentials.
        make: makes it.
    """

    def __init__(self, target: str, make: Callable[[], Exporter[B_contra]]) -> None:
        self.target: Final = target
        self._make: Final = make
        self._exporter: Exporter[B_contra] | None = None
        self._parents: Exporter[B_contra] | None = None
        self._closed = False
        self._said: Final = Once()

    def send(self, batch: B_contra) -> bool:
        """Send a batch; only one thread may.

        Returns:
            Whether the receiver took it. A fault is logged once per kind and is a no.
        """
        try:
            if self._exporter is None and not self._closed:
                self._exporter = self._make()
            exporter = self._exporter
            return exporter is not None and exporter.export(batch).name == "SUCCESS"
        except Exception as fault:
            if self._said.first(type(fault)):
                logger.exception("telemetry could not be sent to %s", self.target)
            return False

    def close(self) -> None:
        """Give up what is under way and refuse further batches."""
        self._closed = True
        exporter, self._exporter = self._exporter, None
        if exporter is not None:
            exporter.shutdown()

    def after_fork(self) -> None:
        """Leave the parent's connection alone in a forked child; not even its end may be told there."""
        self._parents, self._exporter = self._exporter, None


def exporter_names(signal: Signal, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the exporters that the environment names for a signal.

    `OTEL_<SIGNAL>_EXPORTER` where it is set; else `otlp` where there is an endpoint to send to; else none.
    """
    named = environ.get(f"OTEL_{signal.upper()}_EXPORTER", "").strip()
    if named:
        names = [name.strip().lower() for name in named.split(",")]
        return tuple(dict.fromkeys(name for name in names if name not in {"", "none"}))
    return ("otlp",) if _setting(signal, "ENDPOINT", environ) else ()


def outlets(signal: Signal, environ: Mapping[str, str]) -> list[Outlet[Any]]:
    """Return what the environment asks for; nothing is connected yet.

    Raises:
        MissingExtraError: gRPC is asked for and not installed.
    """
    names = [name for name in exporter_names(signal, environ) if name != "prometheus"]
    return [_outlet(signal, name, environ) for name in names]


def protocol(signal: Signal, environ: Mapping[str, str]) -> str:
    """Return the OTLP protocol of a signal: `grpc` or `http/protobuf`, which is the default."""
    return _setting(signal, "PROTOCOL", environ) or "http/protobuf"


def temporality(environ: Mapping[str, str]) -> dict[type, AggregationTemporality]:
    """Return what `OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE` says; cumulative where it says nothing.

    Source: the OpenTelemetry specification, metrics exporter for OTLP, "Additional environment variable configuration".
    """
    preference = environ.get("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "").strip().lower()
    delta: dict[str, tuple[type, ...]] = {
        "delta": (Counter, ObservableCounter, Histogram),
        "lowmemory": (Counter, Histogram),
    }
    return dict.fromkeys(delta.get(preference, ()), AggregationTemporality.DELTA)


def aggregation(environ: Mapping[str, str]) -> dict[type, Aggregation]:
    """Return what `OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION` says."""
    preference = environ.get("OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION", "").strip().lower()
    if preference == "base2_exponential_bucket_histogram":
        return {Histogram: ExponentialBucketHistogramAggregation()}
    return {}


def _outlet(signal: Signal, name: str, environ: Mapping[str, str]) -> Outlet[Any]:
    if name == "console":
        return Outlet("the console", _load(*_CONSOLE[signal]))
    if name != "otlp" and name not in _PROTOCOLS:
        (plugin,) = entry_points(group=f"opentelemetry_{signal}_exporter", name=name)
        return Outlet(name, plugin.load())
    chosen = _PROTOCOLS.get(name) or protocol(signal, environ)
    kind = "grpc" if chosen == "grpc" else "http"
    package = f"opentelemetry.exporter.otlp.proto.{kind}"
    if find_spec(package) is None:
        raise MissingExtraError("OTLP over gRPC (OTEL_EXPORTER_OTLP_PROTOCOL=grpc)", "grpc")
    options: dict[str, Any] = {"timeout": _timeout_s(signal, environ)}
    if kind == "grpc" and (_setting(signal, "COMPRESSION", environ) or "").lower() == "none":
        # The exporter knows `none` only by its absence.
        options["compression"] = _load("grpc", "Compression").NoCompression
    make = _load(f"{package}.{_ROOMS[signal]}_exporter", _CLASSES[signal])
    if kind == "http":
        for module in _IMPORTED_LATE:
            importlib.import_module(module)
    return Outlet(_target(signal, kind, environ), partial(make, **options))


def _load(module: str, attribute: str) -> Any:
    return getattr(importlib.import_module(module), attribute)


def _setting(signal: Signal, name: str, environ: Mapping[str, str]) -> str | None:
    specific = environ.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_{name}", "").strip()
    return specific or environ.get(f"OTEL_EXPORTER_OTLP_{name}", "").strip() or None


def _timeout_s(signal: Signal, environ: Mapping[str, str]) -> float:
    # The exporter's own limit and the limit that the batching asks of it: the shorter one holds for both.
    own = float(_setting(signal, "TIMEOUT", environ) or 10)
    asked = environ.get(_TIMEOUTS[signal], "").strip()
    return min(own, float(asked) / 1000) if asked else own


def _target(signal: Signal, kind: str, environ: Mapping[str, str]) -> str:
    default = "http://localhost:4317" if kind == "grpc" else "http://localhost:4318"
    parts = urlsplit(_setting(signal, "ENDPOINT", environ) or default)
    shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" if parts.netloc else parts.geturl()
    return f"{shown} (OTLP over {'gRPC' if kind == 'grpc' else 'HTTP'})"
