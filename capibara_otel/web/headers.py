"""Reads request headers and what is derived from them, and writes the few response headers we add."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, Final, TypeAlias
from urllib.parse import unquote_plus, urlsplit

from opentelemetry.propagators.textmap import Getter, Setter

from capibara_otel.redaction import MASK, scrub, scrub_value, sensitive
from capibara_otel.web.asgi import Message, Scope

RawHeaders: TypeAlias = Sequence[tuple[bytes, bytes]]
Captured: TypeAlias = tuple[tuple[bytes, str], ...]
"""Header names to put on a span, each with its attribute."""

REQUEST_ID: Final = b"x-request-id"

_SANE: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:/+=@-"
_LONGEST_ID: Final = 128
_LONGEST_QUERY: Final = 4_096
_SHORTEST_SECRET: Final = 6
_DEFAULT_PORTS: Final = {"http": 80, "ws": 80, "https": 443, "wss": 443}


class RequestHeaders:
    """The headers of a scope; names are lower case, as ASGI demands of servers."""

    __slots__ = ("_by_name", "_raw")

    def __init__(self, scope: Scope) -> None:
        raw = scope.get("headers") or ()
        if not isinstance(raw, list | tuple):  # ASGI allows any iterable, and the app needs it too
            raw = scope["headers"] = list(raw)
        self._raw: RawHeaders = raw
        self._by_name: dict[bytes, bytes] = dict(raw)

    def get(self, name: bytes) -> str | None:
        """Return a header's value, the last one of several."""
        value = self._by_name.get(name)
        return None if value is None else value.decode("latin-1")

    def all(self, name: bytes) -> list[str]:
        """Return all values of a header."""
        return values(self._raw, name) if name in self._by_name else []

    def names(self) -> list[str]:
        """Return the names of all headers."""
        return [name.decode("latin-1") for name in self._by_name]

    def request_id(self) -> str:
        """Return the id that came with the request, empty when there is none or it is not sane."""
        value = self._by_name.get(REQUEST_ID, b"")
        return value.decode("ascii") if len(value) <= _LONGEST_ID and not value.translate(None, _SANE) else ""

    def server(self, scope: Scope) -> tuple[str, int | None]:
        """Return host and port the request was sent to: of the `Host` header, else of the server."""
        host = self._by_name.get(b"host")
        if host:
            return _authority(host, scope.get("scheme", "http"))
        server = scope.get("server") or ("", None)
        return server[0], server[1]


class HeadersGetter(Getter[RequestHeaders]):
    """Lets OpenTelemetry's propagators read request headers."""

    def get(self, carrier: RequestHeaders, key: str) -> list[str] | None:
        """Return the values of a header; several `baggage` headers are one, for the propagator reads the first."""
        found = carrier.all(key.lower().encode("latin-1"))
        if len(found) > 1 and key.lower() == "baggage":
            return [",".join(found)]
        return found or None

    def keys(self, carrier: RequestHeaders) -> list[str]:
        """Return the names of all headers."""
        return carrier.names()


class HeadersSetter(Setter[list[tuple[bytes, bytes]]]):
    """Lets OpenTelemetry's response propagators write response headers."""

    def set(self, carrier: list[tuple[bytes, bytes]], key: str, value: str) -> None:
        """Add a header."""
        carrier.append((key.lower().encode("latin-1"), value.encode("latin-1")))


GETTER: Final = HeadersGetter()
SETTER: Final = HeadersSetter()


def values(raw: Iterable[tuple[bytes, bytes]], name: bytes) -> list[str]:
    """Return all values of a header in a list of headers, whatever the case of their names."""
    return [value.decode("latin-1") for key, value in raw if key.lower() == name]


def captured(names: Iterable[str], prefix: str) -> Captured:
    """Return the names prepared for `redacted`.

    Args:
        names: of the headers, in any case.
        prefix: of the attributes, such as `http.request.header`.
    """
    return tuple((name.lower().encode("latin-1"), f"{prefix}.{name.lower()}") for name in names)


def redacted(wanted: Captured, raw: Iterable[tuple[bytes, bytes]]) -> dict[str, list[str]]:
    """Return those of the wanted headers that are there, as attributes, redacted."""
    attributes: dict[str, list[str]] = {}
    for name, attribute in wanted:
        found = values(raw, name)
        if found:
            key = name.decode("latin-1")
            attributes[attribute] = [scrub_value(key, value) for value in found]
    return attributes


def with_headers(message: Message, added: Iterable[tuple[bytes, bytes]]) -> Message:
    """Return the message with more headers; the app's own message and list stay as they are."""
    return {**message, "headers": [*message.get("headers", ()), *added]}


def clean_query(query: bytes) -> str:
    """Return a query string with its secrets masked, by the name of a parameter and by what its value looks like.

    Args:
        query: as it came; what is longer than 4,096 bytes is cut there first.
    """
    text = query[:_LONGEST_QUERY].decode("latin-1")
    return "&".join([_clean_parameter(part) for part in text.split("&")])


def _clean_parameter(part: str) -> str:
    name, equals, value = part.partition("=")
    if not equals:
        plain = unquote_plus(part)
        return part if len(part) < _SHORTEST_SECRET or scrub(plain) == plain else MASK
    if _is_sensitive(name):
        return f"{name}={MASK}"
    if len(value) < _SHORTEST_SECRET:
        return part
    plain = unquote_plus(value)
    clean = scrub(plain)
    return part if clean == plain else f"{name}={clean}"


@lru_cache(maxsize=1024)
def _is_sensitive(name: str) -> bool:
    return sensitive(unquote_plus(name))


@lru_cache(maxsize=256)
def _authority(host: bytes, scheme: str) -> tuple[str, int | None]:
    """Split a `Host` header; what is none gives nothing, for clients may send anything."""
    try:
        url = urlsplit("//" + host.decode("latin-1"))
        address, port = url.hostname, url.port
    except ValueError:
        return "", None
    if not address or url.path or url.query or url.fragment or url.username is not None:
        return "", None
    return address, port if port is not None else _DEFAULT_PORTS.get(scheme)


def client_of(scope: Scope) -> Any:
    """Return the address of the client as the server saw it; None when the server does not say."""
    client = scope.get("client")
    return client[0] if client else None
