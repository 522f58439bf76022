"""The series that measurements go to: found by their labels, the same whichever provider keeps them."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk import metrics as sdk
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from capibara_otel.pipeline.metrics.provider import MeterProvider
from capibara_otel.pipeline.scope import Resource
from capibara_otel.semconv import attributes as a
from capibara_otel.semconv import metrics as m
from capibara_otel.semconv import spans
from capibara_otel.semconv.instruments import Instruments
from capibara_otel.semconv.specs import MetricSpec

_EXITS = MetricSpec("t.exits", "counter", "{x}", "A counter.", "t", attributes=(a.E2B_LANGUAGE, a.E2B_EXIT_CODE))
_SIX = MetricSpec("t.six", "counter", "{x}", "With many labels.", "t", attributes=("a", "b", "c", "d", "e", "f"))
_LISTS = MetricSpec("t.lists", "counter", "{x}", "With a list.", "t", attributes=(a.ROUTING_ALTERNATIVES,))


class _Kept:
    """A provider, instruments of it, and what was recorded."""

    def __init__(self, pipeline: str) -> None:
        self._reader = InMemoryMetricReader()
        self.provider: Any = (
            MeterProvider(Resource(), readers=[self._reader], cardinality_limit=10_000)
            if pipeline == "capibara"
            else sdk.MeterProvider([self._reader], shutdown_on_exit=False)
        )
        self.instruments = Instruments(self.provider.get_meter("test"))

    def points(self, name: str) -> list[Any]:
        data = self._reader.get_metrics_data()
        return [
            point
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        ]

    def values(self, name: str) -> list[tuple[dict[str, object], float]]:
        found = [(dict(point.attributes), getattr(point, "value", None) or point.sum) for point in self.points(name)]
        return sorted(found, key=str)


@pytest.fixture(name="kept", params=["capibara", "sdk"])
def _kept(request: pytest.FixtureRequest) -> Iterator[_Kept]:
    kept = _Kept(request.param)
    yield kept
    kept.provider.shutdown()


class TestWrite:
    """`Instruments.write_of`: one metric."""

    def test_attributes_are_cut_to_the_metrics(self, kept: _Kept) -> None:
        """What the metric may not carry is no label, and what is missing is none."""
        write = kept.instruments.write_of(_EXITS)
        for _ in range(3):
            write(1, {a.E2B_LANGUAGE: "python", a.E2B_EXIT_CODE: 1, a.E2B_SANDBOX_ID: "s1", a.USER_ID: "u"}, None)
        write(1, {a.E2B_LANGUAGE: "python"}, None)
        write(1, {}, None)

        assert kept.values("t.exits") == [
            ({"capibara6.e2b.language": "python", "capibara6.e2b.exit_code": 1}, 3),
            ({"capibara6.e2b.language": "python"}, 1),
            ({}, 1),
        ]

    def test_each_kind_of_instrument(self, kept: _Kept) -> None:
        """A counter adds, an up-down counter too, a gauge is set, a histogram takes each value."""
        for spec, name in (
            (MetricSpec("t.counter", "counter", "1", "", "t"), "t.counter"),
            (MetricSpec("t.updown", "updowncounter", "1", "", "t"), "t.updown"),
            (MetricSpec("t.gauge", "gauge", "1", "", "t"), "t.gauge"),
            (MetricSpec("t.histogram", "histogram", "1", "", "t", buckets=(1.0,)), "t.histogram"),
        ):
            for value in (5, 2):
                kept.instruments.write_of(spec)(value, {}, None)
            assert kept.values(name) == [({}, 2 if name == "t.gauge" else 7)], name

    def test_values_that_python_takes_for_equal(self, kept: _Kept) -> None:
        """`True`, `1` and `1.0` stand for themselves, in whichever order they come."""
        write = kept.instruments.write_of(_EXITS)
        for code in (1, True, 1.0, 1, True, 1.0):
            write(1, {a.E2B_EXIT_CODE: code}, None)

        assert sum(value for _, value in kept.values("t.exits")) == 6
        codes = [attributes["capibara6.e2b.exit_code"] for attributes, _ in kept.values("t.exits")]
        assert len({(type(code), code) for code in codes}) == len(codes)
        assert any(type(code) is int for code in codes)

    def test_what_is_no_key(self, kept: _Kept) -> None:
        """A list among the labels is recorded too, each list as a series."""
        write = kept.instruments.write_of(_LISTS)
        for models in (["m", "n"], ["m", "n"], ["o"]):
            write(1, {a.ROUTING_ALTERNATIVES: models}, None)

        assert kept.values("t.lists") == [
            ({"capibara6.routing.alternatives": ("m", "n")}, 2),
            ({"capibara6.routing.alternatives": ("o",)}, 1),
        ]

    def test_many_labels(self, kept: _Kept) -> None:
        """The number of labels does not matter."""
        write = kept.instruments.write_of(_SIX)
        for _ in range(2):
            write(1, dict.fromkeys("abcdef", "x"), None)
        write(1, dict.fromkeys("abcde", "x"), None)

        assert kept.values("t.six") == [
            (dict.fromkeys("abcdef", "x"), 2),
            (dict.fromkeys("abcde", "x"), 1),
        ]

    def test_more_series_than_are_kept_at_hand(self, kept: _Kept) -> None:
        """Past 4,096 sets of labels each is recorded all the same."""
        spec = MetricSpec("t.many", "counter", "1", "", "t", attributes=("a",))
        for _ in range(2):
            for number in range(4_200):
                kept.instruments.write_of(spec)(1, {"a": str(number)}, None)

        assert sum(point.value for point in kept.points("t.many")) == 8_400

    def test_the_context_gives_the_exemplar_its_trace(self, kept: _Kept) -> None:
        """The context handed in, not the current one, decides which trace a measurement is an example of."""
        span = NonRecordingSpan(SpanContext(0xA, 0xB, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED)))
        context = trace.set_span_in_context(span)
        kept.instruments.write_of(m.RAG_SEARCH_DURATION)(0.1, {a.RAG_INDEX: "docs"}, context)

        (point,) = kept.points("capibara6.rag.search.duration")
        (exemplar,) = point.exemplars
        assert (exemplar.trace_id, exemplar.span_id) == (0xA, 0xB)


class TestRows:
    """`Instruments.rows_of`: all that an operation measures."""

    def _record(self, kept: _Kept, metric: MetricSpec, attributes: dict[str, Any]) -> None:
        instruments = kept.instruments
        row = instruments.rows_of(spans.RAG_SEARCH).of(attributes)
        (row.get(metric.name) or instruments.add_to(row, spans.RAG_SEARCH, metric, attributes))(1, None)

    def test_one_row_serves_all_metrics(self, kept: _Kept) -> None:
        """Each metric of the row has its own labels of the operation's attributes."""
        attributes: dict[str, Any] = {a.RAG_INDEX: "docs", a.RAG_HIT: True, a.OUTCOME: "success", a.RAG_TOP_K: 8}
        for _ in range(2):
            for metric in (m.RAG_SEARCHES, m.RAG_SEARCH_DURATION, m.RAG_RESULTS):
                self._record(kept, metric, dict(attributes))

        index = {"capibara6.rag.index": "docs"}
        assert kept.values("capibara6.rag.searches") == [
            ({**index, "capibara6.rag.hit": True, "capibara6.outcome": "success"}, 2)
        ]
        assert kept.values("capibara6.rag.search.duration") == [(index, 2)]
        assert kept.values("capibara6.rag.results") == [(index, 2)]
        assert kept.instruments.rows_of(spans.RAG_SEARCH).of(attributes).keys() == {
            "capibara6.rag.searches",
            "capibara6.rag.search.duration",
            "capibara6.rag.results",
        }

    def test_a_metric_with_labels_that_no_row_knows(self, kept: _Kept) -> None:
        """A metric whose labels say more than the row is recorded under its own."""
        for code in (0, 1, 1):
            self._record(kept, m.E2B_EXITS, {a.RAG_INDEX: "docs", a.E2B_LANGUAGE: "python", a.E2B_EXIT_CODE: code})

        assert kept.values("capibara6.e2b.exits") == [
            ({"capibara6.e2b.language": "python", "capibara6.e2b.exit_code": 0}, 1),
            ({"capibara6.e2b.language": "python", "capibara6.e2b.exit_code": 1}, 2),
        ]

    @pytest.mark.parametrize("hit", [1, 1.0, [True]], ids=str)
    def test_what_is_not_of_its_attributes_type_has_no_row(self, hit: object, kept: _Kept) -> None:
        """A value that is no key, or a key of another value, is recorded as what it is."""
        self._record(kept, m.RAG_SEARCHES, {a.RAG_HIT: True})
        self._record(kept, m.RAG_SEARCHES, {a.RAG_HIT: hit})

        assert sum(point.value for point in kept.points("capibara6.rag.searches")) == 2

    def test_more_rows_than_are_kept_at_hand(self, kept: _Kept) -> None:
        """Past 4,096 rows everything is recorded all the same."""
        for _ in range(2):
            for number in range(4_200):
                self._record(kept, m.RAG_RESULTS, {a.RAG_INDEX: str(number)})

        assert sum(point.count for point in kept.points("capibara6.rag.results")) == 8_400


