"""How much a span may hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

from capibara_otel.pipeline.traces.values import UNLIMITED

DEFAULT_COUNT: Final = 128
"""Attributes, events and links, where nothing else is set (specification, "Attribute limits" and "Span limits")."""


@dataclass(frozen=True, slots=True)
class SpanLimits:
    """How much a span may hold; the oldest of what is over a limit is dropped and counted.

    Args:
        attributes: of a span.
        value_length: characters of a span's attribute value.
        events: of a span.
        links: of a span.
        event_attributes: of an event.
        link_attributes: of a link.
        inner_value_length: characters of an attribute value of an event or a link.
    """

    attributes: int = DEFAULT_COUNT
    value_length: int = UNLIMITED
    events: int = DEFAULT_COUNT
    links: int = DEFAULT_COUNT
    event_attributes: int = DEFAULT_COUNT
    link_attributes: int = DEFAULT_COUNT
    inner_value_length: int = UNLIMITED

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Self:
        """Read them as the OpenTelemetry SDK does.

        Args:
            environ: the environment.

        Raises:
            ValueError: a variable is neither empty nor a whole number from 0 on.
        """
        count = read_count(environ)
        length = read_limit(environ, "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", UNLIMITED)
        return cls(
            attributes=read_limit(environ, "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", count),
            value_length=read_limit(environ, "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", length),
            events=read_limit(environ, "OTEL_SPAN_EVENT_COUNT_LIMIT", DEFAULT_COUNT),
            links=read_limit(environ, "OTEL_SPAN_LINK_COUNT_LIMIT", DEFAULT_COUNT),
            event_attributes=read_limit(environ, "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", count),
            link_attributes=read_limit(environ, "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", count),
            inner_value_length=length,
        )


def read_count(environ: Mapping[str, str]) -> int:
    """Read the number of attributes that holds where nothing more special is set; empty means the default here."""
    count = read_limit(environ, "OTEL_ATTRIBUTE_COUNT_LIMIT", UNLIMITED)
    return DEFAULT_COUNT if count == UNLIMITED else count


def read_limit(environ: Mapping[str, str], name: str, default: int) -> int:
    """Read one limit; a variable that is set and empty means none.

    Args:
        environ: the environment.
        name: of the variable.
        default: where it is not set.

    Raises:
        ValueError: it is neither empty nor a whole number from 0 on.
    """
    if name not in environ:
        return default
    text = environ[name].strip()
    if not text:
        return UNLIMITED
    number = int(text) if text.isdecimal() else -1
    if number < 0:
        raise ValueError(f"{name} must be a non-negative integer but got {text}")
    return number
