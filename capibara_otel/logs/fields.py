"""Names of a line's fields, and what is known of each."""

from __future__ import annotations

from collections.abc import Mapping
from json.encoder import encode_basestring as quoted
from typing import Any, Final

from capibara_otel.operation.context import KEYWORDS
from capibara_otel.redaction import scrub, sensitive
from capibara_otel.semconv import attributes as a

OWN: Final = ("timestamp", "level", "category")
KNOWN: Final = (
    "component", "message", "user_id", "session_id", "tenant_id", "request_id", "conversation_id", "agent",
    "duration_ms", "trace_id", "span_id", "event", "exception",
)  # fmt: skip
"""With `OWN` before them the fields that every reader may rely on, in this order; the rest stands in `metadata`."""
RESERVED: Final = frozenset({*OWN, *KNOWN, "timestamp_ns", "event_name", "exc_info"})
"""Names that a caller's field is no metadata under."""

_SHORT: Final[Mapping[str, str]] = {name: keyword for keyword, name in KEYWORDS.items()} | {a.TENANT_ID: "tenant_id"}
_PEOPLE: Final = tuple(sorted(_SHORT.items(), key=lambda pair: KNOWN.index(pair[1])))
_NAMELESS: Final = "session_id"
"""Here a session's id is what lines are found by, not a key to it; what looks like a secret is masked all the same."""
_LONGEST_KEPT: Final = 100
_MOST: Final = 2000


def people(who: Mapping[str, str]) -> dict[str, str]:
    """Return what `context()` set, in the order and under the names of a line's fields."""
    return {short: who[name] for name, short in _PEOPLE if name in who}


_harmless: Final[set[str]] = set()
"""Names that were seen to hold no secret; bounded as `BEGINNINGS` are."""


def name_of(key: str) -> str:
    """Return a field's name as it is written: a name may hold a secret itself."""
    return key if key in _harmless else scrub(key)


def named(fields: dict[str, Any]) -> dict[str, Any]:
    """Return fields by their names as they are written."""
    return fields if _harmless.issuperset(fields) else {name_of(key): value for key, value in fields.items()}


class _Beginnings(dict[str, str]):
    """How fields begin as further members of a JSON text, by their names; empty where no value may be shown.

    As many are kept as there is room for, and none with a name without an end.
    """

    def __missing__(self, key: str) -> str:
        name = name_of(key)
        beginning = "" if key != _NAMELESS and sensitive(key) else f", {quoted(name)}: "
        if len(self) < _MOST and len(key) <= _LONGEST_KEPT:
            self[key] = beginning
            if name == key:
                _harmless.add(key)
        return beginning


BEGINNINGS: Final = _Beginnings()
