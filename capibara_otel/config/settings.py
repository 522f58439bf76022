"""Every setting, once: its type, its default, what is allowed and what it is for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Final, Literal, TypeAlias, get_args, get_origin

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, field_validator
from pydantic.config import JsonDict
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from capibara_otel.config.sources import EnvironmentSource, FileSource, parse_pairs

_HEADER: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, "token"
_PATH: Final = re.compile(r"(?:/[^\s?#]*)?")
_TOKEN: Final = re.compile(r"[\x21-\x7e]+")


def _split(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _split_pairs(value: object) -> object:
    return parse_pairs(value) if isinstance(value, str) else value


def _lower(value: object) -> object:
    return value.strip().lower() if isinstance(value, str) else value


def _regex(value: str) -> str:
    try:
        re.compile(value)
    except re.error as fault:
        raise ValueError(str(fault)) from fault
    return value


def _header(value: str) -> str:
    if not _HEADER.fullmatch(value):
        raise ValueError
    return value.lower()


def _setting(
    default: Any, brief: str, allowed: str, *, item: str = "", env: tuple[str, ...] = (), **limits: Any
) -> Any:
    extra: JsonDict = {"allowed": allowed, "item": item or allowed, "env": list(env)}
    return Field(default, description=brief, json_schema_extra=extra, **limits)


def choices(setting: FieldInfo) -> tuple[str, ...]:
    """Return the closed set of values of a setting, empty where there is none."""
    return get_args(setting.annotation) if get_origin(setting.annotation) is Literal else ()


_Text: TypeAlias = Annotated[str, Field(min_length=1)]
_Names: TypeAlias = Annotated[tuple[_Text, ...], BeforeValidator(_split)]
_Regexes: TypeAlias = Annotated[tuple[Annotated[str, AfterValidator(_regex)], ...], BeforeValidator(_split)]
_Headers: TypeAlias = Annotated[tuple[Annotated[str, AfterValidator(_header)], ...], BeforeValidator(_split)]
_Pairs: TypeAlias = Annotated[Mapping[str, str | bool | int | float], BeforeValidator(_split_pairs)]
_Seconds: TypeAlias = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_SecondsOfRoutes: TypeAlias = Annotated[Mapping[str, _Seconds], BeforeValidator(_split_pairs)]

_A_TEXT: Final = "a text"
_HEADERS: Final = "header names joined by commas"


class Settings(BaseSettings):
    """The settings, from arguments, the environment and `capibara.yaml`, the first that says something.

    `load_settings` makes it, and says in words what is wrong. Lists and mappings may also be given as one text joined
    by commas, as in the environment.
    """

    model_config = SettingsConfigDict(frozen=True, extra="forbid")

    service_name: _Text | None = _setting(
        None,
        "What this service is called, on everything it sends; the running program's name by default.",
        _A_TEXT,
        env=("OTEL_SERVICE_NAME",),
    )
    service_version: _Text | None = _setting(None, "Which version of the service this is.", _A_TEXT)
    environment: _Text | None = _setting(
        None, "Where it runs, such as `production`: the attribute `deployment.environment.name`.", _A_TEXT
    )
    resource_attributes: _Pairs = _setting(
        {},
        "Further attributes of the service, added to those of `OTEL_RESOURCE_ATTRIBUTES`.",
        "key=value pairs joined by commas",
        item="a text, a number, true or false",
    )
    metrics_path: str = _setting(
        "/metrics", "Where the app serves the metrics page; empty for nowhere.", "a path such as /metrics, or empty"
    )
    metrics_port: int | None = _setting(
        None,
        "A port of its own for the metrics page; 0 picks a free one.",
        "a whole number from 0 to 65535",
        ge=0,
        le=65535,
    )
    metrics_host: _Text = _setting("127.0.0.1", "The address that port listens on.", "an address")
    metrics_token: SecretStr | None = _setting(
        None,
        "What a reader of the metrics page must send as `Authorization: Bearer …`; without it everyone may read.",
        "a token of visible ASCII characters without spaces",
    )
    log_format: Annotated[Literal["auto", "json", "console"], BeforeValidator(_lower)] = _setting(
        "auto", "How log lines look; `auto` is console at a terminal and JSON elsewhere.", "auto, json or console"
    )
    log_level: Annotated[Literal["debug", "info", "warning", "error", "critical"], BeforeValidator(_lower)] = _setting(
        "info", "The lowest level that is logged.", "debug, info, warning, error or critical"
    )
    system_interval: _Seconds = _setting(
        15.0,
        "Seconds between two measurements of the machine and the process; 0 for none.",
        "a number of seconds, 0 or more",
    )
    shutdown_timeout: _Seconds = _setting(
        1.5,
        "Seconds that sending the rest may take when the process ends.",
        "a number of seconds, 0 or more",
    )
    excluded_urls: _Regexes = _setting(
        (),
        "Requests whose URL one of these is found in are not recorded.",
        "regular expressions joined by commas",
        item="a regular expression",
    )
    capture_request_headers: _Headers = _setting(
        (), "Request headers to record on the server span, redacted.", _HEADERS, item="a header name"
    )
    capture_response_headers: _Headers = _setting(
        (), "Response headers to record on the server span, redacted.", _HEADERS, item="a header name"
    )
    capture_content: bool = _setting(
        False,  # noqa: FBT003 - a default
        "Record what users and models wrote.",
        "true or false",
    )
    gen_ai_metrics: Annotated[Literal["latest", "legacy", "both"], BeforeValidator(_lower)] = _setting(
        "latest", "Which names the GenAI metrics have, while the convention changes.", "latest, legacy or both"
    )
    disabled_instrumentations: _Names = _setting(
        (),
        "Installed instrumentations that zero-code start-up leaves out.",
        "names joined by commas",
        item="a name",
        env=("CAPIBARA_DISABLED_INSTRUMENTATIONS", "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"),
    )
    pipeline: Annotated[Literal["capibara", "sdk"], BeforeValidator(_lower)] = _setting(
        "capibara",
        "Which implementation of OpenTelemetry's API carries the telemetry: `capibara`, this package's own, or `sdk`, "
        "the official OpenTelemetry SDK. What goes out is the same; tail sampling, the spool and the merged page are "
        "the own pipeline's.",
        "capibara or sdk",
    )
    series_limit: int = _setting(
        2000,
        "Sets of attributes a metric may have; what comes later is folded into one overflow series.",
        "a whole number above 0",
        ge=1,
    )
    trace_share: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = _setting(
        1.0,
        "Share of the ordinary traces that is sent. Below 1 a trace waits in memory until its request has ended; "
        "failed, slow and dear ones are always sent. Metrics count everything.",
        "a number from 0 to 1",
    )
    trace_slow: _Seconds = _setting(
        2.0, "Seconds from which on a request is slow, for `trace_share`.", "a number of seconds, 0 or more"
    )
    trace_slow_routes: _SecondsOfRoutes = _setting(
        {},
        "The same for single routes or span names, such as `/api/v1/query=5`.",
        "route=seconds pairs joined by commas",
        item="a number of seconds, 0 or more",
    )
    trace_dear: Annotated[Decimal, Field(ge=0, allow_inf_nan=False)] = _setting(
        Decimal("0.10"),
        "US dollars from which on a trace is dear, for `trace_share`: the sum of the span attributes "
        "`gen_ai.usage.cost.amount`, `gen_ai.usage.cost` and `operation.cost`.",
        "an amount, such as 0.10",
    )
    trace_buffer: int = _setting(
        20_000,
        "Spans that may wait in memory for the end of their trace, for `trace_share`; at most 5,000 traces wait, "
        "and none longer than five minutes.",
        "a whole number above 0",
        ge=1,
    )
    spool_dir: _Text | None = _setting(
        None,
        "A folder for what the receiver did not take; it is sent once the receiver answers, also after a restart.",
        "the path of a folder",
    )
    spool_limit: int = _setting(
        64 * 1024 * 1024, "Bytes that folder may hold; the oldest go first.", "a whole number of bytes above 0", ge=1
    )
    merge_workers: bool = _setting(
        True,  # noqa: FBT003 - a default
        "Show the metrics of all worker processes of a server on the page of each; the official SDK cannot.",
        "true or false",
    )
    workers_dir: _Text | None = _setting(
        None,
        "A folder that the workers of one server share, so that each shows the metrics of all; where the server's "
        "workers are recognised, as those of uvicorn and gunicorn are, none is needed.",
        "the path of a folder",
    )

    @field_validator("metrics_path")
    @classmethod
    def _path(cls, value: str) -> str:
        if not _PATH.fullmatch(value):
            raise ValueError
        return value

    @field_validator("metrics_token")
    @classmethod
    def _token(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not _TOKEN.fullmatch(value.get_secret_value()):
            raise ValueError
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Say which source goes before which; see pydantic-settings."""
        return init_settings, EnvironmentSource(settings_cls), FileSource(settings_cls)
