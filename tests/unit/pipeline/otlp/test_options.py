"""What the environment says about receivers."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from capibara_otel.exceptions import ConfigurationError, MissingExtraError
from capibara_otel.pipeline.health import Health
from capibara_otel.pipeline.otlp.options import Options, proxy
from capibara_otel.pipeline.otlp.outlets import outlets
from capibara_otel.pipeline.scope import Resource

HERE = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}


def test_nothing_said_is_the_specifications_default() -> None:
    """Local, without compression, ten seconds."""
    options = Options.read("traces", "http/protobuf", {})
    assert (options.endpoint, options.compression, options.timeout_s) == ("http://localhost:4318/v1/traces", "none", 10)
    assert dict(options.headers) == {}
    assert Options.read("traces", "grpc", {}).endpoint == "http://localhost:4317"


def test_a_signals_own_setting_goes_before_the_common_one() -> None:
    """Whatever can be said for all signals can be said for one."""
    names = ("HEADERS", "COMPRESSION", "TIMEOUT", "CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY", "INSECURE")
    common = {"HEADERS": "a=1", "COMPRESSION": "none", "TIMEOUT": "3", "INSECURE": "true"}
    own = {"HEADERS": "b=2", "COMPRESSION": "GZIP", "TIMEOUT": "4", "INSECURE": "false"}
    environ = {f"OTEL_EXPORTER_OTLP_{name}": common.get(name, "common") for name in names}
    environ |= {f"OTEL_EXPORTER_OTLP_LOGS_{name}": own.get(name, "own") for name in names}
    logs, traces = (Options.read(signal, "grpc", environ) for signal in ("logs", "traces"))
    assert (dict(logs.headers), logs.compression, logs.timeout_s, logs.insecure) == ({"b": "2"}, "gzip", 4, "false")
    assert (logs.certificate, logs.client_certificate, logs.client_key) == ("own", "own", "own")
    assert (dict(traces.headers), traces.timeout_s, traces.insecure) == ({"a": "1"}, 3, "true")
    assert traces.certificate == "common"


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, None),
        ({"http_proxy": "http://proxy:1"}, "http://proxy:1"),
        ({"HTTP_PROXY": "proxy:1"}, "http://proxy:1"),
        ({"http_proxy": "http://lower:1", "HTTP_PROXY": "http://upper:1"}, "http://lower:1"),
        ({"https_proxy": "http://proxy:1"}, None),
        ({"ALL_PROXY": "http://proxy:1"}, "http://proxy:1"),
        ({"http_proxy": "http://one:1", "all_proxy": "http://all:1"}, "http://one:1"),
        ({"http_proxy": "http://proxy:1", "no_proxy": "*"}, None),
        ({"http_proxy": "http://proxy:1", "NO_PROXY": "other, collector.example.com"}, None),
        ({"http_proxy": "http://proxy:1", "NO_PROXY": ".example.com"}, None),
        ({"http_proxy": "http://proxy:1", "NO_PROXY": "example.com"}, None),
        ({"http_proxy": "http://proxy:1", "NO_PROXY": "collector.example.com:4318"}, None),
        ({"http_proxy": "http://proxy:1", "NO_PROXY": "collector.example.com:1"}, "http://proxy:1"),
        ({"http_proxy": "http://proxy:1", "NO_PROXY": "ample.com"}, "http://proxy:1"),
        ({"http_proxy": "http://proxy:1", "NO_PROXY": " , "}, "http://proxy:1"),
    ],
)
def test_a_proxy_is_the_environments(environ: Mapping[str, str], expected: str | None) -> None:
    """The scheme's proxy, else the one for all, unless the receiver is among those to reach without."""
    assert proxy("http://collector.example.com:4318/v1/logs", environ) == expected


@pytest.mark.parametrize(
    ("no_proxy", "is_direct"),
    [("10.0.0.0/8", True), ("10.1.2.3", True), ("10.1.2.3:4318", True), ("192.168.0.0/16", False), ("x", False)],
)
def test_addresses_are_compared_as_such(no_proxy: str, is_direct: bool) -> None:
    """`NO_PROXY` may name networks."""
    found = proxy("https://10.1.2.3:4318", {"HTTPS_PROXY": "http://proxy:1", "NO_PROXY": no_proxy})
    assert (found is None) == is_direct


def test_a_proxy_that_cannot_be_used_is_said_at_set_up() -> None:
    """What would fail each time fails at once, with what to do."""
    with pytest.raises(ConfigurationError, match="socks5:// is not supported for telemetry; list the receiver"):
        outlets("logs", {**HERE, "HTTP_PROXY": "socks5://proxy:1"}, Resource, Health())


def test_every_protocol_that_is_named_is_an_outlet() -> None:
    """Names stand for OTLP over one protocol; what is no OTLP is none of these outlets; nothing is connected."""
    environ = {**HERE, "OTEL_LOGS_EXPORTER": "console,otlp_proto_grpc,otlp"}
    assert [outlet.target for outlet in outlets("logs", environ, Resource, Health())] == [
        "http://127.0.0.1:4318 (OTLP over gRPC)",
        "http://127.0.0.1:4318 (OTLP over HTTP)",
    ]
    assert outlets("logs", {}, Resource, Health()) == []


def test_grpc_that_is_not_installed_is_said_at_set_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the extra."""
    monkeypatch.setattr("capibara_otel.pipeline.otlp.outlets.find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'capibara-otel\[grpc\]'"):
        outlets("logs", {**HERE, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, Resource, Health())


@pytest.mark.parametrize(
    ("headers", "protocol"),
    [("x-key=secret%0aInjected", "http/protobuf"), ("x-key=secret%00", "grpc"), ("x-key=s%C3%A9cret", "grpc")],
)
def test_a_header_that_no_library_would_send_is_said_without_its_value(headers: str, protocol: str) -> None:
    """A line break or what gRPC has no form for fails at set-up; the value, which is a secret, is not shown."""
    environ = {**HERE, "OTEL_EXPORTER_OTLP_PROTOCOL": protocol, "OTEL_EXPORTER_OTLP_HEADERS": headers}
    with pytest.raises(ConfigurationError) as raised:
        outlets("logs", environ, Resource, Health())
    assert "x-key" in str(raised.value)
    assert "cret" not in str(raised.value)
