"""How telemetry leaves: providers, export, the metrics page, exit and fork."""

from __future__ import annotations

from capibara_otel.pipeline.endpoint import MetricsEndpoint
from capibara_otel.pipeline.health import Health
from capibara_otel.pipeline.metrics.views import (
    Drop,
    ExplicitBuckets,
    ExponentialBuckets,
    LastValue,
    Sum,
    View,
)
from capibara_otel.pipeline.providers import start
from capibara_otel.pipeline.resource import build_resource
from capibara_otel.pipeline.running import Providers
from capibara_otel.pipeline.scope import Resource

__all__ = [
    "Drop",
    "ExplicitBuckets",
    "ExponentialBuckets",
    "Health",
    "LastValue",
    "MetricsEndpoint",
    "Providers",
    "Resource",
    "Sum",
    "View",
    "build_resource",
    "start",
]
