"""Which exporters the environment asks for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from capibara_otel.pipeline.environment import exporter_names, protocol
from capibara_otel.pipeline.health import SIGNALS, Signal
from capibara_otel.pipeline.official.exporters import outlets

HERE = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}
GRPC = {**HERE, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, ((), (), ())),
        (HERE, (("otlp",), ("otlp",), ("otlp",))),
        ({"OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "http://127.0.0.1:4318/v1/logs"}, ((), (), ("otlp",))),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, (("otlp",), (), ())),
        ({**HERE, "OTEL_METRICS_EXPORTER": "none"}, (("otlp",), (), ("otlp",))),
        ({"OTEL_LOGS_EXPORTER": " Console , otlp,otlp,"}, ((), (), ("console", "otlp"))),
        ({"OTEL_METRICS_EXPORTER": "prometheus"}, ((), ("prometheus",), ())),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": " ", "OTEL_TRACES_EXPORTER": ""}, ((), (), ())),
    ],
)
def test_exporters_are_those_named_or_otlp_where_there_is_an_endpoint(
    environ: Mapping[str, str], expected: tuple[tuple[str, ...], ...]
) -> None:
    """Nothing set is nothing sent; an endpoint is OTLP; a named exporter is that one; `none` is none."""
    assert tuple(exporter_names(signal, environ) for signal in SIGNALS) == expected


@pytest.mark.parametrize(
    ("signal", "environ", "target"),
    [
        ("traces", HERE, "http://127.0.0.1:4318 (OTLP over HTTP)"),
        ("metrics", GRPC, "http://127.0.0.1:4318 (OTLP over gRPC)"),
        ("logs", {"OTEL_LOGS_EXPORTER": "otlp"}, "http://localhost:4318 (OTLP over HTTP)"),
        ("logs", {"OTEL_LOGS_EXPORTER": "otlp_proto_grpc"}, "http://localhost:4317 (OTLP over gRPC)"),
        ("logs", {**GRPC, "OTEL_LOGS_EXPORTER": "otlp_proto_http"}, "http://127.0.0.1:4318 (OTLP over HTTP)"),
        ("traces", {**GRPC, "OTEL_EXPORTER_OTLP_ENDPOINT": "host:4317"}, "host:4317 (OTLP over gRPC)"),
        (
            "traces",
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "https://me:secret@there:1/base"},
            "https://there:1 (OTLP over HTTP)",
        ),
        ("traces", {"OTEL_TRACES_EXPORTER": "console"}, "the console"),
    ],
)
def test_the_target_is_said_without_credentials(signal: Signal, environ: Mapping[str, str], target: str) -> None:
    """What is said in messages names the receiver, and never its password."""
    assert [outlet.target for outlet in outlets(signal, environ)] == [target]


def test_the_page_is_no_exporter() -> None:
    """`prometheus` is read, not sent to."""
    assert outlets("metrics", {"OTEL_METRICS_EXPORTER": "prometheus"}) == []


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, "http/protobuf"),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "grpc"),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_LOGS_PROTOCOL": "http/protobuf"}, "http/protobuf"),
    ],
)
def test_a_signals_own_protocol_goes_before_the_common_one(environ: Mapping[str, str], expected: str) -> None:
    """HTTP is the default; what is said of one signal holds for it."""
    assert protocol("logs", environ) == expected


@pytest.mark.parametrize("kind", [HERE, GRPC], ids=["http", "grpc"])
@pytest.mark.parametrize("signal", SIGNALS)
def test_the_official_exporters_can_be_made(
    signal: Signal, kind: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every signal has its official exporter over both protocols, which reads the environment itself."""
    environ = {**kind, "OTEL_EXPORTER_OTLP_COMPRESSION": "none"}
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    # The SDK's exporter for gRPC refuses `none`, so that it must not be left to read it.
    (outlet,) = outlets(signal, environ)
    exporter: Any = outlet._make()
    assert type(exporter).__module__.startswith("opentelemetry.exporter.otlp.proto.")
    exporter.shutdown()


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({}, 10),
        ({"OTEL_EXPORTER_OTLP_TIMEOUT": "3"}, 3),
        ({"OTEL_EXPORTER_OTLP_TIMEOUT": "3", "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT": "4"}, 4),
        ({"OTEL_BSP_EXPORT_TIMEOUT": "500"}, 0.5),
        ({"OTEL_BSP_EXPORT_TIMEOUT": "50000", "OTEL_EXPORTER_OTLP_TIMEOUT": "3"}, 3),
    ],
)
def test_the_shorter_of_two_time_limits_holds(environ: Mapping[str, str], seconds: float) -> None:
    """The exporter's limit and the batching's are both kept."""
    (outlet,) = outlets("traces", {**HERE, **environ})
    exporter: Any = outlet._make()
    assert exporter._client._timeout == seconds
    exporter.shutdown()
