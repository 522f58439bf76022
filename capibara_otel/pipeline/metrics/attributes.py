"""What identifies a series: its attributes, cleaned as the official SDK cleans them."""

from __future__ import annotations

import logging
from collections.abc import ItemsView, Iterator, Mapping
from types import NoneType
from typing import Any, Final, NamedTuple

from opentelemetry.attributes import _clean_attribute_value

logger: Final = logging.getLogger(__name__)

SCALARS: Final[frozenset[type]] = frozenset({str, int, float, bool, NoneType, bytes})
"""Types whose values are their own key, told apart by the type where it is not text."""


_DEEP: Final = object()
"""Begins the keys of sets with sequences or mappings: equal to nothing that a caller could give."""


class Labels(Mapping[str, Any]):
    """The attributes of a series, in a quarter of a dict's memory: the names are shared, the values are its key's.

    Args:
        names: sorted.
        values: as many, in the same order; what comes behind them is not shown.
    """

    __slots__ = ("_names", "_values")

    def __init__(self, names: tuple[str, ...], values: tuple[Any, ...]) -> None:
        self._names: Final = names
        self._values: Final = values

    def __getitem__(self, name: str) -> Any:
        try:
            return self._values[self._names.index(name)]
        except ValueError:
            raise KeyError(name) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def items(self) -> ItemsView[str, Any]:
        """Return names and values."""
        return dict(zip(self._names, self._values, strict=False)).items()

    def __repr__(self) -> str:
        return repr(dict(self))


class Identity(NamedTuple):
    """A set of attributes, whatever their order: equal for the same series."""

    names: tuple[str, ...]
    """Sorted."""
    key: tuple[Any, ...]
    """Tells this set from all others with the same names."""
    values: tuple[Any, ...]


def clean(attributes: object) -> dict[str, Any]:
    """Copy attributes as the official SDK does, with its warnings, and without subclasses of plain types.

    The SDK makes two series of `"a"` and of an enumeration's member that is `"a"`, though both are exported alike.

    Args:
        attributes: what the caller gave; None is an empty set, what is no mapping too.
    """
    if attributes is None:
        return {}
    if not isinstance(attributes, Mapping):
        logger.warning("attributes must be a mapping, not %s; the measurement is recorded without", type(attributes))
        return {}
    return {_exact(key): _exact(value) for key, value in _clean_attribute_value(attributes, None).items()}


def identify(cleaned: Mapping[str, Any]) -> Identity:
    """Return what tells this set of attributes from others.

    Args:
        cleaned: what `clean` returned.
    """
    names = tuple(sorted(cleaned))
    values = tuple([cleaned[name] for name in names])
    types = tuple(map(type, values))
    if types.count(str) == len(types):
        return Identity(names, values, values)
    if SCALARS.issuperset(types):
        key = (*values, *types)
        return Identity(names, key, key)
    return Identity(names, (_DEEP, _frozen(values)), values)


def _exact(value: Any) -> Any:
    kind = type(value)
    if kind in SCALARS:
        return value
    if kind is tuple:
        return tuple(map(_exact, value))
    if kind is dict:
        return {_exact(key): _exact(item) for key, item in value.items()}
    for plain, convert in ((str, str.__str__), (int, int.__int__), (float, float.__float__)):
        if issubclass(kind, plain):
            return convert(value)
    # What only says that it is text or bytes, such as a proxy.
    return bytes(value) if isinstance(value, bytes) else str(value)


def _frozen(value: Any) -> tuple[str, Any]:
    if isinstance(value, tuple):
        return "sequence", tuple(map(_frozen, value))
    if isinstance(value, dict):
        return "mapping", tuple((key, _frozen(value[key])) for key in sorted(value))
    return type(value).__name__, value
