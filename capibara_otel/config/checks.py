"""Checks of one value each, for the table of `OTEL_*` variables.

A check answers None where the value is fine, else why it is not.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Collection
from importlib.metadata import entry_points
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias
from urllib.parse import urlsplit


class Why(NamedTuple):
    """Why a value is not fine."""

    text: str = ""
    """In words, where what is allowed does not say it already."""
    part: str = ""
    """The part of the value that is meant, where it is not the whole."""


Check: TypeAlias = Callable[[str], Why | None]

# The key of a header as the SDK reads it: a token of RFC 9110.
_HEADER_KEY: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE: Final = re.compile(r"[\x20-\x7e]*")
_HOST_PORT: Final = re.compile(r"[A-Za-z0-9.\-\[\]:]*[A-Za-z0-9\]]:\d{1,5}")


def one_of(*words: str, exact: bool = False) -> Check:
    """One of these words; `exact` where the SDK minds case and blanks."""
    return lambda value: None if (value if exact else value.strip().lower()) in words else Why()


def whole(minimum: int, maximum: float = math.inf) -> Check:
    """A whole number within bounds."""

    def check(value: str) -> Why | None:
        try:
            return None if minimum <= int(value) <= maximum else Why()
        except ValueError:
            return Why()

    return check


def number(*, above: float = -math.inf, minimum: float = -math.inf, maximum: float = math.inf) -> Check:
    """A finite number within bounds."""

    def check(value: str) -> Why | None:
        try:
            given = float(value)
        except ValueError:
            return Why()
        return None if math.isfinite(given) and given > above and minimum <= given <= maximum else Why()

    return check


def url(value: str) -> Why | None:
    """An address with scheme and host."""
    try:
        parts = urlsplit(value.strip())
        is_port = parts.port is None or parts.port > 0
    except ValueError as fault:
        return Why(str(fault))
    return None if parts.scheme in {"http", "https"} and parts.hostname and is_port else Why()


def address(value: str) -> Why | None:
    """A URL, or `host:port` as gRPC takes it."""
    return None if _HOST_PORT.fullmatch(value.strip()) else url(value)


def readable_file(value: str) -> Why | None:
    """The path of a file (or, for authorities, a folder) that can be read."""
    if not Path(value).exists():
        return Why("there is none")
    return None if os.access(value, os.R_OK) else Why("it cannot be read")


def pairs(value: str) -> Why | None:
    """`key=value` joined by commas."""
    for entry in filter(None, (part.strip() for part in value.split(","))):
        key, equals, _ = entry.partition("=")
        if not equals or not key.strip():
            return Why(f"{entry!r} is not key=value")
    return None


def headers(value: str) -> Why | None:
    """`name=value` joined by commas; the values are secrets, so entries are told by their number."""
    for index, entry in enumerate(value.split(","), start=1):
        key, equals, text = entry.strip().partition("=")
        if entry.strip() and not (equals and _HEADER_KEY.fullmatch(key.strip()) and _HEADER_VALUE.fullmatch(text)):
            return Why(f"entry {index} is not")
    return None


def installed(group: str, known: Collection[str] = (), *, fold: bool = False) -> Check:
    """The name of something known or installed as a plugin; `fold` where the SDK does not mind case."""

    def check(value: str) -> Why | None:
        if (value.lower() if fold else value) in known or entry_points(group=group, name=value):
            return None
        return Why(f"no plugin called {value!r} is installed", value)

    return check


def stripped(check: Check) -> Check:
    """The same without the blanks around the value."""
    return lambda value: check(value.strip())


def each(check: Check) -> Check:
    """Every entry of a list joined by commas."""

    def check_all(value: str) -> Why | None:
        for entry in (part.strip() for part in value.split(",")):
            if entry and (why := check(entry)) is not None:
                return Why(why.text or repr(entry), entry)
        return None

    return check_all
