"""Finds the series of a set of attributes; keeps the first ones up to a limit."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from operator import itemgetter
from typing import Any, Final, Generic, TypeVar

from capibara_otel.pipeline.metrics.attributes import SCALARS, Identity, Labels, clean, identify
from capibara_otel.pipeline.metrics.data import Series

OVERFLOW: Final[Mapping[str, Any]] = {"otel.metric.overflow": True}
"""Attributes of the series that takes what goes beyond the limit; OpenTelemetry's specification of the metrics SDK."""

_MOST_ORDERS: Final = 100

S = TypeVar("S", bound=Series)


class _Family(Generic[S]):
    """All series with the same names of attributes."""

    __slots__ = ("names", "series")

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names: Final = names
        self.series: Final[dict[tuple[Any, ...], S]] = {}


class SeriesTable(ABC, Generic[S]):
    """The series of one metric.

    Any number of threads may look for series, from signal handlers and finalizers too: there are no locks. Where two
    threads make series at once, there may be a few more than the limit; those count as part of the overflow.

    Args:
        keys: the only attributes that count; None for all.
        limit: most series, besides the one for the overflow.
    """

    def __init__(self, keys: AbstractSet[str] | None, limit: int) -> None:
        self._keys: Final = keys
        self.limit: Final = limit
        # For an order of names that was met: picks what is its key, if all are text, and looks it up.
        self._orders: dict[tuple[str, ...], tuple[Callable[[Any], tuple[Any, ...]], Callable[..., S | None]]] = {}
        self._families: dict[tuple[str, ...], _Family[S]] = {}
        self._bare: S | None = None
        self._overflow: S | None = None
        self._widest: str | None = None
        self._listed: Final[list[S]] = []

    @abstractmethod
    def _make(self, labels: Labels) -> S:
        """Return a new series that nothing was recorded in."""

    def find(self, attributes: Mapping[str, Any] | None) -> S | None:
        """Return the series of a set of attributes, or None if there is no room for it.

        Args:
            attributes: as the caller gave them; of any type.
        """
        try:
            if attributes:
                pick, get = self._orders[tuple(attributes)]
                values = pick(attributes)
                series = get(values) or get((*values, *map(type, values)))
                if series is not None:
                    return series
                if len(self._listed) >= self.limit and SCALARS.issuperset(map(type, values)):
                    return None
            elif self._bare is not None:
                return self._bare
        except Exception:  # noqa: BLE001, S110 - no mapping, or values without a hash: the long way takes anything
            pass
        return self._find_or_make(attributes)

    def all(self) -> list[S]:
        """Return the series in the order they came, the one of the overflow last."""
        found = self._listed[: self.limit]
        extra = self.extra()
        if extra and self._overflow is None:
            self.overflow()
        if self._overflow is not None and self._overflow not in found:
            found.append(self._overflow)
        return found

    def extra(self) -> list[S]:
        """Return the few series that came beyond the limit; they count as part of the overflow."""
        return self._listed[self.limit :]

    def overflow(self) -> S:
        """Return the series that takes what goes beyond the limit."""
        if self._overflow is None:
            identity = identify(OVERFLOW)
            made = self._make(Labels(identity.names, identity.values))
            self._overflow = self._family(identity.names).series.setdefault(identity.key, made)
        return self._overflow

    def widest(self) -> str:
        """Return the attribute with the most different values, of a table that is full."""
        if self._widest is None:
            values: defaultdict[str, set[str]] = defaultdict(set)
            for series in self._listed[: self.limit]:
                for name, value in series.attributes.items():
                    values[name].add(repr(value))
            self._widest = max(values, key=lambda name: len(values[name]), default="")
        return self._widest

    def _find_or_make(self, attributes: Mapping[str, Any] | None) -> S | None:
        cleaned = clean(attributes)
        keys = self._keys
        kept = cleaned if keys is None else {name: value for name, value in cleaned.items() if name in keys}
        identity = identify(kept)
        family = self._families.get(identity.names)
        found = None if family is None else family.series.get(identity.key)
        if found is None:
            if len(self._listed) >= self.limit:
                return None
            family = self._family(identity.names)
            found = self._enlist(family, identity)
        if not identity.names:
            self._bare = found
        if family is not None and cleaned and len(self._orders) < _MOST_ORDERS:
            order = tuple(cleaned)
            self._orders[order] = (_picker(family.names), family.series.get)
        return found

    def _enlist(self, family: _Family[S], identity: Identity) -> S:
        made = self._make(Labels(family.names, identity.values))
        found = family.series.setdefault(identity.key, made)
        if found is made:
            self._listed.append(made)
        return found

    def _family(self, names: tuple[str, ...]) -> _Family[S]:
        return self._families.get(names) or self._families.setdefault(names, _Family(names))


def _picker(names: tuple[str, ...]) -> Callable[[Any], tuple[Any, ...]]:
    if len(names) > 1:
        return itemgetter(*names)
    if names:
        (name,) = names
        return lambda attributes: (attributes[name],)
    return lambda _: ()
