"""A started pipeline, in this process and beside the global providers."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk._logs import LogRecordProcessor, ReadWriteLogRecord
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import Span, SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

from capibara_otel.config import Settings
from capibara_otel.pipeline import Providers, start
from capibara_otel.pipeline.health import SIGNALS
from tests.support.receiver import Receiver

Start = Callable[..., Providers]


@pytest.fixture
def begin() -> Iterator[Start]:
    """Start pipelines; they end with the test."""
    started: list[Providers] = []

    def begin_one(settings: Settings | None = None, **options: object) -> Providers:
        started.append(start(settings or Settings(service_name="t"), set_global=False, **options))  # type: ignore[arg-type]
        return started[-1]

    yield begin_one
    for providers in started:
        providers.shutdown()


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """A receiver that the environment points to."""
    with Receiver() as made:
        for name, value in made.environment.items():
            monkeypatch.setenv(name, value)
        yield made


def work(providers: Providers) -> None:
    """Emit one of each signal."""
    providers.tracer_provider.get_tracer("t").start_span("work").end()
    providers.logger_provider.get_logger("l").emit(body="work")
    providers.meter_provider.get_meter("m").create_counter("work").add(1)


def test_beside_the_global_providers_nothing_global_changes(begin: Start) -> None:
    """A pipeline that is not made global leaves the global providers as they are and has its own."""
    before = trace.get_tracer_provider()
    providers = begin()
    assert trace.get_tracer_provider() is before
    assert providers.tracer_provider is not before


def test_what_is_handed_in_is_used(begin: Start) -> None:
    """Id generator, processors and readers of the caller work beside the export, and are closed with it."""

    class Ids(RandomIdGenerator):
        def generate_trace_id(self) -> int:
            return 42

    spans, reader = InMemorySpanExporter(), InMemoryMetricReader()
    providers = begin(id_generator=Ids(), span_processors=[SimpleSpanProcessor(spans)], metric_readers=[reader])
    work(providers)
    (span,) = spans.get_finished_spans()
    assert span.context is not None
    assert span.context.trace_id == 42
    assert reader.get_metrics_data() is not None
    assert providers.shutdown()
    work(providers)
    assert len(spans.get_finished_spans()) == 1


def test_what_is_handed_in_comes_before_the_export(begin: Start, receiver: Receiver) -> None:
    """A processor that changes something does so before it is sent, and no provider shuts itself down at exit."""

    class Redacts(LogRecordProcessor):
        def on_emit(self, log_record: ReadWriteLogRecord) -> None:
            log_record.log_record.body = "redacted"

        def shutdown(self) -> None:
            pass

        def force_flush(self, timeout_millis: int = 30_000) -> bool:
            return True

    class Marks(SpanProcessor):
        def on_start(self, span: Span, parent_context: Context | None = None) -> None:
            span.set_attribute("marked", "yes")

    providers = begin(span_processors=[Marks()], log_processors=[Redacts()])
    work(providers)
    assert providers.force_flush()
    assert receiver.logs == ["redacted"]
    (span,) = receiver.received["traces"][0].resource_spans[0].scope_spans[0].spans
    assert [attribute.key for attribute in span.attributes] == ["marked"]
    assert getattr(providers.tracer_provider, "_atexit_handler", None) is None


def test_what_waits_elsewhere_is_gathered_first(begin: Start, receiver: Receiver) -> None:
    """Before a flush and before the shutdown the caller may hand over what he still holds; his faults stay his."""
    gathered: list[str] = []

    def gather() -> None:
        providers.tracer_provider.get_tracer("t").start_span(f"held back {len(gathered)}").end()
        gathered.append("x")

    providers = begin(before_flush=gather)
    assert providers.force_flush()
    assert receiver.spans == ["held back 0"]
    assert providers.shutdown()
    assert receiver.spans == ["held back 0", "held back 1"]


def test_all_callers_wait_for_the_one_shutdown(begin: Start, receiver: Receiver) -> None:
    """However many threads shut down, it happens once, and all learn how it ended."""
    providers = begin()
    work(providers)
    receiver.mode, receiver.delay_s = "slow", 0.3
    answers: list[bool] = []
    threads = [threading.Thread(target=lambda: answers.append(providers.shutdown())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [True] * 4
    assert receiver.spans == ["work"]


def test_losses_are_said_in_one_line(begin: Start, receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    """What did not arrive is said once, with counts by signal, the first deadline that was given, and the receiver."""
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    providers = begin()
    work(providers)
    work(providers)
    receiver.mode, receiver.status = "refuse", 400
    assert providers.begin_shutdown(5)
    assert not providers.begin_shutdown(1)
    assert not providers.shutdown(1)
    logging.getLogger("opentelemetry").setLevel(logging.NOTSET)
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("capibara_otel")]
    (line,) = [each for each in lines if each.startswith("shutdown")]
    metric_points = providers.health.dropped("metrics")
    assert line == (
        f"shutdown after 5 s at most: 2 spans, {metric_points} metric points and 2 log records "
        f"did not reach {receiver.endpoint} (OTLP over HTTP)"
    )


def test_a_forked_child_goes_on_from_nothing(begin: Start, receiver: Receiver) -> None:
    """After a fork everything is renewed: what is emitted then arrives, and only that."""
    settings = Settings(service_name="t", metrics_port=0)
    providers = begin(settings)
    work(providers)
    assert providers.force_flush()
    assert providers.health.exported("traces") == 1
    receiver.received["traces"].clear()
    receiver.received["logs"].clear()
    receiver.received["metrics"].clear()
    assert providers.endpoint is not None
    port = providers.endpoint.port
    providers.after_fork()
    assert providers.endpoint.port not in {None, port}
    assert providers.exports_logs
    assert [providers.health.exported(signal) for signal in SIGNALS] == [0, 0, 0]
    work(providers)
    assert providers.shutdown()
    assert receiver.spans == receiver.logs == ["work"]
    assert [point.sum.data_points[0].as_int for _, point in receiver.metrics("work")] == [1]


def test_a_child_of_a_pipeline_that_is_shut_down_has_none(begin: Start) -> None:
    """A process that forks after its shutdown has children that drop everything and wait for nobody."""
    providers = begin()
    providers.shutdown()
    providers.after_fork()
    assert providers.shutdown()
    assert not providers.exports_logs


def test_what_the_app_adds_later_is_flushed_at_the_end(begin: Start) -> None:
    """A batching processor that is added to the running provider hands over its last batch before the process ends."""
    providers = begin(Settings(service_name="t", pipeline="capibara"))
    kept = InMemorySpanExporter()
    provider: Any = providers.tracer_provider
    provider.add_span_processor(BatchSpanProcessor(kept, schedule_delay_millis=3_600_000))
    provider.get_tracer("t").start_span("last").end()

    assert providers.shutdown(10)
    assert [span.name for span in kept.get_finished_spans()] == ["last"]


def test_settings_that_the_sdk_does_not_know_are_said(begin: Start, caplog: pytest.LogCaptureFixture) -> None:
    """Who asks the official SDK for what only the own pipeline has learns that nothing comes of it."""
    begin(Settings(service_name="t", pipeline="sdk", trace_share=0.5, spool_dir="/nowhere"))

    assert [record.getMessage() for record in caplog.records] == [
        "pipeline=sdk knows nothing of spool_dir, trace_share; the own pipeline does"
    ]
