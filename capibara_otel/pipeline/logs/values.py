"""What log records are made of."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from types import NoneType
from typing import Any, Final

from opentelemetry._logs import SeverityNumber

from capibara_otel.pipeline.traces.values import UNLIMITED, UNUSABLE, clean

logger: Final = logging.getLogger(__name__)


def severity(number: Any) -> int:
    """Return the number of a severity, 0 for none."""
    value = getattr(number, "value", number)
    return value if isinstance(value, int) else 0


def official_severity(number: int) -> SeverityNumber | None:
    """Return a severity by its number; None for 0 and for numbers that name none."""
    return SeverityNumber(number) if 0 < number <= SeverityNumber.FATAL4.value else None


def snapshot(body: Any) -> Any:
    """Return a body that nobody changes until it is exported.

    Args:
        body: anything. Keys become texts, and what OTLP cannot hold does too.
    """
    try:
        return _copied(body)
    except Exception as fault:  # noqa: BLE001 - the value's own code, or one that contains itself
        logger.warning("A log record's body of type %s cannot be read and is left out: %r", type(body).__name__, fault)
        return None


def _copied(value: Any) -> Any:
    if isinstance(value, (str, bool, int, float, bytes, NoneType)):
        return value
    if isinstance(value, Sequence):
        return tuple(_copied(item) for item in value)
    if isinstance(value, Mapping):
        return {str(key): _copied(item) for key, item in value.items()}
    text = clean(value, UNLIMITED)
    return None if text is UNUSABLE else text
