"""The same random workload through the official SDK and through the own provider gives the same data.

Where they differ on purpose:

- a delta of a sum that has not changed is left out (the SDK tells one of 0 if somebody added 0);
- under delta, the limit counts the sets of attributes since the start, not since the last collection;
- under delta, an exponential histogram has the scale of all values since the start, not of the interval, and never a
  coarser one than needed because an interval had only zeros;
- without `record_min_max` there are no extremes (the SDK's objects have infinities; so have ours made into the SDK's);
- under delta, a sum of floats stays a float in intervals that have only ints;
- an int that does not fit into 64 bits is told as a float (the SDK cannot export anything then);
- sets that differ only in subclasses of plain types, such as members of a string enumeration, are one series;
- exemplars are the first of the interval, not the last or a random one.
"""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics

from capibara_otel.pipeline.metrics.data import InstrumentKind
from capibara_otel.pipeline.metrics.views import (
    Aggregation,
    Drop,
    ExplicitBuckets,
    ExponentialBuckets,
    LastValue,
    Sum,
    View,
)
from tests.unit.pipeline.metrics.both import (
    CLASSES,
    Collect,
    Made,
    Measure,
    Reading,
    Workload,
    coarsened,
    comparable,
    run_both,
)

KINDS = tuple(CLASSES)
LIMITS = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])

# Numbers whose sums are exact in any order, so that there is nothing to round.
whole = st.integers(-(2**20), 2**20)
dyadic = st.builds(lambda eighths: eighths / 8, whole)
odd = st.sampled_from([float("nan"), float("inf"), float("-inf"), True, False, 2**70])
numbers = st.one_of(whole, dyadic, st.integers(0, 20), odd)

names = st.sampled_from(["a", "b", "c", "größe", "http.route", "🦫"])
texts = st.sampled_from(["", "x", "y", "1", "True", "ключ", "\N{FAMILY}"])
scalars = st.one_of(texts, st.sampled_from([0, 1, True, False, 1.0, 0.0, -1, None, b"x", b"1"]))
nested = st.one_of(
    st.lists(scalars, max_size=2),
    st.tuples(scalars),
    st.dictionaries(texts.filter(bool), scalars, max_size=2),
    st.lists(st.lists(st.sampled_from([1, True, "1"]), max_size=1), max_size=1),
)
attributes = st.one_of(
    st.none(),
    st.dictionaries(names, texts, max_size=3),
    st.dictionaries(names, scalars, max_size=3),
    st.dictionaries(names, st.one_of(scalars, nested), max_size=2),
)

bounds = st.lists(whole, max_size=5, unique=True).map(sorted)
aggregations: st.SearchStrategy[Aggregation] = st.one_of(
    st.just(Drop()),
    st.just(Sum()),
    st.just(LastValue()),
    st.builds(ExplicitBuckets, st.none() | bounds, st.booleans()),
)


@st.composite
def made_instruments(draw: st.DrawFn, kinds: tuple[InstrumentKind, ...] = KINDS) -> list[Made]:
    """Some instruments; names may differ in case only, or be the same of different kinds."""
    return draw(
        st.lists(
            st.builds(
                Made,
                st.sampled_from(["one", "One", "two", "three.four"]),
                st.sampled_from(kinds),
                st.sampled_from(["", "s", "By"]),
                st.sampled_from(["", "what it is"]),
                st.sampled_from(["m", "n"]),
                st.none() | bounds,
            ),
            min_size=1,
            max_size=4,
            unique_by=lambda each: (each.name.lower(), each.kind, each.unit, each.description, each.meter),
        )
    )


views = st.lists(
    st.builds(
        lambda name, kind, unit, meter, new, description, keys, aggregation: View(
            instrument_name=name,
            instrument_type=kind,
            instrument_unit=unit,
            meter_name=meter,
            name=None if set("*?") & set(name) else new,
            description=description,
            attribute_keys=keys,
            aggregation=aggregation,
        ),
        st.sampled_from(["one", "ONE", "t*", "*", "three?four"]),
        st.none() | st.sampled_from(KINDS),
        st.none() | st.sampled_from(["s", "*"]),
        st.none() | st.sampled_from(["m"]),
        st.none() | st.sampled_from(["renamed"]),
        st.none() | st.sampled_from(["described anew"]),
        st.none() | st.sets(names, max_size=3),
        st.none() | aggregations,
    ),
    max_size=3,
)
deltas: st.SearchStrategy[frozenset[InstrumentKind]] = st.one_of(
    st.just(frozenset()),
    st.just(frozenset({"counter", "histogram", "observable_counter"})),
    st.just(frozenset(KINDS)),
)
readings = st.lists(
    st.builds(Reading, deltas, st.lists(st.tuples(st.sampled_from(KINDS), aggregations), max_size=2).map(tuple)),
    min_size=1,
    max_size=2,
)


