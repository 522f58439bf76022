"""What counts as a number."""

from __future__ import annotations

import sys
from operator import index
from typing import Any, Final

_END: Final = 2**63


def plain_number(amount: Any) -> float | None:
    """Return an int or a float with this value, or None if it is no number."""
    if isinstance(amount, str | bytes | bytearray):
        return None
    try:
        return int(index(amount))
    except Exception:  # noqa: BLE001 - a foreign type may do anything
        try:
            return float(amount)
        except Exception:  # noqa: BLE001 - the same
            return None


def writable(value: float) -> float:
    """Return a value that OTLP can hold: an int that does not fit into 64 bits becomes a float."""
    if type(value) is int and not -_END <= value < _END:
        try:
            return float(value)
        except OverflowError:
            return sys.float_info.max if value > 0 else -sys.float_info.max
    return value
