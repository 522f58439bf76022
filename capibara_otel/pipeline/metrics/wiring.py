"""Decides which streams an instrument writes and how each reader reads it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from capibara_otel.pipeline.metrics.collector import Entry
from capibara_otel.pipeline.metrics.data import MetricKind
from capibara_otel.pipeline.metrics.exemplars import Sampling
from capibara_otel.pipeline.metrics.exponential import ExponentialStream
from capibara_otel.pipeline.metrics.histograms import HistogramStream
from capibara_otel.pipeline.metrics.instruments import Recorder
from capibara_otel.pipeline.metrics.observed import Observable, ObservedTap
from capibara_otel.pipeline.metrics.reader import Reader
from capibara_otel.pipeline.metrics.stream import About, Stream
from capibara_otel.pipeline.metrics.sums import GaugeStream, SumStream
from capibara_otel.pipeline.metrics.views import (
    Aggregation,
    Drop,
    ExplicitBuckets,
    ExponentialBuckets,
    LastValue,
    Sum,
    View,
    chosen,
)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """One metric that one reader wants of an instrument. Readers that want the same share a stream."""

    view: View | None
    position: int
    aggregation: Aggregation
    limit: int


class Wiring:
    """Connects instruments with readers.

    Args:
        sampling: makes exemplars.
        views: in the order of their metrics.
        limit: most series of a metric, where neither view nor reader says otherwise.
    """

    def __init__(self, sampling: Sampling, views: Sequence[View], limit: int) -> None:
        self._sampling: Final = sampling
        self._views: Final = tuple(views)
        self._limit: Final = limit
        self.warnings: Final[list[str]] = []
        """To be logged by whoever calls, without a lock."""
        self._streams: dict[Recorder, dict[_Wanted, Stream[Any]]] = {}
        self._named: dict[Reader, dict[tuple[object, ...], Recorder | Observable]] = {}

    def connect(self, instrument: Recorder | Observable, reader: Reader) -> Entry:
        """Have a reader read an instrument from now on.

        Args:
            instrument: writes into the streams of all its readers after this.
            reader: of the provider.
        """
        wanted = list(self._wanted(instrument, reader))
        for each in wanted:
            self._warn_of_twins(instrument, reader, each)
        if isinstance(instrument, Observable):
            return Entry(instrument, tuple(self._observed(instrument, reader, each) for each in wanted))
        streams = self._streams.setdefault(instrument, {})
        for each in wanted:
            if each not in streams:
                made = self._stream(instrument, each)
                # Aggregated in two ways, a measurement beyond the limit is still one.
                made.tells_overflow = all(other.view is not each.view for other in streams)
                streams[each] = made
        before, instrument.streams = instrument.streams, tuple(streams.values())
        if len(before) != len(instrument.streams):
            # Handles that know the streams of before look again.
            for stream in before:
                stream.disown()
        is_delta = reader.temporality.get(instrument.kind) == "delta"
        keeps = reader.exemplars == "latest"
        return Entry(instrument, tuple(streams[each].tap(is_delta=is_delta, keeps_exemplars=keeps) for each in wanted))

    def disconnect(self, instruments: Sequence[Recorder | Observable]) -> None:
        """Have nobody read anything, and forget what was recorded."""
        for streams in self._streams.values():
            for stream in streams.values():
                stream.disown()
        for instrument in instruments:
            if isinstance(instrument, Recorder):
                instrument.streams = ()
        self._streams = {}
        self._named = {}

    def _wanted(self, instrument: Recorder | Observable, reader: Reader) -> Iterator[_Wanted]:
        kind = instrument.kind
        is_observed = isinstance(instrument, Observable)
        preferred = reader.aggregation.get(kind)
        limit = reader.limits.get(kind, self._limit)
        views: list[tuple[int, View | None]] = []
        for position, view in enumerate(self._views):
            if not view.fits(kind, instrument.name, instrument.unit, instrument.scope):
                continue
            if is_observed and isinstance(view.aggregation, ExplicitBuckets | ExponentialBuckets):
                self.warnings.append(f"{instrument.name} is observed and no histogram: {view} is not applied to it")
                continue
            views.append((position, view))
        for position, each in views or [(-1, None)]:
            aggregation = chosen(kind, each, preferred, instrument.advised)
            if isinstance(aggregation, Drop):
                continue
            if is_observed and not isinstance(aggregation, Sum | LastValue):
                continue
            yield _Wanted(each, position, aggregation, (each.cardinality_limit if each else None) or limit)

    def _observed(self, instrument: Observable, reader: Reader, wanted: _Wanted) -> ObservedTap:
        return ObservedTap(
            _about(instrument, wanted),
            self._sampling,
            wanted.view.attribute_keys if wanted.view else None,
            wanted.limit,
            is_delta=reader.temporality.get(instrument.kind) == "delta",
            keeps_exemplars=reader.exemplars == "latest",
        )

    def _stream(self, instrument: Recorder, wanted: _Wanted) -> Stream[Any]:
        about = _about(instrument, wanted)
        keys = wanted.view.attribute_keys if wanted.view else None
        match wanted.aggregation:
            case ExplicitBuckets() as buckets:
                return HistogramStream(about, self._sampling, keys, wanted.limit, buckets)
            case ExponentialBuckets() as buckets:
                return ExponentialStream(about, self._sampling, keys, wanted.limit, buckets)
            case LastValue():
                return GaugeStream(about, self._sampling, keys, wanted.limit)
            case _:
                return SumStream(about, self._sampling, keys, wanted.limit)

    def _warn_of_twins(self, instrument: Recorder | Observable, reader: Reader, wanted: _Wanted) -> None:
        about = _about(instrument, wanted)
        named = self._named.setdefault(reader, {})
        twin = named.setdefault((about.name, about.unit, about.kind, about.monotonic), instrument)
        if wanted.view is not None and twin is not instrument:
            self.warnings.append(f"{wanted.view} makes of {instrument.name} a second metric of one name and kind")


def _about(instrument: Recorder | Observable, wanted: _Wanted) -> About:
    view = wanted.view
    kind: MetricKind = "sum"
    if isinstance(wanted.aggregation, LastValue):
        kind = "gauge"
    elif isinstance(wanted.aggregation, ExplicitBuckets):
        kind = "histogram"
    elif isinstance(wanted.aggregation, ExponentialBuckets):
        kind = "exponential_histogram"
    return About(
        name=(view.name if view else None) or instrument.name,
        description=(view.description if view else None) or instrument.description,
        unit=instrument.unit,
        kind=kind,
        monotonic=kind == "sum" and instrument.kind in {"counter", "observable_counter"},
    )
