"""Reads the machine and the process in the background, for `cap.system`."""

from __future__ import annotations

from capibara_otel.host.collector import Collector

__all__ = ["Collector"]
