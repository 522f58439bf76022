"""What may stand in an attribute, and how the rest is brought to it: as OpenTelemetry's API does, only faster.

Log records use it as well as spans.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Mapping
from types import NoneType
from typing import Any, Final

from opentelemetry.attributes import _clean_attribute_value

logger: Final = logging.getLogger(__name__)

UNLIMITED: Final = sys.maxsize
"""Stands for a limit that is not set, so that limits are compared without asking whether there is one."""

AS_IS: Final = frozenset({bool, int, float, bytes, NoneType})
"""Types whose values need no look; strings need one at their length."""

_PLAIN: Final = AS_IS | {str}

UNUSABLE: Final = object()
"""What `clean` returns for a value that cannot be kept at all."""


def clean(value: Any, length: int) -> Any:
    """Return a value as it may stand in an attribute.

    Args:
        value: anything. What no attribute can hold becomes its text, with a warning.
        length: of strings, at most; longer ones are cut.

    Returns:
        The value or a copy that nobody changes; `UNUSABLE` if it refuses to be read.
    """
    kind = type(value)
    if kind in AS_IS:
        return value
    if kind is str:
        return value if len(value) <= length else value[:length]
    try:
        return _clean_attribute_value(value, None if length == UNLIMITED else length)
    except Exception as fault:  # noqa: BLE001 - the value's own code, or one that contains itself
        logger.warning("An attribute value of type %s cannot be read and is dropped: %r", kind.__name__, fault)
        return UNUSABLE


def cleaned(attributes: Mapping[str, Any] | None, count: int, length: int) -> tuple[dict[str, Any], int]:
    """Return attributes as they may be kept, and how many of them are not.

    Args:
        attributes: as they were given.
        count: how many are kept at most: the last ones.
        length: of their strings, at most.
    """
    if attributes is None:
        return {}, 0
    if type(attributes) is dict and length == UNLIMITED and len(attributes) <= count:
        kept: dict[str, Any] = attributes.copy()
        for key, value in kept.items():
            if type(value) not in _PLAIN or type(key) is not str or not key:
                break
        else:
            return kept, 0
    return _cleaned_one_by_one(attributes, count, length)


def _cleaned_one_by_one(attributes: Mapping[str, Any], count: int, length: int) -> tuple[dict[str, Any], int]:
    kept: dict[str, Any] = {}
    given = 0
    try:
        if attributes:
            given = len(attributes)
            for key, value in attributes.items():
                name = key if type(key) is str and key else _name(key)
                if (usable := clean(value, length)) is not UNUSABLE:
                    kept[name] = usable
    except Exception as fault:  # noqa: BLE001 - no mapping, or one that another thread changes
        logger.warning("Attributes cannot be read; those after the fault are dropped: %r", fault)
    kept.pop("", None)
    while len(kept) > count:
        drop_oldest(kept)
    return kept, max(0, given - len(kept))


def _name(key: Any) -> str:
    """Return the name that a key means, empty if it means none."""
    named = _clean_attribute_value({key: None}, None)
    return next(iter(named), "")


def drop_oldest(attributes: dict[str, Any]) -> bool:
    """Drop what was set first of attributes that other threads may set meanwhile.

    Returns:
        Whether it was dropped; if not, somebody was faster.
    """
    try:
        return attributes.pop(next(iter(attributes)), UNUSABLE) is not UNUSABLE
    except (RuntimeError, StopIteration):
        return False


def exception_message(exception: BaseException) -> str:
    """Return what an exception says; one that fails even at that is excused, as by Python's traceback module."""
    try:
        return str(exception)
    except Exception:  # noqa: BLE001 - the exception's own code
        return "<exception str() failed>"


def exception_attributes(exception: BaseException) -> dict[str, Any]:
    """Describe an exception by the semantic conventions: type, message, stack trace."""
    kind = type(exception)
    module, name = kind.__module__, kind.__qualname__
    return {
        "exception.type": f"{module}.{name}" if module and module != "builtins" else name,
        "exception.message": exception_message(exception),
        "exception.stacktrace": "".join(traceback.format_exception(exception)),
    }
