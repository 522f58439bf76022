"""Every setting once: argument, else environment, else `capibara.yaml`, else default."""

from __future__ import annotations

from capibara_otel.config.describe import SettingDoc, describe
from capibara_otel.config.load import load_settings
from capibara_otel.config.otel import OtelVariable, otel_variables
from capibara_otel.config.settings import Settings

__all__ = ["OtelVariable", "SettingDoc", "Settings", "describe", "load_settings", "otel_variables"]