def test_many_threads_find_the_same_series(kept: _Kept) -> None:
    """No measurement is lost where threads meet a series for the first time at the same moment."""
    barrier = threading.Barrier(8)

    def record() -> None:
        barrier.wait()
        for number in range(200):
            kept.instruments.write_of(_EXITS)(1, {a.E2B_EXIT_CODE: number}, None)
            row = kept.instruments.rows_of(spans.RAG_SEARCH).of({a.RAG_INDEX: str(number)})
            kept.instruments.add_to(row, spans.RAG_SEARCH, m.RAG_RESULTS, {a.RAG_INDEX: str(number)})(1, None)

    threads = [threading.Thread(target=record) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [value for _, value in kept.values("t.exits")] == [8] * 200
    assert [point.count for point in kept.points("capibara6.rag.results")] == [8] * 200


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")  # that is what this is about
def test_a_child_of_a_fork_makes_instruments_of_its_own() -> None:
    """Where a thread of the parent was just making one, the child waits for nobody."""
    kept = _Kept("capibara")
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        with kept.instruments._lock:
            held.set()
            release.wait()

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait()
    child = os.fork()
    if child == 0:
        kept.instruments.after_fork()
        kept.instruments.write_of(_EXITS)(1, {}, None)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    release.set()
    holder.join()

    assert status == 0
