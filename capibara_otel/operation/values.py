"""Judges values that helpers are given against what the registry says about them."""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import Enum
from functools import lru_cache
from numbers import Integral, Real
from typing import Any, Final, TypeAlias

from opentelemetry.util.types import AttributeValue

from capibara_otel.redaction import scrub, writable
from capibara_otel.semconv.attributes import ATTRIBUTES
from capibara_otel.semconv.specs import AttributeSpec, MetricSpec

_LONGEST_SHOWN: Final = 60


class InvalidValueError(Exception):
    """A value cannot be recorded.

    Args:
        expected: what would have been right, in words, such as `int ≥ 1`.
    """

    def __init__(self, expected: str) -> None:
        super().__init__(expected)
        self.expected = expected


def attribute_spec(name: str) -> AttributeSpec | None:
    """Return the specification of an attribute, or of the template it is an instance of."""
    return ATTRIBUTES.get(name) or _template(name)


@lru_cache(maxsize=1024)
def _template(name: str) -> AttributeSpec | None:
    prefix = name.rpartition(".")[0]
    while prefix:
        spec = ATTRIBUTES.get(prefix)
        if spec is not None and spec.template:
            return spec
        prefix = prefix.rpartition(".")[0]
    return None


def attribute_value(spec: AttributeSpec, value: Any) -> AttributeValue:
    """Return the value as OpenTelemetry takes it.

    Numbers of numpy and members of enums are taken for what they hold; nothing else is converted.

    Raises:
        InvalidValueError: type, range or member is not what the registry says.
    """
    if spec.type.endswith("[]"):
        convert, items = _CONVERTERS[spec.type.removesuffix("[]")], listed(value)
        if items is None:
            raise InvalidValueError(expected(spec))
        return [convert(spec, item) for item in items]
    converted: AttributeValue = _CONVERTERS[spec.type](spec, value)
    return converted


def metric_value(spec: MetricSpec, value: Any) -> float:
    """Return the measurement as a finite number within the metric's bounds.

    Raises:
        InvalidValueError: it is no number, not finite, or out of bounds.
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        raise InvalidValueError(_number("number", spec.minimum, spec.maximum))
    number = _finite(int if isinstance(value, Integral) else float, value)
    if number is None or not _within(number, spec.minimum, spec.maximum):
        raise InvalidValueError(_number("finite number", spec.minimum, spec.maximum))
    return number


def expected(spec: AttributeSpec) -> str:
    """Say in words what an attribute takes."""
    kind = spec.type.removesuffix("[]")
    if spec.members:
        text = "one of " + ", ".join(spec.members)
    elif kind in {"int", "double"}:
        text = _number("int" if kind == "int" else "number", spec.minimum, spec.maximum)
    else:
        text = {"string": "str", "boolean": "bool"}[kind]
    return f"list of {text}" if spec.type.endswith("[]") else text


def given(value: Any) -> bool:
    """Tell whether an optional argument was given: anything but None and the empty text."""
    return value is not None and not (isinstance(value, str) and not value)


def is_zero(value: Any) -> bool:
    """Tell whether a count that is added to something adds nothing."""
    return isinstance(value, int) and not value


def listed(value: Any) -> list[Any] | None:
    """Return the items of a value; None where it has none, is a text, or its iterator fails."""
    if isinstance(value, str | bytes) or not hasattr(value, "__iter__"):
        return None
    try:
        return list(value)
    except Exception:  # noqa: BLE001 - a foreign iterator may do anything
        return None


def shown(value: Any) -> str:
    """Return a short form of a value for a message, secrets masked."""
    try:
        text = scrub(repr(value))
    except Exception:  # noqa: BLE001 - a foreign repr may do anything
        text = "…"
    return text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "…"


def _string(spec: AttributeSpec, value: Any) -> str:
    if isinstance(value, Enum):
        value = value.value
    if not isinstance(value, str) or (spec.members and value not in spec.members):
        raise InvalidValueError(expected(spec))
    return writable(str(value))


def _boolean(spec: AttributeSpec, value: Any) -> bool:
    if not isinstance(value, bool):
        raise InvalidValueError(expected(spec))
    return value


def _int(spec: AttributeSpec, value: Any) -> int:
    number = None if isinstance(value, bool) or not isinstance(value, Integral) else _finite(int, value)
    if number is None or not _within(number, spec.minimum, spec.maximum):
        raise InvalidValueError(expected(spec))
    return int(number)


def _double(spec: AttributeSpec, value: Any) -> float:
    number = None if isinstance(value, bool) or not isinstance(value, Real) else _finite(float, value)
    if number is None or not _within(number, spec.minimum, spec.maximum):
        raise InvalidValueError(expected(spec))
    return number


_Converter: TypeAlias = Callable[[AttributeSpec, Any], Any]
_CONVERTERS: Final[dict[str, _Converter]] = {"string": _string, "boolean": _boolean, "int": _int, "double": _double}


def _finite(convert: Callable[[Any], float], value: Any) -> float | None:
    """Return the number, or None where OTLP's 64 bits cannot hold it."""
    try:
        number = convert(value)
    except OverflowError:
        return None
    if isinstance(number, int):
        return number if -(2**63) <= number < 2**63 else None
    return number if math.isfinite(number) else None


def _within(number: float, minimum: float | None, maximum: float | None) -> bool:
    return (minimum is None or number >= minimum) and (maximum is None or number <= maximum)


def _number(kind: str, minimum: float | None, maximum: float | None) -> str:
    if minimum is not None and maximum is not None:
        return f"{kind} {minimum:g} to {maximum:g}"
    if minimum is not None:
        return f"{kind} ≥ {minimum:g}"
    if maximum is not None:
        return f"{kind} ≤ {maximum:g}"
    return kind
