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

from capibara_otel._safety import Once
from capibara_otel.exceptions import MissingExtraError
from capibara_otel.pipeline.environment import (
    exporter_names,
    plugin_exporters,
    protocol_of,
    setting,
    target,
    timeout_s,
)
from capibara_otel.pipeline.health import Signal
from capibara_otel.pipeline.outlet import Sent

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
# What the HTTP exporters import only when they are made or send first, which a thread of ours does. A fork meanwhile
# would leave the child with the lock of a module that nobody imports any more.
_IMPORTED_LATE: Final = ("requests", "netrc", "encodings.idna")


class Exporter(Protocol[B_contra]):
    """What the official exporters of the three signals have in common."""

    def export(self, batch: B_contra, /) -> Any:
        """Send; answers a result with a name."""

    def shutdown(self) -> Any:
        """Give up what is under way and refuse the rest."""


class OfficialOutlet(Generic[B_contra]):
    """One exporter, made when it is first used.

    Args:
        target: where it sends, for people; without credentials.
        make: makes it.
    """

    keeps: Final = False

    def __init__(self, target: str, make: Callable[[], Exporter[B_contra]]) -> None:
        self.target: Final = target
        self._make: Final = make
        self._exporter: Exporter[B_contra] | None = None
        self._parents: Exporter[B_contra] | None = None
        self._closed = False
        self._said: Final = Once()

    def send(self, batch: B_contra, /) -> Sent:
        """Send a batch; only one thread may.

        Returns:
            Whether the receiver took it; the exporter has tried again already. A fault is logged once per kind and is a
            no.
        """
        try:
            if self._exporter is None and not self._closed:
                self._exporter = self._make()
            exporter = self._exporter
            return Sent(delivered=exporter is not None and exporter.export(batch).name == "SUCCESS")
        except Exception as fault:
            if self._said.first(type(fault)):
                logger.exception("telemetry could not be sent to %s", self.target)
            return Sent(delivered=False)

    def keep(self, _: B_contra, /) -> Sent:
        """Put nothing aside: the official exporters have no place for that."""
        return Sent(delivered=False, was_tried=False)

    def catch_up(self, _: Callable[[], bool], /) -> None:
        """Deliver nothing, for nothing was put aside."""

    def close(self) -> None:
        """Give up what is under way and refuse further batches."""
        self._closed = True
        exporter, self._exporter = self._exporter, None
        if exporter is not None:
            exporter.shutdown()

    def after_fork(self) -> None:
        """Leave the parent's connection alone in a forked child; not even its end may be told there."""
        self._parents, self._exporter = self._exporter, None


def outlets(signal: Signal, environ: Mapping[str, str]) -> list[OfficialOutlet[Any]]:
    """Return what the environment asks for; nothing is connected yet.

    Raises:
        MissingExtraError: gRPC is asked for and not installed.
    """
    names = [name for name in exporter_names(signal, environ) if name != "prometheus"]
    return [outlet(signal, name, environ) for name in names]


def outlet(signal: Signal, name: str, environ: Mapping[str, str]) -> OfficialOutlet[Any]:
    """Return one exporter by its name; nothing is connected yet.

    Args:
        signal: which.
        name: as `exporter_names` has it.
        environ: the environment, checked already.

    Raises:
        MissingExtraError: gRPC is asked for and not installed.
    """
    if name == "console":
        return OfficialOutlet("the console", _load(*_CONSOLE[signal]))
    if name in plugin_exporters(signal, environ):
        (plugin,) = entry_points(group=f"opentelemetry_{signal}_exporter", name=name)
        return OfficialOutlet(name, plugin.load())
    chosen = protocol_of(name, signal, environ)
    kind = "grpc" if chosen == "grpc" else "http"
    package = f"opentelemetry.exporter.otlp.proto.{kind}"
    if find_spec(package) is None:
        raise MissingExtraError("OTLP over gRPC (OTEL_EXPORTER_OTLP_PROTOCOL=grpc)", "grpc")
    options: dict[str, Any] = {"timeout": timeout_s(signal, environ)}
    if kind == "grpc" and (setting(signal, "COMPRESSION", environ) or "").lower() == "none":
        # The exporter knows `none` only by its absence.
        options["compression"] = _load("grpc", "Compression").NoCompression
    make = _load(f"{package}.{_ROOMS[signal]}_exporter", _CLASSES[signal])
    if kind == "http":
        for module in _IMPORTED_LATE:
            importlib.import_module(module)
    return OfficialOutlet(target(signal, chosen, environ), partial(make, **options))


def _load(module: str, attribute: str) -> Any:
    return getattr(importlib.import_module(module), attribute)
