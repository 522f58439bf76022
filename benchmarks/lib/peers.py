"""Who is measured, and in which virtual environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

OURS: Final = "capibara"


@dataclass(frozen=True, slots=True)
class Peer:
    """One way to observe a program."""

    key: str
    title: str
    environment: str = "bench"
    """Named like its lock file; a peer that changes what merely stands beside it has one of its own."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """What its processes have in their environment."""


_ALL: Final = (
    Peer(OURS, "capibara-otel", variables={"CAPIBARA_PIPELINE": "capibara"}),
    Peer("capibara-helper", "capibara-otel, `cap.rag.search`", variables={"CAPIBARA_PIPELINE": "capibara"}),
    Peer("capibara-line", "capibara-otel, with its line per request", variables={"CAPIBARA_PIPELINE": "capibara"}),
    Peer("capibara-sdk", "capibara-otel over the official SDK", variables={"CAPIBARA_PIPELINE": "sdk"}),
    Peer("capibara-sdk-helper", "over the official SDK, `cap.rag.search`", variables={"CAPIBARA_PIPELINE": "sdk"}),
    Peer("opentelemetry", "OpenTelemetry SDK"),
    Peer("opentelemetry-grpc", "OpenTelemetry SDK, gRPC"),
    Peer("contrib", "OpenTelemetry contrib for FastAPI"),
    Peer("contrib-default", "contrib, as it comes"),
    Peer("native", "FastAPI's own telemetry"),
    Peer("native-default", "FastAPI's own, as it comes"),
    Peer("pfi", "prometheus-fastapi-instrumentator"),
    Peer("prometheus", "prometheus_client"),
    Peer("logfire", "logfire", "bench-logfire", {"LOGFIRE_SEND_TO_LOGFIRE": "false"}),
    Peer("openlit", "openlit", "bench-openlit"),
    Peer("bare", "bare FastAPI"),
    Peer("bare-off", "bare FastAPI, its own telemetry off"),
    Peer("bare-logfire", "bare FastAPI beside logfire", "bench-logfire"),
    Peer("bare-openlit", "bare FastAPI beside openlit", "bench-openlit"),
)

PEERS: Final[Mapping[str, Peer]] = {peer.key: peer for peer in _ALL}

PACKAGES: Final[Mapping[str, tuple[str, ...]]] = {
    "bench": (
        "opentelemetry-sdk",
        "opentelemetry-instrumentation-fastapi",
        "fastapi",
        "starlette",
        "uvicorn",
        "uvloop",
        "prometheus-client",
        "prometheus-fastapi-instrumentator",
        "structlog",
        "protobuf",
    ),
    "bench-logfire": ("logfire", "opentelemetry-sdk", "fastapi"),
    "bench-openlit": ("openlit", "opentelemetry-sdk", "fastapi"),
}
"""Whose versions the page names, by environment."""


def bare_of(peer: Peer) -> str:
    """Return the bare app of a peer's environment, which its app is compared with."""
    return {"bench-logfire": "bare-logfire", "bench-openlit": "bare-openlit"}.get(peer.environment, "bare")
