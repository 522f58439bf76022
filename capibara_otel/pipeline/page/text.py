"""Writes a snapshot in Prometheus' text format 0.0.4 or in OpenMetrics 1.0.0."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Final

from capibara_otel.pipeline.page import spelling
from capibara_otel.pipeline.page.table import Family, Snapshot, WrittenExemplar

_NUMBERS_A_PIECE: Final = 1000
"""How many numbers are written at a stretch: about half a millisecond's work."""
_START: Final = "\0"
"""Stands for the start of a line; no name and no label has this character."""
_NO_EXEMPLARS: Final[Mapping[int, WrittenExemplar]] = {}


def write(snapshot: Snapshot, *, openmetrics: bool) -> Iterator[str]:
    """Yield the page in pieces, each made in well under a millisecond.

    Args:
        snapshot: what it says.
        openmetrics: whether in OpenMetrics, with exemplars.
    """
    exemplars = snapshot.exemplars if openmetrics else _NO_EXEMPLARS
    for family in snapshot.table.families:
        yield _head(family.name, family.kind, family.help, family.unit, openmetrics=openmetrics)
        write_rows = _histograms if family.kind == "histogram" else _numbers
        rows_a_piece = max(1, _NUMBERS_A_PIECE // family.width)
        for first in range(0, len(family.labels), rows_a_piece):
            last = first + rows_a_piece
            yield write_rows(family, family.labels[first:last], family.slots[first:last], snapshot.values, exemplars)
    if snapshot.target:
        if openmetrics:
            yield _head("target", "info", "Target metadata", "", openmetrics=True)
        else:
            yield _head("target_info", "gauge", "Target metadata", "", openmetrics=False)
        yield f"target_info{spelling.write_labels(snapshot.target)} 1.0\n"
    if openmetrics:
        yield "# EOF\n"


def _head(name: str, kind: str, text: str, unit: str, *, openmetrics: bool) -> str:
    if kind == "counter" and not openmetrics:
        name = f"{name}_total"
    lines = [f"# HELP {name} {spelling.help_text(text, openmetrics=openmetrics)}\n"] if text else []
    lines.append(f"# TYPE {name} {kind}\n")
    if unit and openmetrics:
        lines.append(f"# UNIT {name} {unit}\n")
    return "".join(lines)


def _numbers(
    family: Family,
    labels: Sequence[str],
    slots: Sequence[int],
    values: Sequence[float],
    exemplars: Mapping[int, WrittenExemplar],
) -> str:
    name = f"{family.name}_total" if family.kind == "counter" else family.name
    written = spelling.numbers([values[slot] for slot in slots])
    if not exemplars or family.kind != "counter":
        return "".join([f"{name}{each} {value}\n" for each, value in zip(labels, written, strict=True)])
    return "".join(
        [
            f"{name}{each} {value}{exemplars[slot].text if slot in exemplars else ''}\n"
            for each, value, slot in zip(labels, written, slots, strict=True)
        ]
    )


def _histograms(
    family: Family,
    labels: Sequence[str],
    slots: Sequence[int],
    values: Sequence[float],
    exemplars: Mapping[int, WrittenExemplar],
) -> str:
    name = family.name
    bounds = [f'le="{spelling.bound(each)}"}} ' for each in family.bounds] + ['le="+Inf"} ']
    buckets = f".0\n{_START}".join([f"{each}%d" for each in bounds])
    # OpenMetrics forbids sum and count beside negative buckets, and prometheus_client leaves them out everywhere.
    has_end = not family.bounds or family.bounds[0] >= 0
    lines: list[str] = []
    for each, slot in zip(labels, slots, strict=True):
        start = f"{name}_bucket{{{each[1:-1]}," if each else f"{name}_bucket{{"
        end = slot + len(bounds)
        counts = (*accumulate(values[slot:end]),)
        if exemplars and not exemplars.keys().isdisjoint(range(slot, end)):
            more = [exemplars[at].text if at in exemplars else "" for at in range(slot, end)]
            lines += [f"{start}{le}{n:.0f}.0{after}\n" for le, n, after in zip(bounds, counts, more, strict=True)]
        else:  # formatting all at once takes two thirds of the time
            lines += (start, (buckets % counts).replace(_START, start), ".0\n")
        if has_end:
            lines.append(f"{name}_count{each} {counts[-1]:.0f}.0\n{name}_sum{each} {spelling.number(values[end])}\n")
    return "".join(lines)
