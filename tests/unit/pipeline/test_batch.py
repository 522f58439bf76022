"""Batching with exact counts."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from types import FrameType

import pytest
from opentelemetry import trace
from opentelemetry.sdk._logs import LoggerProvider, ReadableLogRecord
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from capibara_otel.pipeline.batch import BatchLimits, BatchQueue
from capibara_otel.pipeline.health import REASONS, Health, Reason
from capibara_otel.pipeline.official.exporters import OfficialOutlet as Outlet
from capibara_otel.pipeline.official.processors import BatchLogs, BatchSpans
from capibara_otel.pipeline.outlet import Sent


class Result(Enum):
    """What an exporter answers."""

    SUCCESS = 0
    FAILURE = 1


@dataclass
class Sink:
    """An exporter that keeps what it gets, when it may."""

    batches: list[list[object]] = field(default_factory=list)
    result: Result = Result.SUCCESS
    fault: Exception | None = None
    is_shut_down: bool = False
    called: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    may_go: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.may_go.set()

    def export(self, batch: Sequence[object], /) -> Result:
        """Take a batch."""
        self.called.release()
        self.may_go.wait(20)
        if self.fault is not None:
            raise self.fault
        self.batches.append(list(batch))
        return self.result

    def shutdown(self) -> None:
        """Give up."""
        self.is_shut_down = True
        self.may_go.set()

    @property
    def items(self) -> list[object]:
        """Everything it got, in order."""
        return [item for batch in self.batches for item in batch]


@pytest.fixture
def sink() -> Sink:
    """Where items go."""
    return Sink()


@pytest.fixture
def health() -> Health:
    """Where they are counted."""
    return Health()


def outlet_to(sink: Sink) -> Outlet[Sequence[object]]:
    """Return what carries batches to a sink."""
    return Outlet("here", lambda: sink)


@pytest.fixture
def queue(sink: Sink, health: Health) -> Iterator[BatchQueue[object]]:
    """A small queue that sends by itself only when a batch is full."""
    made = BatchQueue[object](
        "traces", Outlet("here", lambda: sink), BatchLimits(capacity=10, batch_size=4, delay_s=3600), health
    )
    yield made
    sink.may_go.set()
    made.close()
    made.finish(10)


def counts(health: Health) -> tuple[int, int, int, int]:
    """Return exported, and dropped as the queue was full, as the export failed, at the shutdown."""
    reasons = (health.dropped("traces", "queue_full"), health.dropped("traces", "export_failed"))
    return health.exported("traces"), *reasons, health.dropped("traces", "shutdown")


def test_a_full_batch_goes_at_once_and_the_rest_waits(queue: BatchQueue[object], sink: Sink) -> None:
    """The thread is woken by a full batch and leaves what would be a small one for later."""
    for number in range(6):
        queue.put(number)
    assert sink.called.acquire(timeout=10)
    assert not sink.called.acquire(timeout=0.05)
    assert sink.batches == [[0, 1, 2, 3]]


def test_a_flush_sends_everything_in_batches(queue: BatchQueue[object], sink: Sink, health: Health) -> None:
    """A flush sends what is there, oldest first, no batch larger than the limit."""
    sink.may_go.clear()
    for number in range(10):
        queue.put(number)
    ticket = queue.ask_flush()
    sink.may_go.set()
    assert queue.wait_flush(ticket, 10)
    assert sink.items == list(range(10))
    assert max(map(len, sink.batches)) <= 4
    assert counts(health) == (10, 0, 0, 0)


def test_waiting_items_go_after_the_delay(sink: Sink, health: Health) -> None:
    """What makes no full batch is sent when the delay has passed."""
    queue = BatchQueue[object]("traces", Outlet("here", lambda: sink), BatchLimits(10, 4, 0.02), health)
    queue.put(1)
    assert sink.called.acquire(timeout=10)
    queue.close()
    assert queue.finish(10)
    assert sink.items == [1]


def test_a_full_queue_drops_the_newest_and_counts_it(queue: BatchQueue[object], sink: Sink, health: Health) -> None:
    """With the receiver stuck, everything beyond the capacity and the batch under way is counted, one by one."""
    sink.may_go.clear()
    for number in range(4):
        queue.put(number)
    assert sink.called.acquire(timeout=10)
    for number in range(4, 30):
        queue.put(number)
    assert counts(health) == (0, 16, 0, 0)
    sink.may_go.set()
    assert queue.wait_flush(queue.ask_flush(), 10)
    assert sink.items == list(range(14))
    assert counts(health) == (14, 16, 0, 0)


def test_many_threads_lose_no_count(health: Health, sink: Sink) -> None:
    """Put from many threads at once, every item ends in exactly one count."""
    queue = BatchQueue[object]("traces", Outlet("here", lambda: sink), BatchLimits(50, 10, 0.001), health)

    def put() -> None:
        for number in range(2000):
            queue.put(number)

    threads = [threading.Thread(target=put) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads[:3]:
        thread.join()
    queue.close()
    queue.finish(10)
    for thread in threads:
        thread.join()
    assert sum(counts(health)) == 12_000
    assert health.exported("traces") == len(sink.items)


def test_what_the_receiver_refuses_is_counted(queue: BatchQueue[object], sink: Sink, health: Health) -> None:
    """A failed export is a failed flush, and its items are counted as failed."""
    sink.result = Result.FAILURE
    queue.put(1)
    assert not queue.wait_flush(queue.ask_flush(), 10)
    assert counts(health) == (0, 0, 1, 0)
    sink.result = Result.SUCCESS
    queue.put(2)
    assert queue.wait_flush(queue.ask_flush(), 10)
    assert counts(health) == (1, 0, 1, 0)


def test_an_exporter_that_raises_is_said_once(
    queue: BatchQueue[object], sink: Sink, health: Health, caplog: pytest.LogCaptureFixture
) -> None:
    """An exception in an exporter stays there: counted each time, logged once per kind with its place."""
    sink.fault = OSError("no route")
    for _ in range(3):
        queue.put(1)
        assert not queue.wait_flush(queue.ask_flush(), 10)
    assert counts(health) == (0, 0, 3, 0)
    assert [record.getMessage() for record in caplog.records] == ["telemetry could not be sent to here"]


def test_an_exporter_that_cannot_be_made_is_a_failed_export(health: Health, caplog: pytest.LogCaptureFixture) -> None:
    """Where making the exporter fails, items are counted as failed and the app never notices."""

    def broken() -> Sink:
        raise ValueError("no certificate")

    queue = BatchQueue[object]("traces", Outlet("here", broken), BatchLimits(), health)
    queue.put(1)
    assert not queue.wait_flush(queue.ask_flush(), 10)
    queue.close()
    assert queue.finish(10)
    assert counts(health) == (0, 0, 1, 0)
    assert "telemetry could not be sent to here" in caplog.text


def test_closing_sends_the_rest_and_refuses_more(queue: BatchQueue[object], sink: Sink, health: Health) -> None:
    """After closing, what was taken arrives and what comes is counted as dropped by the shutdown."""
    for number in range(3):
        queue.put(number)
    queue.close()
    queue.put(3)
    assert queue.finish(10)
    queue.put(4)
    assert sink.items == [0, 1, 2]
    assert sink.is_shut_down
    assert counts(health) == (3, 0, 0, 2)


def test_what_is_left_at_the_deadline_is_given_up(queue: BatchQueue[object], sink: Sink, health: Health) -> None:
    """At the deadline the batch under way and the queue are counted as dropped; a late answer changes nothing."""
    sink.may_go.clear()
    for number in range(4):
        queue.put(number)
    assert sink.called.acquire(timeout=10)
    for number in range(4, 9):
        queue.put(number)
    queue.close()
    assert not queue.finish(0.05)
    assert counts(health) == (0, 0, 0, 9)
    sink.may_go.set()
    assert queue.finish(10)
    assert counts(health) == (0, 0, 0, 9)


@dataclass
class Keeper:
    """An outlet that never comes to an end with a batch, and keeps what it is asked to keep."""

    target: str = "here"
    keeps: bool = True
    answer: Sent = field(default_factory=lambda: Sent(delivered=False, spooled=99))
    kept: list[list[object]] = field(default_factory=list)
    called: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    may_go: threading.Event = field(default_factory=threading.Event)

    def send(self, _: Sequence[object], /) -> Sent:
        """Hang."""
        self.called.release()
        self.may_go.wait(20)
        return Sent(delivered=True)

    def keep(self, batch: Sequence[object], /) -> Sent:
        """Keep a batch."""
        self.kept.append(list(batch))
        return self.answer

    def catch_up(self, _: Callable[[], bool], /) -> None:
        """Catch up on nothing."""

    def close(self) -> None:
        """Let the batch under way go."""
        self.may_go.set()

    def after_fork(self) -> None:
        """Begin anew."""


@pytest.mark.parametrize(
    ("answer", "spooled", "dropped"),
    [
        (Sent(delivered=False, spooled=99), 9, {}),
        (Sent(delivered=True), 0, {}),
        (Sent(delivered=False), 0, {"shutdown": 9}),
        (Sent(delivered=False, spool_was_full=True), 0, {"spool_full": 9}),
    ],
)
def test_what_is_left_at_the_deadline_is_kept_where_there_is_a_place(
    health: Health, answer: Sent, spooled: int, dropped: dict[Reason, int]
) -> None:
    """The batch under way and the rest are handed over batch by batch, and counted as what became of them."""
    keeper = Keeper(answer=answer)
    queue = BatchQueue[object]("traces", keeper, BatchLimits(10, 4, 3600), health)
    for number in range(4):
        queue.put(number)
    assert keeper.called.acquire(timeout=10)
    for number in range(4, 9):
        queue.put(number)
    queue.close()
    assert not queue.finish(0.05)
    assert keeper.kept == [[0, 1, 2, 3], [4, 5, 6, 7], [8]]
    assert health.spooled("traces") == spooled
    assert {
        reason: health.dropped("traces", reason) for reason in REASONS if health.dropped("traces", reason)
    } == dropped
    assert health.exported("traces") == (9 if answer.delivered else 0)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs timers of Unix")
def test_a_signal_handler_may_put_at_any_moment(sink: Sink, health: Health) -> None:
    """A handler that puts in the midst of another put waits for nobody, and every item has one count."""
    queue = BatchQueue[object]("traces", Outlet("here", lambda: sink), BatchLimits(50, 10, 0.001), health)
    put = handled = 0

    def handle(_: int, __: FrameType | None) -> None:
        nonlocal handled
        handled += 1
        queue.put("by the handler")

    before = signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, 1e-4, 1e-4)
    try:
        while handled < 300:
            queue.put("by the thread")
            put += 1
        queue.close()
        while handled < 320:
            queue.put("by the thread")
            put += 1
        queue.finish(10)
        while handled < 340:
            queue.put("by the thread")
            put += 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert sum(counts(health)) == put + handled
    assert health.exported("traces") == len(sink.items)


def test_items_on_their_way_in_when_the_queue_is_given_up_are_counted(health: Health) -> None:
    """However late an item comes, it is taken by the end or counted by whoever put it."""
    for _ in range(20):
        sink = Sink()
        queue = BatchQueue[object]("traces", outlet_to(sink), BatchLimits(40, 10, 0.001), health)
        begun = threading.Barrier(4)

        def put(queue: BatchQueue[object] = queue, begun: threading.Barrier = begun) -> None:
            begun.wait(10)
            for number in range(50):
                queue.put(number)

        threads = [threading.Thread(target=put) for _ in range(3)]
        for thread in threads:
            thread.start()
        begun.wait(10)
        queue.close()
        queue.finish(10)
        for thread in threads:
            thread.join()
        assert len(queue) == 0
    assert sum(counts(health)) == 20 * 3 * 50


def test_an_exporter_made_too_late_is_not_used(health: Health, sink: Sink) -> None:
    """A queue that is given up before its exporter was made sends nothing."""
    outlet: Outlet[Sequence[object]] = Outlet("here", lambda: sink)
    outlet.close()
    assert not outlet.send([1]).delivered
    assert sink.items == []


def test_what_the_worker_emits_is_not_sent(health: Health) -> None:
    """Telemetry that an exporter makes while it sends is not queued: it would never end."""
    queue: BatchQueue[object]

    class Talkative(Sink):
        def export(self, batch: Sequence[object], /) -> Result:
            queue.put("about the export")
            return super().export(batch)

    sink = Talkative()
    queue = BatchQueue("traces", Outlet("here", lambda: sink), BatchLimits(10, 4, 3600), health)
    queue.put("work")
    assert queue.wait_flush(queue.ask_flush(), 10)
    queue.close()
    assert queue.finish(10)
    assert sink.items == ["work"]
    assert counts(health) == (1, 0, 0, 0)


def test_a_forked_child_starts_empty(health: Health) -> None:
    """What the parent has queued is the parent's; the child goes on with an exporter of its own."""
    sinks: list[Sink] = []

    def make() -> Sink:
        sinks.append(Sink())
        return sinks[-1]

    queue = BatchQueue[object]("traces", Outlet("here", make), BatchLimits(10, 4, 3600), health)
    queue.put("sent by the parent")
    assert queue.wait_flush(queue.ask_flush(), 10)
    queue.put("left to the parent")
    queue.after_fork()
    queue.put("child")
    queue.close()
    assert queue.finish(10)
    assert [sink.items for sink in sinks] == [["sent by the parent"], ["child"]]
    assert [sink.is_shut_down for sink in sinks] == [False, True]


