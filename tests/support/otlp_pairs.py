"""The same telemetry twice: as the own pipeline holds it, and as the official encoder reads it. For hypothesis."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, TypeAlias, get_args

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy
from opentelemetry._logs import SeverityNumber
from opentelemetry.sdk.metrics import Exemplar as OfficialExemplar
from opentelemetry.sdk.metrics import export as official
from opentelemetry.sdk.metrics._internal.point import Buckets
from opentelemetry.sdk.resources import Resource as OfficialResource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceState

from capibara_otel.pipeline.logs.record import Record
from capibara_otel.pipeline.metrics.data import (
    Collection,
    Exemplar,
    ExponentialPoint,
    HistogramPoint,
    Metric,
    MetricKind,
    NumberPoint,
    Point,
    ScopeMetrics,
    Series,
    Temporality,
)
from capibara_otel.pipeline.scope import Resource, Scope
from capibara_otel.pipeline.traces.data import Event, Linked
from tests.support.otlp_send import SCOPE

Attributes: TypeAlias = dict[str, Any]


@dataclass
class Span:
    """What the encoder reads of a span."""

    trace_id: int
    span_id: int
    parent_id: int
    parent_is_remote: bool
    trace_state: str
    name: str
    kind: SpanKind
    start_ns: int
    end_ns: int
    values: Attributes
    dropped_attributes: int
    happened: Sequence[Event]
    dropped_events: int
    linked: Sequence[Linked]
    dropped_links: int
    status_code: int
    status_description: str
    scope: Scope
    flags: int = 1


def a_span(**changed: Any) -> Span:
    """Return a span with little in it but what is named."""
    little: dict[str, Any] = {
        "trace_id": 1,
        "span_id": 2,
        "parent_id": 0,
        "parent_is_remote": False,
        "trace_state": "",
        "name": "work",
        "kind": SpanKind.INTERNAL,
        "start_ns": 3,
        "end_ns": 4,
        "values": {},
        "dropped_attributes": 0,
        "happened": [],
        "dropped_events": 0,
        "linked": [],
        "dropped_links": 0,
        "status_code": 0,
        "status_description": "",
        "scope": SCOPE,
    }
    return Span(**{**little, **changed})


texts: SearchStrategy[str] = st.one_of(
    st.sampled_from(["", "docs", "a somewhat longer text, as messages are" * 9]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=4),
)
keys = st.one_of(st.sampled_from(["user.id", "top_k", "http.route"]), texts)
whole = st.one_of(st.integers(0, 20), st.integers(-(2**63), 2**63 - 1))
floats = st.one_of(st.floats(), st.sampled_from([0.0, -0.0, 0.25]))
scalars = st.one_of(st.none(), st.booleans(), texts, whole, floats, st.binary(max_size=3))
lists = st.lists(scalars, max_size=3)
nested = st.one_of(
    lists,
    lists.map(tuple),
    st.dictionaries(texts, scalars, max_size=2),
    st.tuples(lists, st.dictionaries(texts, lists, max_size=2)),
)
values = st.one_of(scalars, scalars, nested)
attributes: SearchStrategy[Attributes] = st.dictionaries(keys, values, max_size=3)
times = st.integers(0, 2**64 - 1)
counts = st.one_of(st.integers(0, 9), st.integers(0, 2**32 - 1))
trace_ids = st.integers(1, 2**128 - 1)
span_ids = st.integers(1, 2**64 - 1)
states = st.dictionaries(st.from_regex(r"[a-z][a-z0-9]{0,5}", fullmatch=True), st.just("v1"), max_size=3)


@st.composite
def resources(draw: DrawFn) -> tuple[Resource, OfficialResource]:
    """A resource."""
    held, url = draw(st.dictionaries(keys.filter(bool), texts, max_size=3)), draw(texts)
    return Resource(held, url), OfficialResource(held, url)


@st.composite
def scopes(draw: DrawFn) -> tuple[Scope, InstrumentationScope]:
    """A scope, which is told from others by its name."""
    name, version, url = draw(texts), draw(texts), draw(texts)
    held = draw(st.dictionaries(keys.filter(bool), st.one_of(texts, whole), max_size=2))
    return Scope(name, version, url, held), InstrumentationScope(name, version, url, held)


def scope_lists() -> SearchStrategy[list[tuple[Scope, InstrumentationScope]]]:
    """Scopes that all differ, for the official encoder takes equal ones for one."""
    return st.lists(scopes(), min_size=1, max_size=3, unique_by=lambda pair: pair[0].name)


@st.composite
def span_pairs(draw: DrawFn, pair: tuple[Scope, InstrumentationScope]) -> tuple[Span, Any]:
    """A span of a scope."""
    state, status = draw(states), draw(st.sampled_from(list(StatusCode)))
    parent = draw(st.one_of(st.none(), st.builds(SpanContext, trace_ids, span_ids, st.booleans())))
    events = draw(st.lists(st.builds(Event, texts, times, attributes, counts), max_size=2))
    contexts = st.builds(SpanContext, trace_ids, span_ids, st.booleans())
    links = draw(st.lists(st.builds(Linked, contexts, attributes, counts), max_size=2))
    span = Span(
        trace_id=draw(trace_ids),
        span_id=draw(span_ids),
        parent_id=parent.span_id if parent else 0,
        parent_is_remote=bool(parent and parent.is_remote),
        trace_state=",".join(f"{key}={value}" for key, value in state.items()),
        name=draw(texts),
        kind=draw(st.sampled_from(list(SpanKind))),
        start_ns=draw(times),
        end_ns=draw(times),
        values=draw(attributes),
        dropped_attributes=draw(counts),
        happened=events,
        dropped_events=draw(counts),
        linked=links,
        dropped_links=draw(counts),
        status_code=status.value,
        status_description=draw(texts) if status is StatusCode.ERROR else "",
        scope=pair[0],
    )
    context = SpanContext(span.trace_id, span.span_id, is_remote=False, trace_state=TraceState(list(state.items())))
    return span, SimpleNamespace(
        get_span_context=lambda: context,
        parent=parent,
        name=span.name,
        kind=span.kind,
        start_time=span.start_ns,
        end_time=span.end_ns,
        attributes=span.values,
        dropped_attributes=span.dropped_attributes,
        events=[
            SimpleNamespace(
                name=each.name,
                timestamp=each.time_ns,
                attributes=each.attributes,
                dropped_attributes=each.dropped_attributes,
            )
            for each in events
        ],
        dropped_events=span.dropped_events,
        links=links,
        dropped_links=span.dropped_links,
        status=Status(status, span.status_description or None),
        instrumentation_scope=pair[1],
    )


@st.composite
def record_pairs(draw: DrawFn, pair: tuple[Scope, InstrumentationScope]) -> tuple[Record, Any]:
    """A log record of a scope."""
    severity = draw(st.one_of(st.none(), st.sampled_from(list(SeverityNumber))))
    record = Record(
        time_ns=draw(times),
        observed_ns=draw(times),
        severity_number=severity.value if severity else 0,
        severity_text=draw(texts),
        body=draw(values),
        attributes=draw(attributes),
        dropped_attributes=draw(counts),
        trace_id=draw(st.one_of(st.just(0), trace_ids)),
        span_id=draw(st.one_of(st.just(0), span_ids)),
        flags=draw(st.integers(0, 255)),
        event_name=draw(texts),
        scope=pair[0],
    )
    return record, SimpleNamespace(
        log_record=SimpleNamespace(
            timestamp=record.time_ns,
            observed_timestamp=record.observed_ns,
            severity_number=severity,
            severity_text=record.severity_text,
            body=record.body,
            attributes=record.attributes,
            trace_id=record.trace_id,
            span_id=record.span_id,
            trace_flags=record.flags,
            event_name=record.event_name or None,
        ),
        dropped_attributes=record.dropped_attributes,
        instrumentation_scope=pair[1],
    )


@st.composite
def exemplar_pairs(draw: DrawFn) -> tuple[Exemplar, OfficialExemplar]:
    """An exemplar, in a trace or not."""
    in_trace = draw(st.booleans())
    exemplar = Exemplar(
        draw(st.one_of(whole, floats)),
        draw(times),
        draw(trace_ids) if in_trace else 0,
        draw(span_ids) if in_trace else 0,
        draw(attributes),
    )
    return exemplar, OfficialExemplar(
        exemplar.attributes,
        exemplar.value,
        exemplar.time_ns,
        exemplar.span_id if in_trace else None,
        exemplar.trace_id if in_trace else None,
    )


@st.composite
def metric_pairs(draw: DrawFn) -> tuple[Metric, official.Metric]:
    """A metric of any kind with one to three points."""
    kind = draw(st.sampled_from(get_args(MetricKind)))
    is_delta, monotonic = kind != "gauge" and draw(st.booleans()), kind == "sum" and draw(st.booleans())
    temporality: Temporality = "delta" if is_delta else "cumulative"
    name, brief, unit = draw(texts), draw(texts), draw(texts)
    kinds: dict[MetricKind, SearchStrategy[tuple[Any, Any]]] = {
        "sum": _numbers(is_gauge=False),
        "gauge": _numbers(is_gauge=True),
        "histogram": _histograms(),
        "exponential_histogram": _exponentials(),
    }
    pairs: list[tuple[Point, Any]] = draw(st.lists(kinds[kind], min_size=1, max_size=3))
    points: Any = [theirs for _, theirs in pairs]
    theirs = getattr(official.AggregationTemporality, temporality.upper())
    data: dict[MetricKind, Callable[[], Any]] = {
        "sum": lambda: official.Sum(points, theirs, monotonic),
        "gauge": lambda: official.Gauge(points),
        "histogram": lambda: official.Histogram(points, theirs),
        "exponential_histogram": lambda: official.ExponentialHistogram(points, theirs),
    }
    ours = Metric(name, brief, unit, kind, temporality, monotonic, [mine for mine, _ in pairs])
    return ours, official.Metric(name, brief, unit, data[kind]())


@st.composite
def collection_pairs(draw: DrawFn) -> tuple[Collection, official.MetricsData]:
    """A collection."""
    resource, theirs = draw(resources())
    mine, official_scopes = [], []
    for ours, scope in draw(scope_lists()):
        pairs = draw(st.lists(metric_pairs(), min_size=1, max_size=3))
        mine.append(ScopeMetrics(ours, [metric for metric, _ in pairs]))
        official_scopes.append(official.ScopeMetrics(scope, [metric for _, metric in pairs], scope.schema_url or ""))
    data = official.MetricsData([official.ResourceMetrics(theirs, official_scopes, theirs.schema_url)])
    return Collection(resource, mine), data


@st.composite
def _numbers(draw: DrawFn, *, is_gauge: bool) -> tuple[NumberPoint, official.NumberDataPoint]:
    exemplars = draw(st.lists(exemplar_pairs(), max_size=2))
    start = 0 if is_gauge else draw(times)
    point = NumberPoint(
        Series(draw(attributes)), start, draw(times), draw(st.one_of(whole, floats)), [ours for ours, _ in exemplars]
    )
    return point, official.NumberDataPoint(
        point.series.attributes, start, point.time_ns, point.value, [theirs for _, theirs in exemplars]
    )


@st.composite
def _histograms(draw: DrawFn) -> tuple[HistogramPoint, official.HistogramDataPoint]:
    exemplars = draw(st.lists(exemplar_pairs(), max_size=2))
    bounds = sorted(draw(st.sets(st.floats(allow_nan=False), max_size=4)))
    least, most = draw(st.one_of(st.just((None, None)), st.tuples(floats, floats)))
    point = HistogramPoint(
        Series(draw(attributes)),
        draw(times),
        draw(times),
        draw(times),
        draw(st.one_of(st.integers(0, 9), floats)),
        least,
        most,
        bounds,
        draw(st.lists(counts, min_size=len(bounds) + 1, max_size=len(bounds) + 1)),
        [ours for ours, _ in exemplars],
    )
    official_point: Any = official.HistogramDataPoint
    return point, official_point(
        point.series.attributes,
        point.start_ns,
        point.time_ns,
        point.count,
        point.sum,
        point.counts,
        bounds,
        least,
        most,
        [theirs for _, theirs in exemplars],
    )


@st.composite
def _exponentials(draw: DrawFn) -> tuple[ExponentialPoint, official.ExponentialHistogramDataPoint]:
    exemplars = draw(st.lists(exemplar_pairs(), max_size=2))
    offsets, buckets = st.integers(-(2**31), 2**31 - 1), st.lists(counts, max_size=5)
    least, most = draw(st.one_of(st.just((None, None)), st.tuples(floats, floats)))
    point = ExponentialPoint(
        Series(draw(attributes)),
        draw(times),
        draw(times),
        draw(times),
        draw(floats),
        least,
        most,
        draw(st.integers(-10, 20)),
        draw(counts),
        draw(offsets),
        draw(buckets),
        draw(offsets),
        draw(buckets),
        [ours for ours, _ in exemplars],
    )
    official_point: Any = official.ExponentialHistogramDataPoint
    return point, official_point(
        point.series.attributes,
        point.start_ns,
        point.time_ns,
        point.count,
        point.sum,
        point.scale,
        point.zero_count,
        Buckets(point.positive_offset, point.positive_counts),
        Buckets(point.negative_offset, point.negative_counts),
        0,
        least,
        most,
        [theirs for _, theirs in exemplars],
    )
