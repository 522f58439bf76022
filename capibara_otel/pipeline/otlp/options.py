"""What the environment says about one receiver.

Source: the OpenTelemetry specification, "OpenTelemetry Protocol Exporter".
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from opentelemetry.util.re import parse_env_headers

from capibara_otel.exceptions import ConfigurationError
from capibara_otel.pipeline.environment import own_setting, setting, timeout_s
from capibara_otel.pipeline.health import Signal

_HTTP: Final = "http://localhost:4318"
_GRPC: Final = "http://localhost:4317"


@dataclass(frozen=True, slots=True)
class Options:
    """Where and how one signal is sent."""

    endpoint: str
    """HTTP: the URL that is posted to. gRPC: as it was given."""
    headers: Mapping[str, str]
    """By their names in lower case."""
    compression: str
    """`none`, `gzip` or `deflate`."""
    timeout_s: float
    """One export with all its retries."""
    certificate: str | None
    """Path of the certificates of authorities to trust instead of the usual ones."""
    client_certificate: str | None
    client_key: str | None
    insecure: str
    """`true`, `false` or empty: whether gRPC goes without TLS where the endpoint does not say."""
    proxy: str | None
    """URL of the proxy that HTTP goes through."""

    @classmethod
    def read(cls, signal: Signal, protocol: str, environ: Mapping[str, str]) -> Options:
        """Read them.

        Args:
            signal: which.
            protocol: `grpc` or `http/protobuf`.
            environ: the environment, checked already.

        Raises:
            ConfigurationError: a header holds what none may, once it is decoded.
        """
        endpoint = (setting(signal, "ENDPOINT", environ) or _GRPC) if protocol == "grpc" else _url(signal, environ)
        certificate = setting(signal, "CERTIFICATE", environ)
        if protocol != "grpc":
            # What the official exporter's HTTP library reads.
            certificate = certificate or environ.get("REQUESTS_CA_BUNDLE") or environ.get("CURL_CA_BUNDLE") or None
        return cls(
            endpoint=endpoint,
            headers=_headers(signal, protocol, environ),
            compression=(setting(signal, "COMPRESSION", environ) or "none").lower(),
            timeout_s=timeout_s(signal, environ),
            certificate=certificate,
            client_certificate=setting(signal, "CLIENT_CERTIFICATE", environ),
            client_key=setting(signal, "CLIENT_KEY", environ),
            insecure=(setting(signal, "INSECURE", environ) or "").lower(),
            proxy=None if protocol == "grpc" else proxy(endpoint, environ),
        )


def _headers(signal: Signal, protocol: str, environ: Mapping[str, str]) -> Mapping[str, str]:
    headers = parse_env_headers(setting(signal, "HEADERS", environ) or "", liberal=True)
    for name, value in headers.items():
        # A value is a secret, so it must not come to where a library would quote it in an exception.
        if not value.isprintable() or (protocol == "grpc" and not value.isascii()):
            raise ConfigurationError(
                [
                    f"OTEL_EXPORTER_OTLP_HEADERS: what {name} is set to holds, decoded, characters that no header may have"
                ]
            )
    return headers


def _url(signal: Signal, environ: Mapping[str, str]) -> str:
    # A signal's own endpoint is used as it is; the common one is a base.
    own = own_setting(signal, "ENDPOINT", environ)
    return own or f"{(setting(signal, 'ENDPOINT', environ) or _HTTP).removesuffix('/')}/v1/{signal}"


def proxy(url: str, environ: Mapping[str, str]) -> str | None:
    """Return the proxy that the environment names for a URL: `<scheme>_proxy`, `all_proxy`, without `no_proxy`.

    The lower-case names go first. `no_proxy` lists hosts, domains, networks, each perhaps with a port; `*` is all.
    """
    parts = urlsplit(url)
    found = _either(f"{parts.scheme}_proxy", environ) or _either("all_proxy", environ)
    host = parts.hostname or ""
    if not found or any(_covers(entry, host, parts.port) for entry in _either("no_proxy", environ).split(",")):
        return None
    return found if "://" in found else f"http://{found}"


def _either(name: str, environ: Mapping[str, str]) -> str:
    return environ.get(name, "").strip() or environ.get(name.upper(), "").strip()


def _covers(entry: str, host: str, port: int | None) -> bool:
    entry = entry.strip().lower().lstrip(".")
    if entry in {"", "*"}:
        return entry == "*"
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return any(name == entry or name.endswith(f".{entry}") for name in (host, f"{host}:{port}"))
    try:
        return address in ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return entry == f"{host}:{port}"
