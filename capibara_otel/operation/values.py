"""Judges values that helpers are given against what the registry says about them.

Nearly all values are right. `QUICK` and the first lines of `metric_value` tell so for the usual types at the cost of a
comparison or two; what they do not know goes the long way, which converts, or says what would have been right.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from enum import Enum
from functools import lru_cache
from numbers import Integral, Real
from typing import Any, Final, TypeAlias

from opentelemetry.util.types import AttributeValue

from capibara_otel.redaction import scrub, writable
from capibara_otel.semconv.attributes import ATTRIBUTES
from capibara_otel.semconv.specs import AttributeSpec, MetricSpec

_LONGEST_SHOWN: Final = 60
_INT64: Final = 2**63
_SURE: Final = 2.0**63
"""Numbers between minus this and this are finite, and held by OTLP's 64 bits if they are whole."""

_Quick: TypeAlias = Callable[[Any], AttributeValue | None]


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
    kind = type(value)
    if kind is float or kind is int:
        low, high = spec.minimum, spec.maximum
        if -_SURE < value < _SURE and (low is None or value >= low) and (high is None or value <= high):
            right: float = value
            return right
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


def _quick(spec: AttributeSpec) -> _Quick:
    """Return what gives back a value that is right as it is, and None for any other, which may still be right."""
    low = -_SURE if spec.minimum is None else max(spec.minimum, -_SURE)
    high = _SURE if spec.maximum is None else min(spec.maximum, _SURE)
    least, most = max(math.ceil(low), -_INT64), min(math.floor(high), _INT64 - 1)
    members = frozenset(spec.members)

    def string(value: Any) -> AttributeValue | None:
        if type(value) is not str:
            return None
        return value if value.isascii() else writable(value)

    def member(value: Any) -> AttributeValue | None:
        return value if type(value) is str and value in members else None

    def boolean(value: Any) -> AttributeValue | None:
        return value if value is True or value is False else None

    def whole(value: Any) -> AttributeValue | None:
        return value if type(value) is int and least <= value <= most else None

    def double(value: Any) -> AttributeValue | None:
        return value if type(value) is float and low <= value <= high else None

    kinds: Mapping[str, _Quick] = {"string": string, "boolean": boolean, "int": whole, "double": double}
    return member if spec.members else kinds[spec.type]


def _unsure(_: Any) -> None:
    """Know of no value whether it is right."""


QUICK: Final[dict[str, _Quick]] = {
    name: _unsure if spec.content or spec.template or spec.type.endswith("[]") else _quick(spec)
    for name, spec in ATTRIBUTES.items()
}
"""By attribute name: gives back a value that may be recorded as it is, and None where `attribute_value` must judge."""


def _finite(convert: Callable[[Any], float], value: Any) -> float | None:
    """Return the number, or None where OTLP's 64 bits cannot hold it."""
    try:
        number = convert(value)
    except OverflowError:
        return None
    if isinstance(number, int):
        return number if -_INT64 <= number < _INT64 else None
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
