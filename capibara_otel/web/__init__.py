"""Observes ASGI apps: one server span and one measurement per request, whoever else is watching."""

from __future__ import annotations

from capibara_otel.web.install import instrument, uninstrument
from capibara_otel.web.middleware import CapibaraMiddleware
from capibara_otel.web.options import Lifecycle, MetricsPage, Page, WebOptions

__all__ = [
    "CapibaraMiddleware",
    "Lifecycle",
    "MetricsPage",
    "Page",
    "WebOptions",
    "instrument",
    "uninstrument",
]
