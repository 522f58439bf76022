"""How telemetry leaves: providers, export, the metrics page, exit and fork."""

from __future__ import annotations

from capibara_otel.pipeline.endpoint import MetricsEndpoint
from capibara_otel.pipeline.health import Health
from capibara_otel.pipeline.providers import start
from capibara_otel.pipeline.resource import build_resource
from capibara_otel.pipeline.running import Providers
from capibara_otel.pipeline.scope import Resource

__all__ = ["Health", "MetricsEndpoint", "Providers", "Resource", "build_resource", "start"]
