"""Settings: where they come from, and what is said when they are wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import environment_variables as api
from opentelemetry.sdk import environment_variables as sdk

from capibara_otel.config import Settings, describe, load_settings, otel_variables
from capibara_otel.exceptions import ConfigurationError

Write = Callable[[str], None]


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither the environment nor a file of whoever runs the tests counts."""
    for name in list(os.environ):
        if name.startswith(("OTEL_", "CAPIBARA_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write `capibara.yaml`."""

    def to_file(text: str) -> None:
        (tmp_path / "capibara.yaml").write_text(text, "utf-8")

    return to_file


def faults(**arguments: Any) -> str:
    """Return the message of loading with faults."""
    with pytest.raises(ConfigurationError) as caught:
        load_settings(**arguments)
    return str(caught.value)


def test_without_anything_the_defaults_hold() -> None:
    """Nothing needs to be set."""
    assert load_settings().model_dump() == {
        "service_name": None,
        "service_version": None,
        "environment": None,
        "resource_attributes": {},
        "metrics_path": "/metrics",
        "metrics_port": None,
        "metrics_host": "127.0.0.1",
        "metrics_token": None,
        "log_format": "auto",
        "log_level": "info",
        "system_interval": 15.0,
        "shutdown_timeout": 1.5,
        "excluded_urls": (),
        "capture_request_headers": (),
        "capture_response_headers": (),
        "capture_content": False,
        "gen_ai_metrics": "latest",
        "disabled_instrumentations": (),
        "pipeline": "capibara",
        "series_limit": 2000,
        "trace_share": 1.0,
        "trace_slow": 2.0,
        "trace_slow_routes": {},
        "trace_dear": Decimal("0.10"),
        "trace_buffer": 20_000,
        "spool_dir": None,
        "spool_limit": 67_108_864,
        "merge_workers": True,
        "workers_dir": None,
    }


def test_an_argument_goes_before_the_environment_before_the_file_before_the_default(
    monkeypatch: pytest.MonkeyPatch, write: Write
) -> None:
    """Each setting is taken from the first place that says something."""
    write("log_level: debug\nlog_format: json\nsystem_interval: 1\nenvironment: file\n")
    monkeypatch.setenv("CAPIBARA_LOG_FORMAT", "console")
    monkeypatch.setenv("CAPIBARA_SYSTEM_INTERVAL", "2")
    settings = load_settings(system_interval=3, environment=None)
    assert settings.system_interval == 3
    assert settings.log_format == "console"
    assert settings.log_level == "debug"
    assert settings.environment == "file"
    assert settings.shutdown_timeout == 1.5


def test_mappings_of_all_places_are_joined(monkeypatch: pytest.MonkeyPatch, write: Write) -> None:
    """Resource attributes add up over all places, each key from the first that names it."""
    write("resource_attributes:\n  a: file\n  b: file\n  c: file\n  d: file\n  rank: 1\n")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "a=otel,b=otel,c=otel%2Fx")
    monkeypatch.setenv("CAPIBARA_RESOURCE_ATTRIBUTES", "a=env, b=env ,")
    settings = load_settings(resource_attributes={"a": "argument", "share": 0.5})
    assert settings.resource_attributes == {
        "a": "argument",
        "b": "env",
        "c": "otel/x",
        "d": "file",
        "rank": 1,
        "share": 0.5,
    }


@pytest.mark.parametrize(
    ("environ", "name"),
    [
        ({"OTEL_SERVICE_NAME": "mine", "OTEL_RESOURCE_ATTRIBUTES": "service.name=other"}, "mine"),
        ({"OTEL_RESOURCE_ATTRIBUTES": "service.name=other"}, "other"),
        ({"OTEL_SERVICE_NAME": " "}, "file"),
        ({}, "file"),
    ],
)
def test_the_environments_resource_goes_before_the_file(
    monkeypatch: pytest.MonkeyPatch, write: Write, environ: Mapping[str, str], name: str
) -> None:
    """What `OTEL_RESOURCE_ATTRIBUTES` says of the service counts as the environment's word on that setting."""
    write("service_name: file\n")
    for variable, value in environ.items():
        monkeypatch.setenv(variable, value)
    assert load_settings().service_name == name


def test_every_setting_can_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists are joined by commas, truth is a word, choices do not mind case, an empty path is off."""
    for variable, value in {
        "OTEL_SERVICE_NAME": "mine",
        "CAPIBARA_SERVICE_VERSION": "1.10",
        "CAPIBARA_ENVIRONMENT": "prod",
        "CAPIBARA_METRICS_PATH": "",
        "CAPIBARA_METRICS_PORT": "9464",
        "CAPIBARA_METRICS_HOST": "::1",
        "CAPIBARA_METRICS_TOKEN": "s3cret",
        "CAPIBARA_LOG_FORMAT": "JSON",
        "CAPIBARA_LOG_LEVEL": "Warning",
        "CAPIBARA_SYSTEM_INTERVAL": "0",
        "CAPIBARA_SHUTDOWN_TIMEOUT": "1.5",
        "CAPIBARA_EXCLUDED_URLS": "/health, ^http://.*/ready$",
        "CAPIBARA_CAPTURE_REQUEST_HEADERS": "X-Tenant,user-agent",
        "CAPIBARA_CAPTURE_RESPONSE_HEADERS": "X-Cache",
        "CAPIBARA_CAPTURE_CONTENT": "true",
        "CAPIBARA_GEN_AI_METRICS": "both",
        "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "redis, httpx",
        "CAPIBARA_PIPELINE": "SDK",
        "CAPIBARA_SERIES_LIMIT": "500",
        "CAPIBARA_TRACE_SHARE": "0.25",
        "CAPIBARA_TRACE_SLOW": "1.5",
        "CAPIBARA_TRACE_SLOW_ROUTES": "/query=5,rag search docs=0.25",
        "CAPIBARA_TRACE_DEAR": "0.02",
        "CAPIBARA_TRACE_BUFFER": "100",
        "CAPIBARA_SPOOL_DIR": "/var/spool/mine",
        "CAPIBARA_SPOOL_LIMIT": "1000000",
        "CAPIBARA_MERGE_WORKERS": "false",
        "CAPIBARA_WORKERS_DIR": "/run/mine",
        "CAPIBARA_RAISE": "1",
    }.items():
        monkeypatch.setenv(variable, value)
    settings = load_settings()
    assert settings.metrics_token is not None
    assert settings.metrics_token.get_secret_value() == "s3cret"
    assert "s3cret" not in repr(settings)
    assert settings.model_dump(exclude={"metrics_token", "resource_attributes"}) == {
        "service_name": "mine",
        "service_version": "1.10",
        "environment": "prod",
        "metrics_path": "",
        "metrics_port": 9464,
        "metrics_host": "::1",
        "log_format": "json",
        "log_level": "warning",
        "system_interval": 0.0,
        "shutdown_timeout": 1.5,
        "excluded_urls": ("/health", "^http://.*/ready$"),
        "capture_request_headers": ("x-tenant", "user-agent"),
        "capture_response_headers": ("x-cache",),
        "capture_content": True,
        "gen_ai_metrics": "both",
        "disabled_instrumentations": ("redis", "httpx"),
        "pipeline": "sdk",
        "series_limit": 500,
        "trace_share": 0.25,
        "trace_slow": 1.5,
        "trace_slow_routes": {"/query": 5.0, "rag search docs": 0.25},
        "trace_dear": Decimal("0.02"),
        "trace_buffer": 100,
        "spool_dir": "/var/spool/mine",
        "spool_limit": 1_000_000,
        "merge_workers": False,
        "workers_dir": "/run/mine",
    }


def test_our_variable_goes_before_the_shared_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where two variables speak of a setting, the package's own counts; empty it does not speak."""
    monkeypatch.setenv("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "redis")
    monkeypatch.setenv("CAPIBARA_DISABLED_INSTRUMENTATIONS", "httpx")
    assert load_settings().disabled_instrumentations == ("httpx",)
    monkeypatch.setenv("CAPIBARA_DISABLED_INSTRUMENTATIONS", "")
    assert load_settings().disabled_instrumentations == ("redis",)


def test_settings_cannot_be_changed() -> None:
    """What was loaded stays as it was."""
    with pytest.raises(ValueError, match="frozen"):
        load_settings().log_level = "debug"


def test_all_faults_are_said_at_once_with_place_value_and_what_is_allowed(
    monkeypatch: pytest.MonkeyPatch, write: Write
) -> None:
    """Arguments, variables and lines of the file are judged together, in words."""
    write(
        "log_format: xml\n"
        "service_version: 1.10\n"
        "excluded_urls:\n"
        "  - /health\n"
        "  - '('\n"
        "resource_attributes:\n"
        "  team: [a]\n"
        "log_fromat: json\n"
        "metrics_host: ''\n"
    )
    for variable, value in {
        "CAPIBARA_METRICS_PORT": "eighty",
        "CAPIBARA_METRCS_PATH": "/x",
        "CAPIBARA_CAPTURE_CONTENT": "perhaps",
        "CAPIBARA_CAPTURE_REQUEST_HEADERS": "x-a,x b",
        "CAPIBARA_SOMETHING_ELSE": "1",
        "OTEL_BSP_MAX_QUEUE_SIZE": "-1",
        "OTEL_TRACES_EXPORTER": "otpl",
    }.items():
        monkeypatch.setenv(variable, value)
    assert faults(
        metrics_path="metrics", metrics_token="a b", log_level="warn", system_interval=float("nan"), servicename="x"
    ) == (
        "capibara_otel configuration: 18 faults\n"
        "  capibara.yaml line 2 service_version: expects a text, got 1.1; quote it\n"
        "  capibara.yaml line 7 resource_attributes.team: expects a text, a number, true or false, got ['a']\n"
        "  argument metrics_path: expects a path such as /metrics, or empty, got 'metrics'\n"
        "  CAPIBARA_METRICS_PORT: expects a whole number from 0 to 65535, got 'eighty'\n"
        "  capibara.yaml line 9 metrics_host: expects an address, got ''\n"
        "  argument metrics_token: expects a token of visible ASCII characters without spaces, "
        "got a value that is not shown here\n"
        "  capibara.yaml line 1 log_format: expects auto, json or console, got 'xml'\n"
        "  argument log_level: expects debug, info, warning, error or critical, got 'warn'; did you mean warning?\n"
        "  argument system_interval: expects a number of seconds, 0 or more, got nan\n"
        "  capibara.yaml line 5 excluded_urls[1]: expects a regular expression, got '(' "
        "(missing ), unterminated subpattern at position 0)\n"
        "  CAPIBARA_CAPTURE_REQUEST_HEADERS: expects a header name, got 'x b'\n"
        "  CAPIBARA_CAPTURE_CONTENT: expects true or false, got 'perhaps'\n"
        "  capibara.yaml line 8 log_fromat: there is no such setting; did you mean log_format?\n"
        "  argument servicename: there is no such setting; did you mean service_name?\n"
        "  CAPIBARA_METRCS_PATH: there is no such setting; did you mean CAPIBARA_METRICS_PATH?\n"
        "  CAPIBARA_SOMETHING_ELSE: there is no such setting\n"
        "  OTEL_BSP_MAX_QUEUE_SIZE: expects a whole number above 0, got '-1'\n"
        "  OTEL_TRACES_EXPORTER: expects otlp, console or none, joined by commas, got 'otpl' "
        "(no plugin called 'otpl' is installed); did you mean otlp?"
    )


def test_pairs_that_are_none_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mapping in one text that cannot be read says which entry, whichever variable it is in."""
    monkeypatch.setenv("CAPIBARA_RESOURCE_ATTRIBUTES", "a=1,oops")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "=x")
    assert faults() == (
        "capibara_otel configuration: 2 faults\n"
        "  CAPIBARA_RESOURCE_ATTRIBUTES: expects key=value pairs joined by commas, got 'a=1,oops' "
        "('oops' is not key=value)\n"
        "  OTEL_RESOURCE_ATTRIBUTES: expects key=value pairs joined by commas, got '=x' ('=x' is not key=value)"
    )
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "b=2")
    assert faults().count("\n") == 1


def test_a_service_that_kubernetes_links_is_no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kubernetes sets variables for every service; those of one called `capibara-api` are not ours."""
    for variable in (
        "CAPIBARA_API_SERVICE_HOST",
        "CAPIBARA_API_SERVICE_PORT",
        "CAPIBARA_API_SERVICE_PORT_HTTP",
        "CAPIBARA_API_PORT",
        "CAPIBARA_API_PORT_80_TCP",
        "CAPIBARA_API_PORT_80_TCP_ADDR",
    ):
        monkeypatch.setenv(variable, "tcp://10.0.0.1:80")
    assert load_settings() == Settings()


def test_an_empty_token_is_a_fault_and_no_open_door(monkeypatch: pytest.MonkeyPatch) -> None:
    """A token variable that was meant to be filled and is empty does not leave the page open."""
    monkeypatch.setenv("CAPIBARA_METRICS_TOKEN", "")
    assert "CAPIBARA_METRICS_TOKEN: expects a token" in faults()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [1\nb: 2\n", "capibara.yaml line 2: expects YAML (expected ',' or ']', but got ':')"),
        ("- a\n- b\n", "capibara.yaml line 1: expects lines of `setting: value`"),
        ("just words\n", "capibara.yaml line 1: expects lines of `setting: value`"),
        ("log_level: info\nlog_level: debug\n", "capibara.yaml line 2 log_level: is set in line 1 already"),
        (
            "service_name: !!python/object:os.system x\n",
            (
                "capibara.yaml line 1: expects YAML "
                "(could not determine a constructor for the tag 'tag:yaml.org,2002:python/object:os.system')"
            ),
        ),
        ("log_level: \x07\n", "capibara.yaml line 1: expects YAML (unknown characters)"),
        ("1: x\n", "capibara.yaml line 1 1: there is no such setting"),
    ],
)
def test_a_file_that_is_no_settings_file_says_where(write: Write, text: str, said: str) -> None:
    """What cannot be read as settings is said with its line, and nothing in it is run."""
    write(text)
    assert faults() == f"capibara_otel configuration: 1 fault\n  {said}"


def test_an_empty_file_is_as_good_as_none(write: Write) -> None:
    """A file of comments changes nothing."""
    write("# nothing yet\n")
    assert load_settings() == Settings()


def test_the_file_may_be_elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`CAPIBARA_CONFIG` names the file; its name is in the faults."""
    file = tmp_path / "other.yaml"
    monkeypatch.setenv("CAPIBARA_CONFIG", str(file))
    assert faults() == (
        "capibara_otel configuration: 1 fault\n"
        f"  CAPIBARA_CONFIG: expects the path of a file that can be read, got '{file}' (No such file or directory)"
    )
    file.write_text("log_level: loud\n")
    assert f"{file} line 1 log_level: expects debug" in faults()
    file.write_text("log_level: error\n")
    assert load_settings().log_level == "error"
    file.write_bytes(b"\xff\xfe\xff")
    assert "(it is not UTF-8)" in faults()


def test_a_default_file_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    """`capibara.yaml` that is there and is no file is a fault of its own."""
    (tmp_path / "capibara.yaml").mkdir()
    assert "  capibara.yaml: cannot be read (Is a directory)" in faults()


def test_a_value_that_is_nested_too_deep_has_the_line_of_what_is_known(write: Write) -> None:
    """A fault beneath a known key is placed at that key."""
    write("excluded_urls:\n  - a: b\n")
    assert "capibara.yaml line 2 excluded_urls[0]: expects a regular expression, got {'a': 'b'}" in faults()
    write("resource_attributes: 5\n")
    assert "capibara.yaml line 1 resource_attributes: expects key=value pairs joined by commas, got 5" in faults()


# --- OTEL_*


BAD: Mapping[str, tuple[str, str]] = {
    "OTEL_SDK_DISABLED": ("1", "expects true or false, got '1'"),
    "OTEL_EXPORTER_OTLP_INSECURE": ("yes", "expects true or false, got 'yes'"),
    "OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED": ("on", "expects true or false, got 'on'"),
    "OTEL_BSP_SCHEDULE_DELAY": ("0", "expects a whole number of milliseconds above 0, got '0'"),
    "OTEL_BLRP_EXPORT_TIMEOUT": ("1.5", "expects a whole number of milliseconds above 0, got '1.5'"),
    "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE": ("many", "expects a whole number above 0, got 'many'"),
    "OTEL_METRIC_EXPORT_INTERVAL": ("inf", "expects a number of milliseconds above 0, got 'inf'"),
    "OTEL_METRIC_EXPORT_TIMEOUT": ("x", "expects a number of milliseconds above 0, got 'x'"),
    "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": ("-1", "expects a whole number, 0 or more, got '-1'"),
    "OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT": ("x", "expects a whole number, 0 or more, got 'x'"),
    "OTEL_SPAN_LINK_COUNT_LIMIT": ("x", "expects a whole number, 0 or more, got 'x'"),
    "OTEL_EXPORTER_OTLP_LOGS_TIMEOUT": ("0", "expects a number of seconds above 0, got '0'"),
    "OTEL_EXPORTER_PROMETHEUS_PORT": ("70000", "expects a whole number from 0 to 65535, got '70000'"),
    "OTEL_METRICS_EXEMPLAR_FILTER": (
        "TRACE_BASED",
        "expects trace_based, always_on or always_off, got 'TRACE_BASED'; did you mean trace_based?",
    ),
    "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": (
        "deltas",
        "expects cumulative, delta or lowmemory, got 'deltas'; did you mean delta?",
    ),
    "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION": (
        "exponential",
        "expects explicit_bucket_histogram or base2_exponential_bucket_histogram, got 'exponential'",
    ),
    "OTEL_LOG_LEVEL": (
        "loud",
        "expects trace, debug, info, warn, warning, error, critical, fatal or none, got 'loud'",
    ),
    "OTEL_EXPORTER_OTLP_PROTOCOL": ("http/json", "expects grpc or http/protobuf, got 'http/json'"),
    "OTEL_PYTHON_EXPORTER_OTLP_GRPC_RETRYABLE_ERROR_CODES": (
        "UNAVAILABLE,TEAPOT",
        "expects names of gRPC status codes joined by commas, got 'UNAVAILABLE,TEAPOT' ('TEAPOT')",
    ),
    "OTEL_METRICS_EXPORTER": (
        "promtheus",
        (
            "expects otlp, console, none or prometheus, joined by commas, got 'promtheus' "
            "(no plugin called 'promtheus' is installed); did you mean prometheus?"
        ),
    ),
    "OTEL_TRACES_SAMPLER": (
        "always",
        (
            "expects always_on, always_off, traceidratio, parentbased_always_on, parentbased_always_off or "
            "parentbased_traceidratio, got 'always' (no plugin called 'always' is installed); "
            "did you mean always_on?"
        ),
    ),
    "OTEL_PROPAGATORS": (
        "tracecontext,bagage",
        (
            "expects names joined by commas, such as tracecontext, baggage, none, got 'tracecontext,bagage' "
            "(no plugin called 'bagage' is installed); did you mean baggage?"
        ),
    ),
    "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS": (
        "cloud",
        (
            "expects names joined by commas, such as otel, process, os, host, *, got 'cloud' "
            "(no plugin called 'cloud' is installed)"
        ),
    ),
    "OTEL_PYTHON_ID_GENERATOR": (
        "xray",
        ("expects the name of a plugin, such as random, got 'xray' (no plugin called 'xray' is installed)"),
    ),
    "OTEL_EXPORTER_OTLP_ENDPOINT": (
        "localhost:4318",
        "expects a URL that starts with http:// or https://, got 'localhost:4318'",
    ),
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": (
        "http://me:secret@host:99999/",
        (
            "expects a URL that starts with http:// or https://, got 'http://me:***@host:99999/' "
            "(Port out of range 0-65535)"
        ),
    ),
    "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": (
        "http://[::1/",
        "expects a URL that starts with http:// or https://, got 'http://[::1/' (Invalid IPv6 URL)",
    ),
    "OTEL_EXPORTER_OTLP_HEADERS": (
        "authorization=Bearer s3cret,x",
        "expects name=value pairs joined by commas, got a value that is not shown here (entry 2 is not)",
    ),
    "OTEL_EXPORTER_OTLP_COMPRESSION": ("gz", "expects none, gzip or deflate, got 'gz'; did you mean gzip?"),
    "OTEL_EXPORTER_OTLP_CERTIFICATE": (
        "/nowhere.pem",
        "expects the path of a file that can be read, got '/nowhere.pem' (there is none)",
    ),
}


@pytest.mark.parametrize("variable", BAD)
def test_every_variable_of_the_sdk_is_checked(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    """A value that the SDK would refuse late, or silently not mean, is one clear fault."""
    value, said = BAD[variable]
    monkeypatch.setenv(variable, value)
    assert faults() == f"capibara_otel configuration: 1 fault\n  {variable}: {said}"
    monkeypatch.setenv(variable, " ")
    assert load_settings() == Settings()


@pytest.mark.parametrize("variable", ["OTEL_TRACES_SAMPLER", "OTEL_METRICS_EXEMPLAR_FILTER"])
def test_blanks_count_where_the_sdk_does_not_strip_them(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    """A value with a blank that the SDK would not recognise is a fault, not a default in disguise."""
    monkeypatch.setenv(variable, " always_on ")
    assert f"{variable}: expects" in faults()


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        (
            {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "1.5"},
            "OTEL_TRACES_SAMPLER_ARG: expects a number from 0 to 1, got '1.5'",
        ),
        (
            {"OTEL_BLRP_MAX_EXPORT_BATCH_SIZE": "20", "OTEL_BLRP_MAX_QUEUE_SIZE": "10"},
            "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE: expects at most OTEL_BLRP_MAX_QUEUE_SIZE, which is 10, got '20'",
        ),
        (
            {"OTEL_EXPORTER_OTLP_LOGS_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_LOGS_COMPRESSION": "deflate"},
            "OTEL_EXPORTER_OTLP_LOGS_COMPRESSION: expects none or gzip, got 'deflate'",
        ),
        (
            {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_ENDPOINT": "just a host"},
            (
                "OTEL_EXPORTER_OTLP_ENDPOINT: expects host:port, or a URL that starts with http:// or https://, "
                "got 'just a host'"
            ),
        ),
    ],
)
def test_variables_are_judged_together_where_they_belong_together(
    monkeypatch: pytest.MonkeyPatch, environ: Mapping[str, str], said: str
) -> None:
    """What one variable allows may depend on another."""
    for variable, value in environ.items():
        monkeypatch.setenv(variable, value)
    assert faults() == f"capibara_otel configuration: 1 fault\n  {said}"


@pytest.mark.parametrize(
    "environ",
    [
        {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.1"},
        {"OTEL_TRACES_SAMPLER_ARG": "endpoint=http://localhost"},
        {"OTEL_BSP_MAX_QUEUE_SIZE": "100"},
        {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4317"},
        {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_ENDPOINT": "[::1]:4317"},
        {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_COMPRESSION": "none"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "https://collector/base/"},
        {"OTEL_EXPORTER_OTLP_HEADERS": "authorization=Basic%20abc, x-tenant = a b,"},
        {"OTEL_EXPORTER_OTLP_CERTIFICATE": sys.executable},
        {"OTEL_PROPAGATORS": "tracecontext,baggage", "OTEL_SDK_DISABLED": "True"},
        {"OTEL_METRICS_EXPORTER": "prometheus,otlp", "OTEL_LOGS_EXPORTER": "console", "OTEL_TRACES_EXPORTER": "none"},
        {"OTEL_EXPERIMENTAL_RESOURCE_DETECTORS": "process,os,*", "OTEL_PYTHON_ID_GENERATOR": "random"},
        {"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "Delta"},
        {"OTEL_PYTHON_EXPORTER_OTLP_GRPC_RETRYABLE_ERROR_CODES": "UNAVAILABLE, deadline_exceeded"},
        {"OTEL_ATTRIBUTE_COUNT_LIMIT": "0", "OTEL_METRIC_EXPORT_INTERVAL": "0.5"},
    ],
)
def test_what_the_sdk_takes_is_taken(monkeypatch: pytest.MonkeyPatch, environ: Mapping[str, str]) -> None:
    """Values that work with the SDK are no faults."""
    for variable, value in environ.items():
        monkeypatch.setenv(variable, value)
    load_settings()


def test_a_certificate_that_may_not_be_read_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A file that is there and closed to this user is told apart from one that is not there."""
    closed = tmp_path / "closed.pem"
    closed.write_text("x")
    monkeypatch.setattr(os, "access", lambda *_: False)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_CLIENT_KEY", str(closed))
    assert "(it cannot be read)" in faults()


def test_the_table_has_every_variable_that_the_sdk_documents() -> None:
    """Each variable that the installed SDK knows is in the table, is a setting, or has nothing that could be wrong."""
    known = {
        value
        for module in (api, sdk)
        for name, value in vars(module).items()
        if name.lstrip("_").startswith("OTEL_") and isinstance(value, str)
    }
    anything_goes = {
        "OTEL_SERVICE_NAME",
        "OTEL_EXPORTER_PROMETHEUS_HOST",
        "OTEL_PYTHON_LOGGER_PROVIDER",
        "OTEL_PYTHON_TRACER_CONFIGURATOR",
        "OTEL_PYTHON_METER_CONFIGURATOR",
        "OTEL_PYTHON_LOGGER_CONFIGURATOR",
        *(name for name in known if name.endswith("_CREDENTIAL_PROVIDER")),
    }
    rows = [row.name for row in otel_variables()]
    assert len(rows) == len(set(rows))
    assert known - anything_goes <= set(rows)
    assert set(rows) <= known


# --- for the reference, and at import


def test_every_setting_is_described() -> None:
    """The reference page has for each setting where it comes from, what it is, what is allowed and what it is for."""
    rows = {row.name: row for row in describe()}
    assert list(rows) == list(Settings.model_fields)
    assert all(row.brief.endswith(".") and row.allowed and row.type and row.env for row in rows.values())
    port, interval, name = rows["metrics_port"], rows["system_interval"], rows["service_name"]
    assert (port.env, port.type, port.default) == ("CAPIBARA_METRICS_PORT", "whole number", "")
    assert (interval.type, interval.default) == ("number", "15")
    assert (name.env, name.type) == ("OTEL_SERVICE_NAME", "text")
    assert rows["log_format"].type == "choice"
    assert rows["capture_content"].default == "false"
    assert rows["metrics_token"].type == "secret text"
    assert rows["resource_attributes"].type == "mapping"
    assert rows["excluded_urls"].type == "list"
    assert rows["disabled_instrumentations"].env == (
        "CAPIBARA_DISABLED_INSTRUMENTATIONS, OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"
    )


def test_loading_settings_loads_no_yaml_and_no_telemetry() -> None:
    """Without a file YAML is not imported, and settings are judged before the SDK is, which bad ones would break."""
    source = (
        "import sys; from capibara_otel.config import load_settings; load_settings();"
        "print([name for name in ('yaml', 'opentelemetry.sdk', 'opentelemetry.propagate') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