@st.composite
def workloads(draw: st.DrawFn, /, **fixed: Any) -> Workload:
    """A workload; what is given is not drawn."""
    instruments = fixed.get("instruments") or draw(made_instruments())
    readers = fixed["readers"] if "readers" in fixed else draw(readings)
    each = st.one_of(
        st.builds(
            Measure,
            st.integers(0, len(instruments) - 1),
            fixed.get("numbers", numbers),
            fixed.get("attributes", attributes),
        ),
        st.builds(Collect, st.integers(0, len(readers) - 1)),
    )
    steps = draw(st.lists(each, max_size=25))
    return Workload(
        instruments,
        readers,
        [*steps, *(Collect(index) for index in range(len(readers)))],
        fixed["views"] if "views" in fixed else draw(views),
        fixed.get("limit", 2000),
    )


def compared(workload: Workload) -> list[tuple[Any, Any]]:
    """Return what both have found, comparable; what is ours must be writable as OTLP."""
    pairs = run_both(workload)
    for _, ours in pairs:
        if ours is not None:
            encode_metrics(ours)
    return [(comparable(theirs), comparable(ours)) for theirs, ours in pairs]


@LIMITS
@given(workloads(numbers=whole | odd))
def test_whole_numbers(workload: Workload) -> None:
    """Any instruments, views and readers, with ints: the same data at each collection."""
    for theirs, ours in compared(workload):
        assert ours == theirs


@LIMITS
@given(workloads(numbers=dyadic))
def test_fractions(workload: Workload) -> None:
    """The same with floats."""
    for theirs, ours in compared(workload):
        assert ours == theirs


@LIMITS
@given(workloads(readers=[Reading(), Reading(preferred=(("histogram", ExplicitBuckets((1, 10))),))]))
def test_mixed_numbers(workload: Workload) -> None:
    """Cumulative values stay ints until a float is added, and are floats then."""
    for theirs, ours in compared(workload):
        assert ours == theirs


@LIMITS
@given(
    st.integers(1, 4).flatmap(
        lambda limit: workloads(readers=[Reading(), Reading()], limit=limit, views=[], numbers=whole)
    )
)
def test_limits(workload: Workload) -> None:
    """The first sets of attributes up to the limit are kept, all others are one series."""
    for theirs, ours in compared(workload):
        assert ours == theirs


@LIMITS
@given(
    workloads(
        readers=[Reading()],
        numbers=whole,
        views=[View(instrument_name="*", cardinality_limit=2, attribute_keys={"a", "b"})],
    )
)
def test_limits_of_views(workload: Workload) -> None:
    """A view's limit counts what is left of the attributes."""
    for theirs, ours in compared(workload):
        assert ours == theirs


sizes = st.sampled_from([2, 3, 4, 20, 160])
positive = st.floats(min_value=0, exclude_min=True, allow_infinity=False, allow_nan=False)
exactly_summed = st.builds(lambda eighths: eighths / 8, st.integers(1, 2**40))


def _exponential(reader: Reading, size: int, of: st.SearchStrategy[float]) -> st.SearchStrategy[Workload]:
    return workloads(
        instruments=[Made("h", "histogram"), Made("u", "updowncounter")],
        readers=[reader],
        numbers=of,
        attributes=st.just({"a": 1}) | st.just(None),
        views=[View(instrument_name="*", aggregation=ExponentialBuckets(size, 20))],
    )


@LIMITS
@given(sizes.flatmap(lambda size: _exponential(Reading(), size, exactly_summed)))
def test_exponential(workload: Workload) -> None:
    """Exponential histograms have the same scales and buckets, of any number of collections."""
    for theirs, ours in compared(workload):
        assert ours == theirs


@LIMITS
@given(
    sizes.flatmap(
        lambda size: _exponential(
            Reading(frozenset(KINDS)), size, exactly_summed | exactly_summed.map(lambda each: -each) | st.just(0.0)
        )
    )
)
def test_exponential_delta(workload: Workload) -> None:
    """With deltas, and negative values and zeros too, once both are brought to the coarser scale.

    The SDK cannot add up intervals of which only the second has negative values: cumulative is compared without them.
    """
    for theirs, ours in coarsened(compared(workload)):
        assert ours == theirs


@LIMITS
@given(st.lists(positive | positive.map(lambda each: -each), min_size=1, max_size=40), sizes)
def test_exponential_of_any_numbers(values: list[float], size: int) -> None:
    """Of any finite numbers, the scale and the buckets are the same."""
    workload = Workload(
        [Made("u", "updowncounter")],
        [Reading()],
        [*(Measure(0, value, None) for value in values), Collect(0)],
        [View(instrument_name="*", aggregation=ExponentialBuckets(size, 20))],
    )
    ((theirs, ours),) = compared(workload)
    assert ours == theirs
