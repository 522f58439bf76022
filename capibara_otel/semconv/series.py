"""The series that measurements go to, kept at hand by their labels, so that each is looked up once.

An instrument that can hand out one of its series (`bind`) is asked for it; for any other the labels are kept, ready to
be handed in. Up to 4,096 sets of labels are remembered per metric, and per kind of span; beyond that the instrument is
asked each time. How many series there may be at all is the provider's decision.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from opentelemetry.context import Context
from opentelemetry.util.types import AttributeValue

from capibara_otel.semconv.attributes import ATTRIBUTES
from capibara_otel.semconv.specs import MetricSpec, SpanSpec

Labels: TypeAlias = Mapping[str, AttributeValue]
Cell: TypeAlias = Callable[[float, Context | None], None]
"""Records a value into one series, in a context."""
Row: TypeAlias = dict[str, Cell]
"""Cells by the metric's name, for one set of attributes."""
Write: TypeAlias = Callable[[float, Labels, Context | None], None]
"""Records a value with those of the attributes that its metric may carry, in a context."""

_MOST: Final = 4096
_VERBS: Final = {"counter": "add", "updowncounter": "add", "gauge": "set", "histogram": "record"}
_TYPES: Final[Mapping[str, type]] = {"string": str, "int": int, "double": float, "boolean": bool}


class Metric:
    """One metric and its instrument.

    Args:
        spec: says which attributes become labels.
        instrument: the OpenTelemetry instrument.
    """

    __slots__ = ("_bind", "_names", "_verb", "record")

    def __init__(self, spec: MetricSpec, instrument: Any) -> None:
        self._names: Final = spec.attributes
        self._verb: Final = _VERBS[spec.instrument]
        self._bind: Final[Callable[[Labels], Any] | None] = getattr(instrument, "bind", None)
        self.record: Final[Callable[..., None]] = getattr(instrument, self._verb)
        """Takes a value, labels and a context."""

    def cell(self, attributes: Labels) -> Cell:
        """Return what records into the series that the attributes name."""
        labels = {name: attributes[name] for name in self._names if name in attributes}
        if self._bind is not None:
            bound: Cell = getattr(self._bind(labels), self._verb)
            return bound
        record = self.record
        return lambda value, context: record(value, labels, context)

    def writing(self) -> Write:
        """Return what records a value with any attributes, cutting them to what the metric may carry."""
        names, make = self._names, self.cell
        key_of, cells = _key_of(names), dict[Any, Cell]()

        def write(value: float, attributes: Labels, context: Context | None) -> None:
            try:
                cell = cells.get(key_of(attributes))
            except TypeError:  # a label that is no key, such as a list
                cell = None
            if cell is None:
                cell = make(attributes)
                if len(cells) < _MOST and _are_keys(names, attributes):
                    cells[key_of(attributes)] = cell
            cell(value, context)

        return write


class Rows:
    """The series of everything that operations of one kind measure with their own attributes.

    All of them follow from the labels of the kind's duration and count, so one look-up finds them all.

    Args:
        spec: the kind.
    """

    __slots__ = ("_key_of", "_names", "_rows")

    def __init__(self, spec: SpanSpec) -> None:
        metrics = [metric for metric in (spec.duration, spec.count) if metric is not None]
        self._names: Final = tuple(dict.fromkeys(name for metric in metrics for name in metric.attributes))
        self._key_of: Final = _key_of(self._names)
        self._rows: Final[dict[Any, Row]] = {}

    def of(self, attributes: Labels) -> Row:
        """Return the row for the attributes, to be filled by `fill` as metrics are met first."""
        try:
            row = self._rows.get(self._key_of(attributes))
        except TypeError:  # as above
            return {}
        if row is None:
            row = {}
            if len(self._rows) < _MOST and _are_keys(self._names, attributes):
                row = self._rows.setdefault(self._key_of(attributes), row)
        return row

    def fill(self, row: Row, spec: MetricSpec, metric: Metric, attributes: Labels) -> Cell | None:
        """Add a metric's cell to a row, and return it; None where the row does not say enough about its labels."""
        if not set(spec.attributes) <= set(self._names):
            return None
        return row.setdefault(spec.name, metric.cell(attributes))


def _are_keys(names: tuple[str, ...], attributes: Labels) -> bool:
    """Tell whether all labels are of the types that their attributes have, so that they are keys of no other series.

    `True`, `1` and `1.0` are one key, and three series.
    """
    for name in names:
        if name in attributes:
            spec = ATTRIBUTES.get(name)
            if type(attributes[name]) is not (str if spec is None else _TYPES.get(spec.type)):
                return False
    return True


def _key_of(names: tuple[str, ...]) -> Callable[[Labels], Any]:
    """Return what makes the key of a series from attributes, without a loop for the usual numbers of labels."""
    match names:
        case ():
            return lambda _: None
        case (one,):
            return lambda known: known.get(one)
        case (one, two):
            return lambda known: (known.get(one), known.get(two))
        case (one, two, three):
            return lambda known: (known.get(one), known.get(two), known.get(three))
        case (one, two, three, four):
            return lambda known: (known.get(one), known.get(two), known.get(three), known.get(four))
        case _:
            return lambda known: tuple(map(known.get, names))
