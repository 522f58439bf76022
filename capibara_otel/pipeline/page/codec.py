"""Snapshots as bytes: what workers of one server leave for each other in files.

A head of fixed length, the table as JSON, numbers as doubles of this machine, the rest as JSON. Nothing in it is run or
imported, and what does not hold together is refused.
"""

from __future__ import annotations

import json
import math
from array import array
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from struct import Struct
from typing import Any, Final

from capibara_otel.pipeline.page.table import KINDS, RULES, Family, Snapshot, Table, WrittenExemplar

_HEAD: Final = Struct("=16sIIII")
_MAGIC: Final = b"capibara-page-1\n"
_NUMBER: Final = "d"
_NUMBER_BYTES: Final = array(_NUMBER).itemsize


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """What was in a file.

    Args:
        snapshot: of one process, or of all that have ended.
        folded: names of the ended processes that it stands for.
    """

    snapshot: Snapshot
    folded: frozenset[str]


class Encoder:
    """Makes bytes of snapshots; those of a table are made once."""

    def __init__(self) -> None:
        self._known: tuple[Table, bytes] | None = None

    def encode(self, snapshot: Snapshot, folded: Collection[str] = ()) -> bytes:
        """Return the bytes.

        Args:
            snapshot: what to write.
            folded: names of the ended processes that it stands for.
        """
        table = self._table(snapshot.table)
        rest = {
            "target": snapshot.target,
            "exemplars": [[slot, each.time_ns, each.text] for slot, each in snapshot.exemplars.items()],
            "folded": sorted(folded),
        }
        parts = (table, _doubles(snapshot.values), _doubles(snapshot.stamps), json.dumps(rest).encode())
        return b"".join((_HEAD.pack(_MAGIC, *map(len, parts)), *parts))

    def _table(self, table: Table) -> bytes:
        if self._known is None or self._known[0] is not table:
            self._known = table, json.dumps([table.size, [_row(each) for each in table.families]]).encode()
        return self._known[1]


class Decoder:
    """Reads such bytes; a table that is known already is not read again, and stays the same object."""

    def __init__(self) -> None:
        self._tables: dict[bytes, Table] = {}
        self._used: set[bytes] = set()

    def decode(self, data: bytes) -> Decoded:
        """Return what the bytes say.

        Raises:
            ValueError: they are not those of a snapshot.
        """
        try:
            return self._decode(data)
        except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as fault:
            raise ValueError(f"not a snapshot: {fault}") from fault

    def forget_unused(self) -> None:
        """Forget the tables that were not met since the last call."""
        self._tables = {key: table for key, table in self._tables.items() if key in self._used}
        self._used = set()

    def _decode(self, data: bytes) -> Decoded:
        if len(data) < _HEAD.size:
            raise ValueError("it is too short")
        magic, *lengths = _HEAD.unpack_from(data)
        if magic != _MAGIC or _HEAD.size + sum(lengths) != len(data):
            raise ValueError("of another kind, or cut off")
        parts, at = [], _HEAD.size
        for length in lengths:
            parts.append(data[at : at + length])
            at += length
        key, numbers, stamps, rest = parts
        table = self._tables.get(key)
        if table is None:
            table = self._tables[key] = _read_table(json.loads(key))
        self._used.add(key)
        said = json.loads(rest)
        snapshot = Snapshot(
            table,
            _read_doubles(numbers, table.size),
            {int(slot): WrittenExemplar(int(time_ns), str(text)) for slot, time_ns, text in said["exemplars"]},
            {str(name): str(value) for name, value in said["target"].items()},
            stamps=_read_doubles(stamps, sum(1 for _ in table.stamped())),
        )
        if not all(0 <= slot < table.size for slot in snapshot.exemplars):
            raise ValueError("an exemplar of nothing")
        if not math.isfinite(sum(snapshot.values)):
            _check_counts(snapshot)
        return Decoded(snapshot, frozenset(map(str, said["folded"])))


def as_doubles(values: Sequence[float]) -> list[float]:
    """Return the numbers as a file holds them."""
    return _read_doubles(_doubles(values), len(values))


def _row(family: Family) -> list[Any]:
    slots = family.slots
    placed = [slots.start, slots.stop, slots.step] if isinstance(slots, range) else None
    return [
        family.name,
        family.kind,
        family.help,
        family.unit,
        family.rule,
        family.bounds,
        family.labels,
        placed,
        None if placed else list(slots),
    ]


def _read_table(data: Any) -> Table:
    size, rows = data
    families = []
    for name, kind, text, unit, rule, bounds, labels, placed, listed in rows:
        slots: Sequence[int] = range(*placed) if placed else [int(slot) for slot in listed]
        family = Family(str(name), kind, str(text), str(unit), rule, tuple(map(float, bounds)), labels, slots)
        if kind not in KINDS or rule not in RULES or len(labels) != len(slots):
            raise ValueError("a family of no known kind")
        if not all(isinstance(each, str) for each in labels):
            raise ValueError("labels that are no text")
        if slots and (min(slots) < 0 or max(slots) + family.width > size):
            raise ValueError("a series without numbers")
        families.append(family)
    return Table(families, int(size))


def _check_counts(snapshot: Snapshot) -> None:
    for family in snapshot.table.families:
        if family.kind == "histogram":
            for slot in family.slots:
                if not all(map(math.isfinite, snapshot.values[slot : slot + family.width - 1])):
                    raise ValueError("a count that is no number")


def _doubles(values: Sequence[float]) -> bytes:
    try:
        return array(_NUMBER, values).tobytes()
    except OverflowError:  # an int beyond every double
        return array(_NUMBER, map(_double, values)).tobytes()


def _double(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def _read_doubles(data: bytes, count: int) -> list[float]:
    if len(data) != count * _NUMBER_BYTES:
        raise ValueError("numbers are missing")
    numbers = array(_NUMBER)
    numbers.frombytes(data)
    return numbers.tolist()
