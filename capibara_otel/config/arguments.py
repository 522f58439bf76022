"""The settings as `configure()` takes them; `settings` says what each one is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Literal, TypedDict


class SettingsArguments(TypedDict, total=False):
    """Every setting by name; None is as good as not given."""

    service_name: str | None
    service_version: str | None
    environment: str | None
    resource_attributes: Mapping[str, str] | None
    metrics_path: str | None
    metrics_port: int | None
    metrics_host: str | None
    metrics_token: str | None
    log_format: Literal["auto", "json", "console"] | None
    log_level: Literal["debug", "info", "warning", "error", "critical"] | None
    system_interval: float | None
    shutdown_timeout: float | None
    excluded_urls: Sequence[str] | None
    capture_request_headers: Sequence[str] | None
    capture_response_headers: Sequence[str] | None
    capture_content: bool | None
    gen_ai_metrics: Literal["latest", "legacy", "both"] | None
    disabled_instrumentations: Sequence[str] | None
    pipeline: Literal["capibara", "sdk"] | None
    series_limit: int | None
    trace_share: float | None
    trace_slow: float | None
    trace_slow_routes: Mapping[str, float] | None
    trace_dear: Decimal | str | None
    trace_buffer: int | None
    spool_dir: str | None
    spool_limit: int | None
    merge_workers: bool | None
    workers_dir: str | None
