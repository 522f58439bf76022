"""The metrics page of the own pipeline."""

from __future__ import annotations

import gzip
import logging
import math
import sys
import threading

import pytest
from opentelemetry.metrics import Meter

from capibara_otel.pipeline.metrics.provider import MeterProvider
from capibara_otel.pipeline.metrics.reader import Reader
from capibara_otel.pipeline.metrics.views import ExponentialBuckets, View
from capibara_otel.pipeline.page.exposition import Exposition
from capibara_otel.pipeline.scope import Resource
from capibara_otel.semconv import promnames
from capibara_otel.semconv.instruments import Instruments
from capibara_otel.semconv.metrics import METRICS
from capibara_otel.semconv.specs import MetricSpec
from tests.unit.pipeline.page.made import OPENMETRICS, collection, counter, number, samples


class Metered:
    """A provider whose metrics are on a page."""

    def __init__(self, *views: View, resource: Resource | None = None) -> None:
        self._reader = Reader(exemplars="latest")
        self.provider = MeterProvider(resource or Resource(), readers=[self._reader], views=views)
        self.meter: Meter = self.provider.get_meter("t")
        self.exposition = Exposition(self._reader.collect)

    def page(self, accept: str | None = None) -> str:
        """Return the page."""
        return self.exposition.render(accept).body.decode()


@pytest.mark.parametrize("spec", METRICS, ids=lambda spec: spec.name)
def test_names_are_those_that_the_registry_says(spec: MetricSpec) -> None:
    """On the page every metric of the registry is called what `promnames` says, in both formats, with its brief."""
    metered = Metered()
    Instruments(metered.meter).record(spec, 0.5, dict.fromkeys(spec.attributes, "x"))
    text = metered.page()
    found = {sample.name: sample for sample in samples(text)}
    assert set(found) == {*promnames.samples(spec)}
    for sample in found.values():
        assert set(sample.labels) - {"le"} == {promnames.label(name) for name in spec.attributes}
    kind = {"updowncounter": "gauge"}.get(spec.instrument, spec.instrument)
    assert f"# TYPE {promnames.series(spec)} {kind}\n" in text
    assert f"# HELP {promnames.series(spec)} {spec.brief}\n" in text
    assert {sample.name for sample in samples(metered.page(OPENMETRICS))} == set(found)


def test_buckets_are_the_registrys() -> None:
    """A histogram on the page has the bounds that its specification says."""
    for spec in METRICS:
        if spec.instrument == "histogram":
            metered = Metered()
            Instruments(metered.meter).record(spec, 0.5, {})
            bounds = [float(each.labels["le"]) for each in samples(metered.page()) if each.name.endswith("_bucket")]
            assert bounds == [*spec.buckets, math.inf]


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (None, "text/plain; version=0.0.4; charset=utf-8"),
        (
            "text/plain;version=1.0.0;escaping=underscores",
            "text/plain; version=1.0.0; charset=utf-8; escaping=underscores",
        ),
        (OPENMETRICS, "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores"),
        ("application/openmetrics-text;version=nonsense", "text/plain; version=0.0.4; charset=utf-8"),
    ],
)
def test_the_format_is_what_the_reader_accepts(accept: str | None, content_type: str) -> None:
    """Prometheus gets what it asks for; who asks for nothing, or nonsense, gets plain text."""
    metered = Metered()
    metered.meter.create_counter("work").add(1)
    page = metered.exposition.render(accept)
    assert page.content_type == content_type
    assert b"work_total 1.0" in page.body
    assert page.body.endswith(b"# EOF\n") == ("openmetrics" in content_type)


def test_the_page_is_compressed_where_that_is_accepted() -> None:
    """Compression is used when the reader accepts it, and said so."""
    metered = Metered()
    for kind in range(2000):
        metered.meter.create_counter("work").add(1, {"kind": kind})
    plain, packed = metered.exposition.render(), metered.exposition.render(None, "br, gzip;q=0.5")
    assert (plain.content_encoding, packed.content_encoding) == (None, "gzip")
    assert gzip.decompress(packed.body) == plain.body
    assert len(packed.body) < len(plain.body) / 4


def test_scopes_are_no_labels_and_the_resource_is_one_metric() -> None:
    """Series carry their own labels only; the resource is on `target_info`."""
    metered = Metered(resource=Resource({"service.name": "mine", "1st": "a", "host.name": 'the "host"'}))
    metered.meter.create_counter("work").add(1, {"a.b": 1})
    assert {sample.name: sample.labels for sample in samples(metered.page())} == {
        "work_total": {"a_b": "1"},
        "target_info": {"service_name": "mine", "_1st": "a", "host_name": 'the "host"'},
    }


