"""What the environment says about exporters, in plain words; the OpenTelemetry specification names the variables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from capibara_otel.pipeline.health import Signal

# Names that stand for OTLP over one protocol, whatever the protocol's own variable says.
_OTLP: Final[Mapping[str, str]] = {
    "otlp": "",
    "otlp_proto_grpc": "grpc",
    "otlp_proto_http": "http/protobuf",
}
_TIMEOUTS: Final[Mapping[Signal, str]] = {
    "traces": "OTEL_BSP_EXPORT_TIMEOUT",
    "metrics": "OTEL_METRIC_EXPORT_TIMEOUT",
    "logs": "OTEL_BLRP_EXPORT_TIMEOUT",
}


def exporter_names(signal: Signal, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the exporters that the environment names for a signal.

    `OTEL_<SIGNAL>_EXPORTER` where it is set; else `otlp` where there is an endpoint to send to; else none.
    """
    named = environ.get(f"OTEL_{signal.upper()}_EXPORTER", "").strip()
    if named:
        names = [name.strip().lower() for name in named.split(",")]
        return tuple(dict.fromkeys(name for name in names if name not in {"", "none"}))
    return ("otlp",) if setting(signal, "ENDPOINT", environ) else ()


def otlp_protocols(signal: Signal, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the protocols of the OTLP exporters that are named for a signal: `grpc`, `http/protobuf`."""
    names = [name for name in exporter_names(signal, environ) if name in _OTLP]
    return tuple(dict.fromkeys(protocol_of(name, signal, environ) for name in names))


def plugin_exporters(signal: Signal, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the exporters that are named for a signal and are neither OTLP nor the metrics page."""
    return tuple(name for name in exporter_names(signal, environ) if name not in {*_OTLP, "prometheus"})


def protocol(signal: Signal, environ: Mapping[str, str]) -> str:
    """Return the OTLP protocol of a signal: `grpc` or `http/protobuf`, which is the default."""
    return setting(signal, "PROTOCOL", environ) or "http/protobuf"


def protocol_of(name: str, signal: Signal, environ: Mapping[str, str]) -> str:
    """Return the OTLP protocol of an exporter's name, `otlp` or one that names the protocol itself."""
    return _OTLP.get(name) or protocol(signal, environ)


def setting(signal: Signal, name: str, environ: Mapping[str, str]) -> str | None:
    """Return `OTEL_EXPORTER_OTLP_<SIGNAL>_<name>`, else the same for all signals; None where both are empty."""
    return own_setting(signal, name, environ) or environ.get(f"OTEL_EXPORTER_OTLP_{name}", "").strip() or None


def own_setting(signal: Signal, name: str, environ: Mapping[str, str]) -> str | None:
    """Return `OTEL_EXPORTER_OTLP_<SIGNAL>_<name>`, None where it is empty."""
    return environ.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_{name}", "").strip() or None


def timeout_s(signal: Signal, environ: Mapping[str, str]) -> float:
    """Return the seconds one export may take, all its retries within.

    The exporter has a limit of its own, and the batching asks for one: the shorter one holds for both.
    """
    own = float(setting(signal, "TIMEOUT", environ) or 10)
    asked = environ.get(_TIMEOUTS[signal], "").strip()
    return min(own, float(asked) / 1000) if asked else own


def target(signal: Signal, protocol: str, environ: Mapping[str, str]) -> str:
    """Return where OTLP is sent, for people; without credentials.

    Args:
        signal: which.
        protocol: `grpc` or `http/protobuf`.
        environ: the environment, checked already.
    """
    is_grpc = protocol == "grpc"
    default = "http://localhost:4317" if is_grpc else "http://localhost:4318"
    parts = urlsplit(setting(signal, "ENDPOINT", environ) or default)
    shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" if parts.netloc else parts.geturl()
    return f"{shown} (OTLP over {'gRPC' if is_grpc else 'HTTP'})"


def temporality_preference(environ: Mapping[str, str]) -> str:
    """Return what is preferred for pushed metrics: `cumulative`, which is the default, `delta` or `lowmemory`.

    Source: the OpenTelemetry specification, metrics exporter for OTLP, "Additional environment variable configuration".
    """
    return environ.get("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "").strip().lower() or "cumulative"


def prefers_exponential(environ: Mapping[str, str]) -> bool:
    """Tell whether histograms without a view are pushed with exponential buckets."""
    preference = environ.get("OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION", "").strip().lower()
    return preference == "base2_exponential_bucket_histogram"
