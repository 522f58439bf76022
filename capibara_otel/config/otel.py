"""The `OTEL_*` variables that the SDK and its exporters document, and what each allows.

The SDK finds bad ones one by one, when it first needs them, or not at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final
from urllib.parse import urlsplit

from capibara_otel.config import checks
from capibara_otel.config.checks import Check


@dataclass(frozen=True, slots=True)
class OtelVariable:
    """One row: a variable, what it allows, and the check that says so."""

    name: str
    allowed: str
    check: Check
    choices: tuple[str, ...] = ()
    is_secret: bool = False


HIDDEN: Final = "a value that is not shown here"
SIGNALS: Final = ("TRACES", "METRICS", "LOGS")

_A_URL: Final = "a URL that starts with http:// or https://"
_PROTOCOLS: Final = ("grpc", "http/protobuf")
_SAMPLERS: Final = (
    "always_on", "always_off", "traceidratio",
    "parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio",
)  # fmt: skip
_OTLP_EXPORTERS: Final = ("otlp", "console", "none", "otlp_proto_grpc", "otlp_proto_http")
_LEVELS: Final = ("trace", "debug", "info", "warn", "warning", "error", "critical", "fatal", "none")
_GRPC_STATUS: Final = (
    "cancelled", "unknown", "invalid_argument", "deadline_exceeded", "not_found", "already_exists",
    "permission_denied", "resource_exhausted", "failed_precondition", "aborted", "out_of_range", "unimplemented",
    "internal", "unavailable", "data_loss", "unauthenticated",
)  # fmt: skip

_PLUGINS: Final[tuple[tuple[str, str, tuple[str, ...], bool], ...]] = (
    ("OTEL_PROPAGATORS", "opentelemetry_propagator", ("tracecontext", "baggage", "none"), True),
    (
        "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS",
        "opentelemetry_resource_detector",
        ("otel", "process", "os", "host", "*"),
        True,
    ),
    ("OTEL_PYTHON_ID_GENERATOR", "opentelemetry_id_generator", ("random",), False),
    ("OTEL_PYTHON_CONTEXT", "opentelemetry_context", ("contextvars_context",), False),
    ("OTEL_PYTHON_TRACER_PROVIDER", "opentelemetry_tracer_provider", ("sdk_tracer_provider",), False),
    ("OTEL_PYTHON_METER_PROVIDER", "opentelemetry_meter_provider", ("sdk_meter_provider",), False),
)


def otel_variables(environ: Mapping[str, str] | None = None) -> list[OtelVariable]:
    """Return the table.

    Args:
        environ: some rows depend on it: what gRPC allows differs from what HTTP allows.
    """
    env = environ or {}
    return [
        *_booleans(),
        *_numbers(),
        *_choices(),
        *_plugins(env),
        *_otlp(env),
        OtelVariable("OTEL_RESOURCE_ATTRIBUTES", "key=value pairs joined by commas", checks.pairs),
        OtelVariable("OTEL_CONFIG_FILE", "the path of a file that can be read", checks.readable_file),
        OtelVariable("OTEL_EXPORTER_ZIPKIN_ENDPOINT", _A_URL, checks.url),
    ]


def otel_faults(environ: Mapping[str, str]) -> list[str]:
    """Return what is wrong with the `OTEL_*` variables, a sentence each. One that is empty is one that is not set."""
    return [*_single_faults(environ), *_batch_faults(environ)]


def _single_faults(environ: Mapping[str, str]) -> Iterator[str]:
    for row in otel_variables(environ):
        value = environ.get(row.name, "")
        if not value.strip() or (why := row.check(value)) is None:
            continue
        shown = HIDDEN if row.is_secret else repr(_without_password(value))
        close = get_close_matches((why.part or value).strip().lower(), row.choices, n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        yield f"{row.name}: expects {row.allowed}, got {shown}{f' ({why.text})' if why.text else ''}{hint}"


def _batch_faults(environ: Mapping[str, str]) -> Iterator[str]:
    for prefix in ("OTEL_BSP", "OTEL_BLRP"):
        size, queue = (environ.get(f"{prefix}_MAX_{what}", "").strip() for what in ("EXPORT_BATCH_SIZE", "QUEUE_SIZE"))
        if size.isdigit() and queue.isdigit() and int(size) > int(queue) > 0:
            yield f"{prefix}_MAX_EXPORT_BATCH_SIZE: expects at most {prefix}_MAX_QUEUE_SIZE, which is {queue}, got {size!r}"


def _without_password(value: str) -> str:
    try:
        netloc = urlsplit(value).netloc
    except ValueError:
        return value
    login, at, host = netloc.rpartition("@")
    return value.replace(netloc, f"{login.partition(':')[0]}:***@{host}") if at else value


def _booleans() -> Iterator[OtelVariable]:
    for name in (
        "OTEL_SDK_DISABLED",
        *_per_signal("INSECURE"),
        "OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED",
        "OTEL_PYTHON_LOGGING_AUTO_INSTRUMENTATION_ENABLED",
    ):
        yield OtelVariable(name, "true or false", checks.one_of("true", "false"), ("true", "false"))


def _numbers() -> Iterator[OtelVariable]:
    for prefix in ("OTEL_BSP", "OTEL_BLRP"):
        for name in ("SCHEDULE_DELAY", "EXPORT_TIMEOUT"):
            yield OtelVariable(f"{prefix}_{name}", "a whole number of milliseconds above 0", checks.whole(1))
        for name in ("MAX_QUEUE_SIZE", "MAX_EXPORT_BATCH_SIZE"):
            yield OtelVariable(f"{prefix}_{name}", "a whole number above 0", checks.whole(1))
    for name in ("INTERVAL", "TIMEOUT"):
        yield OtelVariable(f"OTEL_METRIC_EXPORT_{name}", "a number of milliseconds above 0", checks.number(above=0))
    for name in ("", "SPAN_", "EVENT_", "LINK_", "LOGRECORD_"):
        yield OtelVariable(f"OTEL_{name}ATTRIBUTE_COUNT_LIMIT", "a whole number, 0 or more", checks.whole(0))
    for name in ("", "SPAN_", "LOGRECORD_"):
        yield OtelVariable(f"OTEL_{name}ATTRIBUTE_VALUE_LENGTH_LIMIT", "a whole number, 0 or more", checks.whole(0))
    for name in ("EVENT", "LINK"):
        yield OtelVariable(f"OTEL_SPAN_{name}_COUNT_LIMIT", "a whole number, 0 or more", checks.whole(0))
    for name in (*_per_signal("TIMEOUT"), "OTEL_EXPORTER_ZIPKIN_TIMEOUT"):
        yield OtelVariable(name, "a number of seconds above 0", checks.number(above=0))
    yield OtelVariable("OTEL_EXPORTER_PROMETHEUS_PORT", "a whole number from 0 to 65535", checks.whole(0, 65535))


def _choices() -> Iterator[OtelVariable]:
    for name, words, exact in (
        ("OTEL_METRICS_EXEMPLAR_FILTER", ("trace_based", "always_on", "always_off"), True),
        ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", ("cumulative", "delta", "lowmemory"), False),
        (
            "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
            ("explicit_bucket_histogram", "base2_exponential_bucket_histogram"),
            False,
        ),
        ("OTEL_LOG_LEVEL", _LEVELS, False),
    ):
        yield OtelVariable(name, _any_of(words), checks.one_of(*words, exact=exact), words)
    for name in _per_signal("PROTOCOL"):
        yield OtelVariable(name, _any_of(_PROTOCOLS), checks.one_of(*_PROTOCOLS), _PROTOCOLS)
    yield OtelVariable(
        "OTEL_PYTHON_EXPORTER_OTLP_GRPC_RETRYABLE_ERROR_CODES",
        "names of gRPC status codes joined by commas",
        checks.each(checks.one_of(*_GRPC_STATUS)),
    )


def _plugins(environ: Mapping[str, str]) -> Iterator[OtelVariable]:
    for signal in SIGNALS:
        known: tuple[str, ...] = _OTLP_EXPORTERS
        if signal == "METRICS":
            known = (*known, "prometheus")
        yield OtelVariable(
            f"OTEL_{signal}_EXPORTER",
            f"{_any_of(known[:3] + known[5:])}, joined by commas",
            checks.each(checks.installed(f"opentelemetry_{signal.lower()}_exporter", known, fold=True)),
            known,
        )
    yield OtelVariable("OTEL_TRACES_SAMPLER_ARG", "a number from 0 to 1", _check_ratio(environ))
    yield OtelVariable(
        "OTEL_TRACES_SAMPLER",
        _any_of(_SAMPLERS),
        checks.installed("opentelemetry_traces_sampler", _SAMPLERS, fold=True),
        _SAMPLERS,
    )
    for name, group, known, is_list in _PLUGINS:
        check = checks.installed(group, known)
        allowed = "names joined by commas" if is_list else "the name of a plugin"
        yield OtelVariable(
            name, f"{allowed}, such as {', '.join(known)}", (checks.each if is_list else checks.stripped)(check), known
        )


def _check_ratio(environ: Mapping[str, str]) -> Check:
    # Other samplers' arguments are theirs.
    is_ratio = environ.get("OTEL_TRACES_SAMPLER", "").strip().lower().endswith("traceidratio")
    return checks.number(minimum=0, maximum=1) if is_ratio else lambda _: None


def _otlp(environ: Mapping[str, str]) -> Iterator[OtelVariable]:
    for signal in ("", *SIGNALS):
        name = f"OTEL_EXPORTER_OTLP_{signal}_" if signal else "OTEL_EXPORTER_OTLP_"
        is_grpc = _is_grpc(signal, environ)
        yield OtelVariable(
            f"{name}ENDPOINT",
            "host:port, or a URL that starts with http:// or https://" if is_grpc else _A_URL,
            checks.address if is_grpc else checks.url,
        )
        yield OtelVariable(f"{name}HEADERS", "name=value pairs joined by commas", checks.headers, is_secret=True)
        kinds = ("none", "gzip") if is_grpc else ("none", "gzip", "deflate")
        yield OtelVariable(f"{name}COMPRESSION", _any_of(kinds), checks.one_of(*kinds), kinds)
        for file in ("CERTIFICATE", "CLIENT_KEY", "CLIENT_CERTIFICATE"):
            yield OtelVariable(f"{name}{file}", "the path of a file that can be read", checks.readable_file)


def _is_grpc(signal: str, environ: Mapping[str, str]) -> bool:
    common = environ.get("OTEL_EXPORTER_OTLP_PROTOCOL", "")
    signals = (signal,) if signal else SIGNALS
    return any((environ.get(f"OTEL_EXPORTER_OTLP_{each}_PROTOCOL") or common).strip() == "grpc" for each in signals)


def _per_signal(name: str) -> tuple[str, ...]:
    return (f"OTEL_EXPORTER_OTLP_{name}", *(f"OTEL_EXPORTER_OTLP_{signal}_{name}" for signal in SIGNALS))


def _any_of(words: tuple[str, ...]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"
