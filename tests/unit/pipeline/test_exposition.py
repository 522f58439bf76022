"""The metrics page."""

from __future__ import annotations

import gzip
import logging
import math
import sys
import threading
import time
from collections.abc import Iterable, Iterator

import pytest
from opentelemetry.metrics import Meter
from opentelemetry.sdk.metrics import Histogram, MeterProvider
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from capibara_otel.pipeline.official.exposition import Exposition
from capibara_otel.pipeline.scope import Resource as OwnResource
from capibara_otel.semconv import promnames
from capibara_otel.semconv.instruments import Instruments
from capibara_otel.semconv.metrics import METRICS
from capibara_otel.semconv.specs import MetricSpec

OPENMETRICS = "application/openmetrics-text;version=1.0.0"


def metered(exposition: Exposition, *views: View, resource: Resource | None = None) -> Meter:
    """Return a meter whose metrics are on the page."""
    return MeterProvider([exposition.reader], resource, views=views, shutdown_on_exit=False).get_meter("t")


def samples(text: str) -> Iterator[Sample]:
    """Yield what a text page holds."""
    for family in parse_text(text):
        yield from family.samples


@pytest.mark.parametrize("spec", METRICS, ids=lambda spec: spec.name)
def test_names_are_those_that_the_registry_says(spec: MetricSpec) -> None:
    """On the page every metric of the registry is called what `promnames` says, in both formats, with its brief."""
    exposition = Exposition()
    labels = dict.fromkeys(spec.attributes, "x")
    Instruments(metered(exposition)).record(spec, 0.5, labels)
    text = exposition.render().body.decode()
    found = {sample.name: sample for sample in samples(text) if sample.name != "target_info"}
    assert set(found) == {*promnames.samples(spec)}
    for sample in found.values():
        assert set(sample.labels) - {"le"} == {promnames.label(name) for name in spec.attributes}
    kind = {"updowncounter": "gauge"}.get(spec.instrument, spec.instrument)
    assert f"# TYPE {promnames.series(spec)} {kind}\n" in text
    assert f"# HELP {promnames.series(spec)} {spec.brief}\n" in text
    open_families: Iterable[Metric] = parse_openmetrics(  # type: ignore[no-untyped-call]
        exposition.render(OPENMETRICS).body.decode()
    )
    assert {each.name for family in open_families for each in family.samples} == {*found, "target_info"}


def test_buckets_are_the_registrys() -> None:
    """A histogram on the page has the bounds that its specification says."""
    for spec in METRICS:
        if spec.instrument == "histogram":
            exposition = Exposition()
            Instruments(metered(exposition)).record(spec, 0.5, {})
            bounds = [
                float(sample.labels["le"])
                for sample in samples(exposition.render().body.decode())
                if sample.name.endswith("_bucket")
            ]
            assert bounds == [*spec.buckets, math.inf]


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (None, "text/plain; version=0.0.4; charset=utf-8"),
        ("*/*", "text/plain; version=0.0.4; charset=utf-8"),
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
    exposition = Exposition()
    metered(exposition).create_counter("work").add(1)
    page = exposition.render(accept)
    assert page.content_type == content_type
    assert b"work_total 1.0" in page.body
    assert page.body.endswith(b"# EOF\n") == ("openmetrics" in content_type)


def test_the_page_is_compressed_where_that_is_accepted() -> None:
    """Compression is used when the reader accepts it, and said so."""
    exposition = Exposition()
    metered(exposition).create_counter("work").add(1)
    plain, packed = exposition.render(), exposition.render(None, "br, gzip;q=0.5")
    assert (plain.content_encoding, packed.content_encoding) == (None, "gzip")
    assert gzip.decompress(packed.body) == plain.body


def test_scopes_are_no_labels_and_the_resource_is_one_metric() -> None:
    """Series carry their own labels only; the resource is on `target_info`."""
    exposition = Exposition()
    resource = Resource({"service.name": "mine", "1st": "a", "host.name": 'the "host"'})
    metered(exposition, resource=resource).create_counter("work").add(1, {"a.b": 1})
    found = {sample.name: sample.labels for sample in samples(exposition.render().body.decode())}
    assert found == {
        "work_total": {"a_b": "1"},
        "target_info": {"service_name": "mine", "_1st": "a", "host_name": 'the "host"'},
    }


def test_the_resource_is_shown_before_anything_is_measured() -> None:
    """A fresh process already says who it is, where it has been told."""
    exposition = Exposition(resource=OwnResource({"service.name": "mine"}))
    metered(exposition)
    assert b'target_info{service_name="mine"} 1.0' in exposition.render().body


def test_exponential_histograms_are_left_out_and_that_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    """An app's own views may make what the text formats cannot hold: the rest of the page is whole."""
    exposition = Exposition()
    view = View(instrument_type=Histogram, instrument_name="time", aggregation=ExponentialBucketHistogramAggregation())
    meter = metered(exposition, view)
    meter.create_histogram("time").record(1)
    meter.create_counter("work").add(1)
    pages = [exposition.render().body.decode() for _ in range(2)]
    assert pages[0] == pages[1]
    assert "time" not in pages[0]
    assert "work_total 1.0" in pages[0]
    said = [record.getMessage() for record in caplog.records if record.name.startswith("capibara_otel")]
    assert said == ["the metrics page leaves out time: the text formats have no ExponentialHistogram"]


def test_scrapes_at_the_same_time_are_all_whole() -> None:
    """Read from many threads at once, every page holds every series once."""
    exposition = Exposition()
    counter = metered(exposition).create_counter("work")
    for number in range(200):
        counter.add(1, {"number": number})
    pages: list[bytes] = []

    def read() -> None:
        pages.extend(exposition.render().body for _ in range(10))

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
    assert all(page == pages[0] for page in pages)
    assert pages[0].count(b"work_total{") == 200


def test_one_page_is_written_at_a_time() -> None:
    """The exporter mixes up collections that overlap, so that they must not."""
    exposition = Exposition()
    inside: list[int] = []
    most: list[int] = []

    class Slow(Collector):
        def collect(self) -> Iterable[Metric]:
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.01)
            inside.pop()
            return []

    exposition._collectors.register(Slow())
    threads = [threading.Thread(target=exposition.render) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1, 1, 1, 1]


def test_each_page_is_timed() -> None:
    """The time of writing a page, by the clock that is given, is told."""
    ticks = iter([1.0, 1.25])
    times: list[float] = []
    Exposition(times.append, clock=lambda: next(ticks)).render()
    assert times == [0.25]


def test_detached_the_page_is_empty_and_quiet(caplog: pytest.LogCaptureFixture) -> None:
    """With no provider to read, the page is empty and nobody is warned at every scrape."""
    exposition = Exposition()
    exposition.detach()
    with caplog.at_level(logging.DEBUG):
        assert exposition.render().body == b""
    assert caplog.records == []


def test_a_forked_child_shows_its_own_resource() -> None:
    """After a fork the resource is the child's, also while nothing has been measured."""
    exposition = Exposition(resource=OwnResource({"service.instance.id": "parent"}))
    metered(exposition)
    exposition.after_fork(OwnResource({"service.instance.id": "child"}))
    assert b'target_info{service_instance_id="child"}' in exposition.render().body


def test_a_forked_child_does_not_show_what_the_parent_was_about_to() -> None:
    """A page that the parent was writing when it forked is not mixed into the child's."""
    exposition = Exposition()
    metered(exposition).create_counter("work").add(1)
    exposition.reader.collect()
    exposition.after_fork(None)
    assert exposition.render().body.count(b"work_total 1.0") == 1