def test_the_resource_is_shown_before_anything_is_measured() -> None:
    """A fresh process already says who it is."""
    assert 'target_info{service_name="mine"} 1.0' in Metered(resource=Resource({"service.name": "mine"})).page()


def test_a_resource_that_was_told_stands_in_for_one_that_is_not_there() -> None:
    """Where the metrics come with no resource, the one handed in is shown."""
    exposition = Exposition(collection, resource=Resource({"service.name": "mine"}))
    assert b'target_info{service_name="mine"} 1.0' in exposition.render().body
    exposition.after_fork(Resource({"service.name": "child"}))
    assert b'target_info{service_name="child"} 1.0' in exposition.render().body
    exposition.after_fork(None)
    assert exposition.render().body == b""


def test_exponential_histograms_are_left_out_and_that_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    """An app's own views may make what the text formats cannot hold: the rest of the page is whole."""
    metered = Metered(View(instrument_name="time", aggregation=ExponentialBuckets()))
    metered.meter.create_histogram("time").record(1)
    metered.meter.create_counter("work").add(1)
    pages = [metered.page() for _ in range(2)]
    assert pages[0] == pages[1]
    assert "time" not in pages[0]
    assert "work_total 1.0" in pages[0]
    said = [record.getMessage() for record in caplog.records if record.name.startswith("capibara_otel")]
    assert said == ["the metrics page leaves out time: the text formats have no ExponentialHistogram"]


def test_scrapes_at_the_same_time_are_all_whole() -> None:
    """Read from many threads at once, every page holds every series once."""
    metered = Metered()
    work = metered.meter.create_counter("work")
    for kind in range(200):
        work.add(1, {"kind": kind})
    pages: list[str] = []

    def read() -> None:
        pages.extend(metered.page() for _ in range(10))

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # so that every page is interrupted
    try:
        threads = [threading.Thread(target=read) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert len(pages) == 80
    assert set(pages) == {pages[0]}
    assert pages[0].count("work_total{") == 200


def test_pages_of_changing_series_are_whole() -> None:
    """While series come, each page has for each of them the number that belongs to it."""
    metered = Metered()
    work, done = metered.meter.create_counter("work"), threading.Event()

    def measure() -> None:
        for kind in range(300):
            work.add(kind + 1, {"kind": kind})
        done.set()

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        thread = threading.Thread(target=measure)
        thread.start()
        pages = []
        while not done.is_set():
            pages.append(metered.page())
        thread.join()
    finally:
        sys.setswitchinterval(interval)
    for page in (*pages, metered.page()):
        # A series that has just come has nothing added to it yet.
        assert all(sample.value in {0, int(sample.labels["kind"]) + 1} for sample in samples(page))


def test_each_page_is_timed() -> None:
    """The time of writing a page, by the clock that is given, is told."""
    ticks = iter([1.0, 1.25])
    times: list[float] = []
    Exposition(collection, times.append, clock=lambda: next(ticks)).render()
    assert times == [0.25]


def test_detached_the_page_is_empty_and_quiet(caplog: pytest.LogCaptureFixture) -> None:
    """With no provider to read, the page is empty and nobody is warned at every scrape."""
    exposition = Exposition(Reader().collect, resource=Resource({"service.name": "mine"}))
    exposition.detach()
    with caplog.at_level(logging.DEBUG):
        assert exposition.render().body == b""
        assert exposition.render(OPENMETRICS).body == b"# EOF\n"
    assert caplog.records == []


def test_a_forked_child_shows_its_own_resource() -> None:
    """After a fork the resource is the child's, also while nothing has been measured."""
    metered = Metered(resource=Resource({"service.instance.id": "parent"}))
    assert "parent" in metered.page()
    child = Resource({"service.instance.id": "child"})
    metered.provider.after_fork(child)
    metered.exposition.after_fork(child)
    assert 'target_info{service_instance_id="child"}' in metered.page()


def test_a_reader_that_fails_is_told_to_who_asks() -> None:
    """A fault in reading the metrics is no empty page."""

    def broken() -> None:
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        Exposition(broken).render()  # type: ignore[arg-type]


def test_a_gauge_rule_does_not_change_a_page_of_one_process() -> None:
    """How processes' values become one matters where there are several."""
    made = collection(counter("work", number(1)))
    assert Exposition(lambda: made, gauge_rule=lambda _: "sum").render() == Exposition(lambda: made).render()
