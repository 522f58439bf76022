"""Which format a reader of the metrics page gets, by its `Accept` and `Accept-Encoding` headers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Format:
    """A text format.

    Args:
        content_type: value of `Content-Type`.
        is_openmetrics: OpenMetrics 1.0.0, else Prometheus' own text format.
    """

    content_type: str
    is_openmetrics: bool


# Names on the page are spelled with underscores, whichever escaping a reader would rather have.
TEXT: Final = Format("text/plain; version=0.0.4; charset=utf-8", is_openmetrics=False)
TEXT_1: Final = Format("text/plain; version=1.0.0; charset=utf-8; escaping=underscores", is_openmetrics=False)
OPENMETRICS: Final = Format(
    "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores", is_openmetrics=True
)

_VERSION_1: Final = re.compile(r"1(\.\d+)*")
_MOST_ITEMS: Final = 64


def choose(accept: str | None) -> Format:
    """Return the format that a reader likes best; `TEXT` where it names none that there is.

    Among equals the first one named is taken (RFC 9110, section 12.5.1, leaves that to the server).

    Args:
        accept: the request's `Accept` header.
    """
    best, weight = TEXT, 0.0
    for media_type, parameters, q in _items(accept):
        found = _format(media_type, parameters.get("version", ""))
        if found is not None and q > weight:
            best, weight = found, q
    return best


def takes_gzip(accept_encoding: str | None) -> bool:
    """Tell whether the body may be compressed with gzip.

    Args:
        accept_encoding: the request's `Accept-Encoding` header.
    """
    return any(coding == "gzip" and q > 0 for coding, _, q in _items(accept_encoding))


def _format(media_type: str, version: str) -> Format | None:
    is_version_1 = _VERSION_1.fullmatch(version) is not None
    if media_type == "application/openmetrics-text":
        return OPENMETRICS if is_version_1 or not version else None
    if media_type == "text/plain":
        return TEXT_1 if is_version_1 else TEXT
    return TEXT if media_type in {"*/*", "text/*"} else None


def _items(header: str | None) -> Iterator[tuple[str, dict[str, str], float]]:
    """Yield each item of a header that can be understood: its name, its parameters and its weight."""
    for item in (header or "").lower().split(",", _MOST_ITEMS)[:_MOST_ITEMS]:
        name, *texts = (part.strip() for part in item.split(";"))
        parameters = {
            key.strip(): value.strip().strip('"') for key, _, value in (text.partition("=") for text in texts)
        }
        try:
            q = float(parameters.get("q", "1"))
        except ValueError:
            continue
        if name and 0 <= q <= 1:
            yield name, parameters, q
