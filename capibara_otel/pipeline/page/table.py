"""What is on a page: its families, their series, and where in a list of numbers the value of each stands.

A table is made once and used again as long as the same series are there; the numbers are new with each page.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple, TypeAlias

from capibara_otel._safety import Once

logger: Final = logging.getLogger(__name__)

FamilyKind: TypeAlias = Literal["counter", "gauge", "histogram"]
Rule: TypeAlias = Literal["total", "sum", "latest", "max", "min"]
"""How values of several processes become one: `total` is the sum that keeps what ended processes had, `sum` the sum
over those that live, `latest` the value written last by one that lives."""

KINDS: Final = frozenset({"counter", "gauge", "histogram"})
RULES: Final = frozenset({"total", "sum", "latest", "max", "min"})

_SUFFIXES: Final[dict[FamilyKind, tuple[str, ...]]] = {
    "counter": ("", "_total", "_created"),
    "gauge": ("",),
    "histogram": ("", "_bucket", "_sum", "_count", "_created"),
}
_TARGET_INFO: Final = ("target", "target_info")


@dataclass(slots=True, eq=False)
class Family:
    """A metric as Prometheus has it.

    Args:
        name: without the `_total` of counters.
        kind: what it is.
        help: its description, not escaped.
        unit: in words; empty where it has none or the name does not end with it.
        rule: how values of several processes become one.
        bounds: of a histogram.
        labels: of each series, as written; nothing twice.
        slots: where the value of each series stands; a histogram's counts per bucket, and then its sum, begin there.
    """

    name: str
    kind: FamilyKind
    help: str
    unit: str
    rule: Rule
    bounds: tuple[float, ...] = ()
    labels: list[str] = field(default_factory=list)
    slots: Sequence[int] = ()

    @property
    def width(self) -> int:
        """How many numbers a series has."""
        return len(self.bounds) + 2 if self.kind == "histogram" else 1


@dataclass(slots=True, eq=False)
class Table:
    """All families of a page, and how many numbers go with them."""

    families: Sequence[Family]
    size: int

    def stamped(self) -> Iterator[int]:
        """Yield the slots whose values are judged by when they were written, in order."""
        for family in self.families:
            if family.rule == "latest":
                yield from family.slots


class Catalog:
    """Finds what of a page goes together, and refuses what cannot stand on one page.

    Args:
        said: remembers which refusals were said.
    """

    def __init__(self, said: Once) -> None:
        self._said: Final = said
        self._families: Final[dict[str, Family]] = {}
        self._owners: Final[dict[str, str]] = dict.fromkeys(_TARGET_INFO, "target")

    @property
    def families(self) -> list[Family]:
        """What was taken so far."""
        return list(self._families.values())

    def take(self, like: Family, origin: str) -> Family | None:
        """Return the family of this name, a new one if there was none.

        Args:
            like: what the family is like; its series do not matter.
            origin: what it is called where it comes from.

        Returns:
            None where the page has the name already for something else.
        """
        there = self._families.get(like.name)
        if there is not None:
            if there.kind == like.kind:
                return there
            self.refuse(origin, f"the page has another {like.name}, a {there.kind}")
            return None
        names = [like.name + suffix for suffix in _SUFFIXES[like.kind]]
        for name in names:
            if name in self._owners:
                self.refuse(origin, f"its {name} would be mistaken for one of {self._owners[name]}")
                return None
        self._owners.update(dict.fromkeys(names, like.name))
        self._families[like.name] = made = Family(
            like.name, like.kind, like.help, like.unit, like.rule, like.bounds, slots=[]
        )
        return made

    def refuse(self, origin: str, reason: str) -> None:
        """Say, once, what is not on the page."""
        if self._said.first(origin):
            logger.warning("the metrics page leaves out %s: %s", origin, reason)


class WrittenExemplar(NamedTuple):
    """An exemplar as OpenMetrics has it behind a sample."""

    time_ns: int
    text: str


@dataclass(slots=True, eq=False)
class Snapshot:
    """What a page says at one time.

    Args:
        table: what is there.
        values: the numbers.
        exemplars: by the slot of the counter or of the bucket's count.
        target: labels of `target_info`, not escaped.
        written: by slot, the nanoseconds since 1970 at which a gauge was set, where that is known.
        stamps: the same for all of `table.stamped()`, as good as it is known; only where several processes compare.
    """

    table: Table
    values: Sequence[float]
    exemplars: Mapping[int, WrittenExemplar]
    target: Mapping[str, str]
    written: Mapping[int, int] = field(default_factory=dict)
    stamps: Sequence[float] = ()


def compact(slots: list[int], width: int) -> Sequence[int]:
    """Return the slots of series as a range, which takes no memory, where they are one.

    Args:
        slots: one at least.
        width: how many numbers each series has.
    """
    regular = range(slots[0], slots[0] + width * len(slots), width)
    return regular if slots == list(regular) else slots
