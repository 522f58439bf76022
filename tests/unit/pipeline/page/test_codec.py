"""Snapshots as bytes."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from capibara_otel.pipeline.page.codec import Decoder, Encoder, as_doubles
from capibara_otel.pipeline.page.merge import Stamps
from capibara_otel.pipeline.page.table import Snapshot
from capibara_otel.pipeline.page.tabulate import Tabulator
from capibara_otel.pipeline.page.text import write
from tests.unit.pipeline.page.made import collection, counter, exemplar, metric, number, timed


def snapshot(*, level: float = 1.5) -> Snapshot:
    """Return a snapshot of one of each kind."""
    made = Tabulator().snapshot(
        collection(
            counter("work", number(7, {"kind": "ü\n"}, exemplar(1, 3)), number(8, {"kind": "b"}), unit="By"),
            metric("gauge", "level", number(level), number(2.5, {"kind": "b"})),
            metric("sum", "load", number(-3)),
            metric("histogram", "time", timed([1, 0, 2], (0.1, 1.0), {}, exemplar(0.5, 4))),
            resource={"service.name": "mine"},
        ),
        with_exemplars=True,
    )
    made.stamps = Stamps().of(made, 17)
    return made


def whole(made: Snapshot) -> str:
    """Return the page that the snapshot makes."""
    return "".join(write(made, openmetrics=True))


def test_what_is_written_is_read() -> None:
    """A snapshot that went through bytes makes the same page, and its gauges are as old as they were."""
    made = snapshot()
    read = Decoder().decode(Encoder().encode(made, {"b", "a"}))
    assert whole(read.snapshot) == whole(made)
    assert read.snapshot.stamps == [17.0, 17.0]
    assert [family.rule for family in read.snapshot.table.families] == ["total", "latest", "sum", "total"]
    assert read.folded == {"a", "b"}


@given(st.lists(st.integers() | st.floats(), max_size=5))
@example([1, 10**400, -(10**400), 0.5])
def test_numbers_keep_what_a_double_holds(values: list[float]) -> None:
    """A number comes back as the double that Prometheus makes of it; what is beyond every double is infinite."""

    def double(value: float) -> float:
        try:
            return float(value)
        except OverflowError:
            return math.inf if value > 0 else -math.inf

    assert list(map(str, as_doubles(values))) == [str(double(value)) for value in values]


def test_a_table_is_read_once() -> None:
    """Snapshots of the same series share one table, until it is met no more."""
    encoder, decoder = Encoder(), Decoder()
    made = snapshot()
    first = decoder.decode(encoder.encode(made)).snapshot.table
    decoder.forget_unused()
    assert decoder.decode(encoder.encode(made)).snapshot.table is first
    decoder.forget_unused()
    decoder.forget_unused()
    assert decoder.decode(encoder.encode(made)).snapshot.table is not first


@given(st.data())
def test_what_is_no_snapshot_is_refused(data: st.DataObject) -> None:
    """Bytes that were cut off, lengthened or changed are a ValueError at most, and never anything else."""
    encoded = bytearray(Encoder().encode(snapshot()))
    change = data.draw(st.sampled_from(["cut", "longer", "flip", "other"]))
    if change == "cut":
        encoded = encoded[: data.draw(st.integers(0, len(encoded) - 1))]
    elif change == "longer":
        encoded += data.draw(st.binary(min_size=1))
    elif change == "flip":
        for _ in range(data.draw(st.integers(1, 8))):
            encoded[data.draw(st.integers(0, len(encoded) - 1))] ^= data.draw(st.integers(1, 255))
    else:
        encoded = bytearray(data.draw(st.binary(max_size=200)))
    try:
        read = Decoder().decode(bytes(encoded)).snapshot
    except ValueError:
        return
    assert change == "flip"
    whole(read)


Change = Callable[[list[Any]], object]


def changed(change: Change) -> bytes:
    """Return the bytes of a snapshot whose table was changed, all lengths being right."""
    head = struct.Struct("=16sIIII")
    encoded = Encoder().encode(snapshot())
    magic, length, *others = head.unpack_from(encoded)
    table = json.loads(encoded[head.size : head.size + length])
    change(table)
    written = json.dumps(table).encode()
    return head.pack(magic, len(written), *others) + written + encoded[head.size + length :]


@pytest.mark.parametrize(
    "change",
    [
        lambda table: table.__setitem__(0, table[0] + 1),
        lambda table: table.__setitem__(0, "many"),
        lambda table: table.__setitem__(1, 5),
        lambda table: table[1][0].__setitem__(1, "summary"),
        lambda table: table[1][0].__setitem__(4, "product"),
        lambda table: table[1][0].__setitem__(6, ["one"]),
        lambda table: table[1][0].__setitem__(6, [1, 2]),
        lambda table: table[1][0].__setitem__(7, [90, 92, 1]),
        lambda table: table[1][0].__setitem__(7, [-2, 0, 1]),
        lambda table: table[1][0].pop(),
        lambda table: table[1].pop(1),
        lambda table: table[1][3].__setitem__(5, ["a"]),
        lambda table: table[1][3].__setitem__(5, [0.1, 1.0, 2.0]),
    ],
)
def test_a_table_that_does_not_hold_together_is_refused(change: Change) -> None:
    """A table is taken only if all it names is there and of a known kind."""
    with pytest.raises(ValueError, match="not a snapshot: "):
        Decoder().decode(changed(change))


def test_counts_that_are_no_numbers_are_refused() -> None:
    """A page writes counts as whole numbers; a gauge may be infinite."""
    made = snapshot(level=math.inf)
    Decoder().decode(Encoder().encode(made))
    made.values = [*made.values[:-2], math.nan, 1.0]
    with pytest.raises(ValueError, match="a count that is no number"):
        Decoder().decode(Encoder().encode(made))


def test_an_exemplar_of_nothing_is_refused() -> None:
    """An exemplar stands at a number."""
    made = snapshot()
    made.exemplars = {made.table.size: next(iter(made.exemplars.values()))}
    with pytest.raises(ValueError, match="an exemplar of nothing"):
        Decoder().decode(Encoder().encode(made))
