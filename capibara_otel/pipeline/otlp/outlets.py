"""Makes the outlets that the environment asks for. What they need is imported here, and only where it is needed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from typing import Any, Final

from capibara_otel.exceptions import MissingExtraError
from capibara_otel.pipeline.environment import otlp_protocols, target
from capibara_otel.pipeline.health import Health, Signal
from capibara_otel.pipeline.logs.record import Record
from capibara_otel.pipeline.metrics.data import Collection
from capibara_otel.pipeline.otlp import logs, metrics, traces
from capibara_otel.pipeline.otlp.common import LeftOut, Pause
from capibara_otel.pipeline.otlp.options import Options
from capibara_otel.pipeline.otlp.outlet import Encode, OtlpOutlet
from capibara_otel.pipeline.otlp.reply import Transport
from capibara_otel.pipeline.otlp.spool import Spool
from capibara_otel.pipeline.resource import DISTRO_NAME, distro_version
from capibara_otel.pipeline.scope import Resource
from capibara_otel.pipeline.traces.data import EndedSpan

__all__ = ["Spool", "outlets"]

_COUNTS: Final[Mapping[Signal, Callable[[Any], int]]] = {
    "traces": len,
    "metrics": lambda collection: int(collection.points),
    "logs": len,
}


def outlets(
    signal: Signal,
    environ: Mapping[str, str],
    resource: Callable[[], Resource],
    health: Health,
    *,
    spool: Spool | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> list[OtlpOutlet[Any]]:
    """Return an outlet for each OTLP exporter that the environment names for a signal; nothing is connected yet.

    They take what the own pipeline makes: sequences of ended spans, sequences of log records, collections of metrics.

    Args:
        signal: which.
        environ: the environment, checked already.
        resource: returns the resource of this process, asked for each batch of spans or log records.
        health: where what leaves the spool is counted.
        spool: where what a receiver does not take may wait; of several outlets the first has it.
        clock: monotonic seconds.

    Raises:
        MissingExtraError: gRPC is asked for and not installed.
        ConfigurationError: the proxy is of a kind that is not supported.
    """
    return [
        OtlpOutlet(
            signal,
            target(signal, protocol, environ),
            _encoder(signal, resource),
            _COUNTS[signal],
            _connect(signal, protocol, options := Options.read(signal, protocol, environ)),
            options.timeout_s,
            health,
            spool if number == 0 else None,
            clock=clock,
        )
        for number, protocol in enumerate(otlp_protocols(signal, environ))
    ]


def _encoder(signal: Signal, resource: Callable[[], Resource]) -> Encode[Any]:
    def spans(batch: Sequence[EndedSpan], /, *, pause: Pause | None = None, left_out: LeftOut | None = None) -> bytes:
        return traces.encode(batch, resource(), pause=pause, left_out=left_out)

    def records(batch: Sequence[Record], /, *, pause: Pause | None = None, left_out: LeftOut | None = None) -> bytes:
        return logs.encode(batch, resource(), pause=pause, left_out=left_out)

    def points(batch: Collection, /, *, pause: Pause | None = None, left_out: LeftOut | None = None) -> bytes:
        return metrics.encode(batch, pause=pause, left_out=left_out)

    encoders: Mapping[Signal, Encode[Any]] = {"traces": spans, "metrics": points, "logs": records}
    return encoders[signal]


def _connect(signal: Signal, protocol: str, options: Options) -> Callable[[], Transport]:
    user_agent = f"{DISTRO_NAME}/{distro_version()}"
    if protocol == "grpc":
        if find_spec("grpc") is None:
            raise MissingExtraError("OTLP over gRPC (OTEL_EXPORTER_OTLP_PROTOCOL=grpc)", "grpc")
        from capibara_otel.pipeline.otlp.grpc import GrpcTransport  # noqa: PLC0415 - large, and only for this

        return lambda: GrpcTransport(signal, options, user_agent)
    from capibara_otel.pipeline.otlp.http import HttpTransport, check  # noqa: PLC0415 - only where there is an endpoint

    check(options)
    return lambda: HttpTransport(options, user_agent)
