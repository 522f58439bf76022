"""Reads from an exception how an operation ended."""

from __future__ import annotations

import asyncio
from typing import Final

SUCCESS: Final = "success"
ERROR: Final = "error"
TIMEOUT: Final = "timeout"
CANCELLED: Final = "cancelled"
DISCONNECTED: Final = "disconnected"
ABANDONED: Final = "abandoned"
REJECTED: Final = "rejected"

FAILURES: Final = frozenset({ERROR, TIMEOUT, REJECTED})
"""Outcomes that carry an `error.type`; the others were nobody's fault."""

OTHER: Final = "_OTHER"
"""What an error type becomes past the bound (OpenTelemetry conventions, attribute `error.type`)."""

_MOST_TYPES: Final = 200
_LONGEST_TYPE: Final = 120
_known: Final[dict[str, None]] = {}


def outcome_of(exception: BaseException) -> str:
    """Return the outcome an exception stands for."""
    if isinstance(exception, TimeoutError):
        return TIMEOUT
    if isinstance(exception, GeneratorExit):
        return ABANDONED
    if isinstance(exception, asyncio.CancelledError | KeyboardInterrupt | SystemExit):
        return CANCELLED
    return ERROR


def error_type(exception: BaseException | str) -> str:
    """Return the failure's class as a label: the exception's full name, or the word given.

    At most 200 different ones per process, and as many more as threads bring at the same moment; what comes later is
    `_OTHER`, so that names made at run time cannot flood the metrics.
    """
    name = exception if isinstance(exception, str) else full_name(type(exception))
    if name in _known:
        return name
    if not name or len(name) > _LONGEST_TYPE or len(_known) >= _MOST_TYPES:
        return OTHER
    _known[name] = None
    return name


def full_name(kind: type[BaseException]) -> str:
    """Return the name of an exception's class with its module, but for the built-in ones."""
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
