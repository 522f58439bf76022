"""What the environment says about exporters."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from capibara_otel.pipeline.environment import (
    otlp_protocols,
    plugin_exporters,
    prefers_exponential,
    target,
    temporality_preference,
    timeout_s,
)

HERE = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}
GRPC = {**HERE, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}


@pytest.mark.parametrize(
    ("environ", "protocols", "plugins"),
    [
        ({}, (), ()),
        (HERE, ("http/protobuf",), ()),
        (GRPC, ("grpc",), ()),
        ({**GRPC, "OTEL_METRICS_EXPORTER": "prometheus"}, (), ()),
        ({**GRPC, "OTEL_METRICS_EXPORTER": "otlp,console,mine"}, ("grpc",), ("console", "mine")),
        ({**GRPC, "OTEL_METRICS_EXPORTER": "otlp,otlp_proto_grpc,otlp_proto_http"}, ("grpc", "http/protobuf"), ()),
        ({**GRPC, "OTEL_METRICS_EXPORTER": "none"}, (), ()),
    ],
)
def test_otlp_is_told_from_what_others_made(
    environ: Mapping[str, str], protocols: tuple[str, ...], plugins: tuple[str, ...]
) -> None:
    """OTLP is named by its protocols, each once; the metrics page is neither of the two."""
    assert otlp_protocols("metrics", environ) == protocols
    assert plugin_exporters("metrics", environ) == plugins


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({}, 10),
        ({"OTEL_EXPORTER_OTLP_TIMEOUT": "3", "OTEL_EXPORTER_OTLP_LOGS_TIMEOUT": "4"}, 4),
        ({"OTEL_BLRP_EXPORT_TIMEOUT": "500"}, 0.5),
        ({"OTEL_BLRP_EXPORT_TIMEOUT": "50000", "OTEL_EXPORTER_OTLP_TIMEOUT": "3"}, 3),
    ],
)
def test_the_shorter_of_two_time_limits_holds(environ: Mapping[str, str], seconds: float) -> None:
    """The exporter's limit and the batching's are both kept."""
    assert timeout_s("logs", environ) == seconds


@pytest.mark.parametrize(
    ("environ", "preference", "exponential"),
    [
        ({}, "cumulative", False),
        (
            {
                "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": " Delta ",
                "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION": "BASE2_exponential_bucket_histogram",
            },
            "delta",
            True,
        ),
        (
            {
                "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "lowmemory",
                "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION": "explicit_bucket_histogram",
            },
            "lowmemory",
            False,
        ),
    ],
)
def test_preferences_are_plain_words(environ: Mapping[str, str], preference: str, exponential: bool) -> None:
    """What is preferred for pushed metrics is read as the specification says, whatever its case."""
    assert (temporality_preference(environ), prefers_exponential(environ)) == (preference, exponential)


def test_a_receiver_is_named_without_credentials() -> None:
    """What messages say of it is host, port and protocol."""
    assert target("logs", "grpc", {}) == "http://localhost:4317 (OTLP over gRPC)"
    secret = {"OTEL_EXPORTER_OTLP_ENDPOINT": "https://me:secret@there:1/base"}
    assert target("logs", "http/protobuf", secret) == "https://there:1 (OTLP over HTTP)"
