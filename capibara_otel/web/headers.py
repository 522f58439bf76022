"""Reads request headers and what is derived from them, and writes the few response headers we add."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Final, TypeAlias
from urllib.parse import unquote_plus, urlsplit

from capibara_otel.redaction import MASK, scrub, scrub_value, sensitive
from capibara_otel.web.asgi import Scope

RawHeaders: TypeAlias = Sequence[tuple[bytes, bytes]]
Captured: TypeAlias = tuple[tuple[bytes, str], ...]
"""Header names to put on a span, each with its attribute."""

REQUEST_ID: Final = b"x-request-id"

_SANE: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:/+=@-"
_LONGEST_ID: Final = 128
_LONGEST_QUERY: Final = 4_096
_SHORTEST_SECRET: Final = 6
_DEFAULT_PORTS: Final = {"http": 80, "ws": 80, "https": 443, "wss": 443}


def headers_of(scope: Scope) -> RawHeaders:
    """Return the headers of a scope, which may be read again and again."""
    raw = scope.get("headers") or ()
    if not isinstance(raw, list | tuple):  # ASGI allows any iterable, and the app needs it too
        raw = scope["headers"] = list(raw)
    headers: RawHeaders = raw
    return headers


def request_id(given: bytes) -> str:
    """Return the id that came with a request, empty where it is not sane."""
    return given.decode("ascii") if len(given) <= _LONGEST_ID and not given.translate(None, _SANE) else ""


def text(headers: Mapping[bytes, bytes], name: bytes) -> str | None:
    """Return a header's value as text."""
    value = headers.get(name)
    return None if value is None else value.decode("latin-1")


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


def authority(host: bytes, scheme: str) -> tuple[str, int | None]:
    """Split a `Host` header; what is none gives nothing, for clients may send anything."""
    try:
        url = urlsplit("//" + host.decode("latin-1"))
        address, port = url.hostname, url.port
    except ValueError:
        return "", None
    if not address or url.path or url.query or url.fragment or url.username is not None:
        return "", None
    return address, port if port is not None else _DEFAULT_PORTS.get(scheme)
