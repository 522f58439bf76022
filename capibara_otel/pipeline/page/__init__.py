"""The metrics page, in Prometheus' text format and OpenMetrics, of one process or of all workers of a server."""

from __future__ import annotations

from capibara_otel.pipeline.page.exposition import Exposition, Page
from capibara_otel.pipeline.page.workers import Workers

__all__ = ["Exposition", "Page", "Workers"]
