"""Masks secrets in values of any type, by their names and by how they look."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from capibara_otel.redaction.kinds import MASK
from capibara_otel.redaction.names import sensitive
from capibara_otel.redaction.texts import scrub


def scrub_value(key: str, value: Any, depth: int = 6) -> Any:
    """Return a value as it may be stored under a key: masked by the key's name, scrubbed inside, nested ones too.

    Args:
        key: the name it stands under.
        value: anything; mappings, lists and tuples are walked, pairs taken for a name and its value. What is neither
            that, a number of 64 bits nor a text becomes its text, for that is what would be written in the end.
        depth: how deep; what lies deeper is replaced by the mask.
    """
    if value is None or isinstance(value, bool):
        return value
    if sensitive(key):
        return MASK
    if type(value) is str:  # the usual case; looking for a mapping takes longer than this
        return scrub(value)
    if isinstance(value, float) or (isinstance(value, int) and -(2**63) <= value < 2**63):
        return value
    if isinstance(value, Mapping | list | tuple | set | frozenset):
        return _nested(value, depth - 1) if depth else MASK
    text = text_of(value)
    return scrub(f"{type(value).__name__}: {text}" if isinstance(value, BaseException) else text)


def _nested(value: Mapping[Any, Any] | Collection[Any], depth: int) -> Any:
    if isinstance(value, Mapping):
        return {_name(name): scrub_value(text_of(name), item, depth) for name, item in value.items()}
    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], str | bytes):  # noqa: PLR2004 - a pair
        return [_name(value[0]), scrub_value(text_of(value[0]), value[1], depth)]
    return [scrub_value("", item, depth) for item in value]


def _name(key: object) -> str:
    return scrub(text_of(key))


def text_of(value: object) -> str:
    """Return a value's text, whatever its class does when asked for it."""
    try:
        return value.decode(errors="backslashreplace") if isinstance(value, bytes | bytearray) else str(value)
    except Exception:  # noqa: BLE001 - a foreign class may do anything
        return f"<{type(value).__name__}>"
