"""The registry: the only source of names.

`*.yaml` in this folder declare every attribute, metric and span, one file per area, in the definition language of
OpenTelemetry Weaver (version 2). `load()` reads them, `check()` judges them, `semconv.promnames` says what they are
called in Prometheus. Everything else with a name in it is generated from here.
"""

from __future__ import annotations

from capibara_otel.registry.checks import Finding, check
from capibara_otel.registry.load import Registry, load

__all__ = ["Finding", "Registry", "check", "load"]