def test_spans_are_queued_when_they_end_and_are_sampled(health: Health, sink: Sink) -> None:
    """Only spans that are sampled are sent, once they have ended."""
    queue = BatchQueue[ReadableSpan]("traces", Outlet("here", lambda: sink), BatchLimits(), health)
    processor = BatchSpans(queue)
    sampling, not_sampling = TracerProvider(shutdown_on_exit=False), TracerProvider(ALWAYS_OFF, shutdown_on_exit=False)
    for provider in (sampling, not_sampling):
        provider.add_span_processor(processor)
    span = sampling.get_tracer("t").start_span("work")
    assert sampling.force_flush()
    assert sink.items == []
    span.end()
    not_sampling.get_tracer("t").start_span("other").end()
    processor.on_end(ReadableSpan("without context"))
    assert sampling.force_flush()
    assert [item.name for item in sink.items if isinstance(item, ReadableSpan)] == ["work"]
    sampling.shutdown()
    assert not sampling.force_flush()
    assert counts(health) == (1, 0, 0, 0)


def test_log_records_are_queued_without_what_they_refer_to(health: Health, sink: Sink) -> None:
    """A queued record keeps its trace id and lets go of its context, which may hold anything alive."""
    queue = BatchQueue[ReadableLogRecord]("logs", Outlet("here", lambda: sink), BatchLimits(), health)
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(BatchLogs(queue))
    span = trace.NonRecordingSpan(trace.SpanContext(7, 8, is_remote=False))
    with trace.use_span(span):
        provider.get_logger("l").emit(body="work", attributes={"a": 1})
    assert provider.force_flush()
    provider.shutdown()
    (record,) = sink.items
    assert record.log_record.body == "work"  # type: ignore[attr-defined]
    assert record.log_record.trace_id == 7  # type: ignore[attr-defined]
    assert not record.log_record.context  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("prefix", "environ", "limits"),
    [
        ("OTEL_BSP", {}, BatchLimits(2048, 512, 5.0)),
        ("OTEL_BLRP", {}, BatchLimits(2048, 512, 1.0)),
        ("OTEL_BSP", {"OTEL_BSP_MAX_QUEUE_SIZE": "100"}, BatchLimits(100, 100, 5.0)),
        (
            "OTEL_BLRP",
            {
                "OTEL_BLRP_MAX_QUEUE_SIZE": "9000",
                "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE": "1000",
                "OTEL_BLRP_SCHEDULE_DELAY": "250",
            },
            BatchLimits(9000, 1000, 0.25),
        ),
        ("OTEL_BSP", {"OTEL_BSP_MAX_QUEUE_SIZE": ""}, BatchLimits(2048, 512, 5.0)),
    ],
)
def test_limits_are_read_as_the_sdk_reads_them(prefix: str, environ: dict[str, str], limits: BatchLimits) -> None:
    """Each limit is its variable's or the specification's default; a batch is never more than the queue holds."""
    assert BatchLimits.read(prefix, environ) == limits
