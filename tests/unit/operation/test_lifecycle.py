"""The lifecycle of an operation: begin, tell, end once, whatever happens."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading

import pytest
from dirty_equals import IsPartialDict
from opentelemetry import trace
from opentelemetry.metrics import Counter, NoOpMeter
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.trace import SpanKind, StatusCode

from capibara_otel.exceptions import UsageError
from capibara_otel.operation import Emitter, Operation, current_operation
from capibara_otel.operation.reaper import Reaper
from capibara_otel.pipeline.metrics.provider import MeterProvider
from capibara_otel.pipeline.metrics.reader import Reader
from capibara_otel.pipeline.scope import Resource
from capibara_otel.pipeline.traces.provider import TracerProvider
from capibara_otel.sdk import DEFAULT
from capibara_otel.semconv import attributes as a
from capibara_otel.semconv import metrics as m
from capibara_otel.semconv import spans
from capibara_otel.semconv.instruments import Instruments
from capibara_otel.subsystems.rag import Rag
from capibara_otel.testing import Capture

cap = DEFAULT


def _search() -> Operation:
    return Operation(cap.emitter, spans.RAG_SEARCH).set(a.RAG_INDEX, "docs")


class TestEnd:
    """However an operation ends, it ends once."""

    def test_success(self, capture: Capture) -> None:
        """A block that returns gives one span without status, one count and one duration."""
        with _search() as operation:
            capture.clock.advance(0.25)
            assert operation.running
            assert operation.elapsed_s == 0.25

        span = capture.span("rag search docs")
        assert span.status.status_code is StatusCode.UNSET
        assert span.kind is SpanKind.INTERNAL
        assert span.attributes == {"capibara6.rag.index": "docs", "capibara6.outcome": "success"}
        assert span.end_time is not None
        assert span.start_time is not None
        assert span.end_time - span.start_time == 250_000_000
        assert capture.value("capibara6.rag.searches", {"capibara6.outcome": "success"}) == 1
        assert capture.points("capibara6.rag.search.duration")[0].sum == 0.25  # type: ignore[union-attr]
        assert operation.finished

    @pytest.mark.parametrize(
        ("error", "outcome", "kind", "status"),
        [
            (ValueError("no"), "error", "ValueError", StatusCode.ERROR),
            (TimeoutError(), "timeout", "TimeoutError", StatusCode.ERROR),
            (asyncio.CancelledError(), "cancelled", None, StatusCode.UNSET),
            (KeyboardInterrupt(), "cancelled", None, StatusCode.UNSET),
            (SystemExit(3), "cancelled", None, StatusCode.UNSET),
            (GeneratorExit(), "abandoned", None, StatusCode.UNSET),
            (UsageError("x"), "error", "capibara_otel.exceptions.UsageError", StatusCode.ERROR),
        ],
    )
    def test_exceptions_go_on_unchanged(
        self, capture: Capture, error: BaseException, outcome: str, kind: str | None, status: StatusCode
    ) -> None:
        """The caller's exception leaves the block as it is; the outcome says what it was."""
        with pytest.raises(type(error)) as caught, _search():
            raise error

        assert caught.value is error
        assert caught.value.__context__ is None
        span = capture.span("rag search docs")
        assert span.attributes is not None
        assert span.attributes["capibara6.outcome"] == outcome
        assert span.attributes.get("error.type") == kind
        assert span.status.status_code is status
        assert capture.value("capibara6.rag.searches", {"capibara6.outcome": outcome}) == 1

    def test_only_the_first_end_counts(self, capture: Capture) -> None:
        """Ending again, also from many threads at a time, changes nothing."""
        operation = _search().start()
        barrier = threading.Barrier(8)

        def end() -> None:
            barrier.wait()
            operation.finish()

        threads = [threading.Thread(target=end) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        operation.finish(ValueError())
        assert cap.current() is None
        assert len(capture.spans) == 1
        assert capture.value("capibara6.rag.searches") == 1
        operation.suspend()

    def test_a_used_operation_is_not_used_again(self, capture: Capture) -> None:
        """Entering a block twice with the same operation gives one span."""
        operation = _search()
        with operation:
            pass
        with operation:
            pass

        assert len(capture.spans) == 1

    def test_failure_without_exception(self, capture: Capture) -> None:
        """`fail` makes it a failure though the block returns."""
        with _search() as operation:
            operation.fail("no_answer")

        assert capture.attributes("rag search docs") == IsPartialDict(
            {"capibara6.outcome": "error", "error.type": "no_answer"}
        )
        assert capture.span("rag search docs").status.description == "no_answer"

    def test_a_handled_exception_is_described(self, capture: Capture) -> None:
        """`fail` with an exception puts its message, redacted, on the span."""
        with _search() as operation:
            operation.fail(ConnectionError("postgres://admin:hunter2@db/prod refused"))

        span = capture.span("rag search docs")
        assert span.status.description == "postgres://[redacted]@db/prod refused"
        assert "hunter2" not in span.to_json()

    def test_what_was_said_before_an_exception_holds(self, capture: Capture) -> None:
        """An outcome told in the block is kept when an exception leaves it."""
        operation = _search().start()
        operation.ended("disconnected")
        operation.finish(ValueError("late"))

        assert capture.attributes("rag search docs") == IsPartialDict({"capibara6.outcome": "disconnected"})

    def test_dropped_operations_end(self, capture: Capture) -> None:
        """An operation that is begun and dropped ends as abandoned."""
        _search().start(current=False)

        assert capture.attributes("rag search docs") == IsPartialDict({"capibara6.outcome": "abandoned"})

    def test_never_begun_never_ended(self, capture: Capture) -> None:
        """An operation that is made and dropped leaves no trace."""
        operation = _search()
        operation.finish()
        operation.suspend().activate()
        del operation

        assert capture.spans == ()
        assert capture.metric_names == set()

    def test_a_fork_does_not_end_its_parents_operations(self, capture: Capture) -> None:
        """What began in the parent process is neither counted nor ended in the child."""
        operation = _search().start()
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            operation.finish()
            os.write(writer, str(len(capture.spans)).encode())
            os._exit(0)
        os.waitpid(child, 0)
        operation.finish()

        assert os.read(reader, 10) == b"0"
        assert len(capture.spans) == 1
        os.close(reader)
        os.close(writer)


class TestNesting:
    """Operations are parents of what runs inside of them."""

    def test_children(self, capture: Capture) -> None:
        """An inner operation's parent is the outer one."""
        with _search() as outer, Operation(cap.emitter, spans.ACE_CYCLE).set(a.ACE_COMPONENT, "curator") as inner:
            assert cap.current() is inner

        parent = capture.span("ace cycle curator").parent
        assert parent is not None
        assert parent.span_id == outer.span.get_span_context().span_id

    def test_outer_ends_first(self, capture: Capture) -> None:
        """When the outer one ends before the inner one, nothing stays current after both."""
        outer = _search().start()
        inner = _search().start()
        outer.finish()
        assert cap.current() is inner
        inner.finish()

        assert cap.current() is None
        assert trace.get_current_span() is trace.INVALID_SPAN

    def test_suspended(self, capture: Capture) -> None:
        """A suspended operation is not current, an activated one is again."""
        operation = _search().start()
        operation.suspend()
        assert cap.current() is None
        with _search():
            pass
        operation.activate()
        operation.activate()
        assert cap.current() is operation
        operation.finish()

        inner, outer = capture.spans
        assert inner.parent is None
        assert outer.parent is None
        assert cap.current() is None

    def test_ended_elsewhere(self, capture: Capture, caplog: pytest.LogCaptureFixture) -> None:
        """An operation may end in another task and another thread, without noise and without a trace of it here."""

        async def end(operation: Operation) -> None:
            operation.finish()

        async def main() -> None:
            first = _search().start()
            await asyncio.create_task(end(first))
            assert cap.current() is None
            second = _search().start()
            await asyncio.to_thread(second.finish)
            assert cap.current() is None
            third = _search().start()
            thread = threading.Thread(target=third.finish)
            thread.start()
            thread.join()
            with _search() as last:
                assert last.running

        with caplog.at_level(logging.INFO):
            asyncio.run(main())

        assert len(capture.spans) == 4
        assert all(span.parent is None for span in capture.spans)
        assert caplog.records == []

    def test_explicit_parent(self, capture: Capture) -> None:
        """A parent context that is given is used instead of the current one."""
        with _search() as outer:
            pass
        with _search().start(parent=outer.context, current=False) as inner:
            assert cap.current() is None

        parent = inner.span.parent  # type: ignore[attr-defined]
        assert parent is None or parent.span_id == outer.span.get_span_context().span_id


class TestTelling:
    """What an operation is told."""

    def test_attributes_while_running(self, capture: Capture) -> None:
        """An attribute set in the block is on the span."""
        with _search() as operation:
            operation.set(a.RAG_TOP_K, 3)

        assert capture.attributes("rag search docs") == IsPartialDict({"capibara6.rag.top_k": 3})
        assert operation.attributes["capibara6.rag.top_k"] == 3

    def test_none_is_not_given(self, capture: Capture) -> None:
        """None leaves attributes and measurements as they are."""
        with _search() as operation:
            operation.set(a.RAG_TOP_K, None).measure(m.RAG_RESULTS, None)

        assert "capibara6.rag.results" not in capture.metric_names

    def test_measurements_carry_labels_known_at_the_end(self, capture: Capture) -> None:
        """A measurement is recorded at the end, with those attributes its metric may carry, and labels of its own."""
        with Operation(cap.emitter, spans.GEN_AI_CLIENT_INFERENCE) as call:
            call.measure(m.LLM_RETRIES, 2, labels={a.LLM_RETRY_REASON: "503"})
            call.set(a.GEN_AI_REQUEST_MODEL, "gpt-5-mini").set(a.GEN_AI_RESPONSE_ID, "r1")

        (point,) = capture.points("capibara6.llm.retries")
        assert point.attributes == {"gen_ai.request.model": "gpt-5-mini", "capibara6.llm.retry.reason": "503"}

    def test_active_goes_up_and_down(self, capture: Capture) -> None:
        """A kind with a gauge of what is active raises it at the start and lowers it at the end, same labels."""
        with Operation(cap.emitter, spans.E2B_SANDBOX).set(a.E2B_TEMPLATE, "base") as sandbox:
            assert capture.value("capibara6.e2b.sandboxes.active", {"capibara6.e2b.template": "base"}) == 1
            sandbox.set(a.E2B_TEMPLATE, "other")

        points = capture.points("capibara6.e2b.sandboxes.active")
        assert [point.value for point in points] == [0]  # type: ignore[union-attr]

    def test_wrong_values_raise_in_tests(self, capture: Capture) -> None:
        """In a test run a wrong value raises, naming call, argument, expectation and value."""
        operation = _search()
        with pytest.raises(UsageError) as caught:
            operation.set(a.RAG_TOP_K, "8")

        assert str(caught.value) == (
            "capibara_otel: cap.rag.search(top_k='8') expects int ≥ 1, got str; "
            "the value was left out (counted in capibara6_telemetry_invalid_total)"
        )

    def test_wrong_values_are_left_out(
        self, capture: Capture, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Elsewhere the caller goes on, the value is left out, one warning is said, each is counted."""
        monkeypatch.setenv("CAPIBARA_RAISE", "0")
        cap.emitter._said.__init__()  # type: ignore[misc]
        with caplog.at_level(logging.WARNING), _search() as operation:
            operation.set(a.RAG_TOP_K, 0)
            operation.set(a.RAG_TOP_K, value=True)
            operation.measure(m.RAG_RELEVANCE, float("nan"), "scores")
            operation.ended("perfect")
            operation.record(-1.0)

        assert [record.getMessage().split("; ")[0] for record in caplog.records] == [
            "capibara_otel: cap.rag.search(top_k=0) expects int ≥ 1, got int",
            "capibara_otel: cap.rag.search(scores=nan) expects finite number 0 to 1, got float",
            (
                "capibara_otel: cap.rag.search.ended(outcome='perfect') expects one of success, error, timeout, cancelled, "
                "disconnected, abandoned, rejected, got str"
            ),
            "capibara_otel: cap.rag.search(duration_s=-1.0) expects finite number ≥ 0, got float",
        ]
        assert capture.value("capibara6.telemetry.invalid", {"capibara6.telemetry.call": "rag.search"}) == 4
        assert capture.value("capibara6.telemetry.invalid", {"capibara6.telemetry.call": "rag.search.ended"}) == 1
        assert capture.attributes("rag search docs") == IsPartialDict({"capibara6.outcome": "success"})


class TestRecord:
    """Work that was measured elsewhere."""

    def test_span_ends_now(self, capture: Capture) -> None:
        """The span covers the time measured and ends now."""
        _search().record(2.0)

        span = capture.span("rag search docs")
        assert span.end_time == capture.clock.now_ns
        assert span.start_time == capture.clock.now_ns - 2_000_000_000
        assert capture.points("capibara6.rag.search.duration")[0].sum == 2.0  # type: ignore[union-attr]
        assert cap.current() is None

    @pytest.mark.parametrize(
        ("outcome", "error", "expected"),
        [
            ("", "", {"capibara6.outcome": "success"}),
            ("", TimeoutError(), {"capibara6.outcome": "timeout", "error.type": "TimeoutError"}),
            ("", "boom", {"capibara6.outcome": "error", "error.type": "boom"}),
            ("error", "", {"capibara6.outcome": "error", "error.type": "error"}),
            ("rejected", "full", {"capibara6.outcome": "rejected", "error.type": "full"}),
            ("cancelled", "", {"capibara6.outcome": "cancelled"}),
        ],
    )
    def test_outcomes(
        self, capture: Capture, outcome: str, error: BaseException | str, expected: dict[str, str]
    ) -> None:
        """Outcome and error say how it ended; one follows from the other."""
        _search().record(0.1, outcome=outcome, error=error)

        assert capture.attributes("rag search docs") == {"capibara6.rag.index": "docs", **expected}

    def test_metrics_only(self, capture: Capture) -> None:
        """Without a span the metrics are the same."""
        _search().record(0.1, span=False)

        assert capture.spans == ()
        assert capture.value("capibara6.rag.searches") == 1

    def test_unknown_outcome_records_nothing(self, capture: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
        """A result nobody knows is not counted as a success."""
        monkeypatch.setenv("CAPIBARA_RAISE", "0")
        _search().record(0.1, outcome="meh")

        assert capture.spans == ()
        assert capture.value("capibara6.rag.searches") == 0


class TestInterruption:
    """Operations begun and ended by what interrupts others."""

    def test_a_signal_handler_may_do_anything_at_any_moment(self) -> None:
        """A handler that runs whole operations in the middle of others waits for nobody, and nothing is lost."""
        rounds, begun = 3_000, 0
        ended: list[str] = []
        reader = Reader()
        emitter = Emitter()
        emitter.bind(
            TracerProvider(Resource(), on_end=lambda span: ended.append(span.name)),
            MeterProvider(Resource(), readers=[reader]),
        )
        rag = Rag(emitter)

        def handle(*_: object) -> None:
            nonlocal begun
            begun += 1
            with rag.search(index="handler", top_k=begun) as search:
                search.found(1)
            rag.vectors(index="handler", count=begun)
            signal.setitimer(signal.ITIMER_REAL, 0.0005)

        before = signal.signal(signal.SIGALRM, handle)
        signal.setitimer(signal.ITIMER_REAL, 0.0005)
        try:
            for number in range(rounds):
                with rag.search(index=f"app {number % 50}", top_k=8) as search:
                    search.found(number)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)

        counted = {
            metric.name: sum(getattr(point, "count", 0) or getattr(point, "value", 0) for point in metric.points)
            for scope in reader.collect().scopes
            for metric in scope.metrics
        }
        assert begun > 0
        assert len(ended) == rounds + begun
        assert ended.count("rag search handler") == begun
        assert counted["capibara6.rag.searches"] == rounds + begun
        assert counted["capibara6.rag.results"] == rounds + begun
        assert counted["capibara6.rag.vectors"] == begun
        assert current_operation() is None

    def test_threads_that_are_switched_all_the_time(self, capture: Capture) -> None:
        """Operations of many threads are counted one by one, however they are interleaved."""
        interval = sys.getswitchinterval()
        sys.setswitchinterval(1e-5)
        cap.emitter.hooks = ()

        def work(number: int) -> None:
            for _ in range(500):
                with cap.rag.search(index=f"{number % 2}", top_k=8) as search:
                    search.found(3)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        finally:
            sys.setswitchinterval(interval)

        assert capture.value("capibara6.rag.searches", {"capibara6.rag.index": "0"}) == 2_000
        assert capture.value("capibara6.rag.results") == 4_000
        assert len(capture.spans) == 4_000
        assert {span.attributes["capibara6.rag.results"] for span in capture.spans if span.attributes} == {3}


class TestHooks:
    """Who is told of operations."""

    def test_record(self, capture: Capture) -> None:
        """A hook gets everything about the operation, also who it was for."""
        with cap.context(user_id="u1"), _search() as operation:
            capture.clock.advance(1)

        (record,) = capture.records
        assert record.name == "rag search docs"
        assert record.duration_s == 1.0
        assert record.context == {"user.id": "u1"}
        assert record.trace_id == operation.trace_id
        assert record.parent_span_id == ""
        assert record.outcome == "success"
        assert [metric.name for metric, _ in record.measurements] == [
            "capibara6.rag.search.duration",
            "capibara6.rag.searches",
        ]

    def test_a_record_is_frozen(self, capture: Capture) -> None:
        """What an operation is told after its end does not change the record that hooks have."""
        with _search() as operation:
            pass
        operation.set(a.RAG_TOP_K, 3)

        assert a.RAG_TOP_K not in capture.records[0].attributes

    def test_a_broken_processor_harms_nobody(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A span processor of the app's that raises is counted; the app goes on, dropped operations too.

        With the official SDK, that is: the own pipeline lets no fault of a processor reach who ends a span.
        """

        class Broken(SpanProcessor):
            def on_end(self, span: ReadableSpan) -> None:
                """Raise."""
                raise RuntimeError("processor")

        monkeypatch.setenv("CAPIBARA_RAISE", "0")
        with Capture(pipeline="sdk") as capture:
            capture.tracer_provider.add_span_processor(Broken())
            with _search():
                pass
            _search().start(current=False)
            _search().start(current=False)

            assert capture.value("capibara6.rag.searches") == 3
            assert capture.value("capibara6.telemetry.errors", {"capibara6.telemetry.place": "operation.span"}) == 3

    def test_a_broken_meter_harms_nobody(self, capture: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
        """A meter that makes no instrument leaves span, record and the other metrics as they are."""

        class Broken(NoOpMeter):
            def create_counter(self, name: str, unit: str = "", description: str = "") -> Counter:
                """Raise, but for what counts faults."""
                if name == "capibara6.rag.searches":
                    raise RuntimeError("meter")
                return capture.meter_provider.get_meter("m").create_counter(name, unit, description)

        monkeypatch.setenv("CAPIBARA_RAISE", "0")
        cap.emitter.instruments = Instruments(Broken("broken"))
        with _search():
            pass

        assert len(capture.records) == len(capture.spans) == 1
        assert capture.value("capibara6.telemetry.errors", {"capibara6.telemetry.place": "metrics"}) == 1

    def test_without_a_thread_for_what_is_dropped(self, capture: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where no thread can be started, as at the interpreter's end, the app goes on and the fault is counted."""

        class Late(Reaper):
            def ensure(self) -> None:
                """Raise."""
                raise RuntimeError("can't create new thread at interpreter shutdown")

        monkeypatch.setenv("CAPIBARA_RAISE", "0")
        emitter = Emitter(clock=capture.clock)
        emitter.bind(capture.tracer_provider, capture.meter_provider)
        emitter.reaper = Late()
        Operation(emitter, spans.RAG_SEARCH).start(current=False).finish()

        assert len(capture.spans) == 1
        assert capture.value("capibara6.telemetry.errors", {"capibara6.telemetry.place": "operation.reaper"}) == 1

    def test_a_hook_may_flush(self, capture: Capture) -> None:
        """A hook that flushes or reads the metrics, also for a dropped operation, waits for nobody."""

        class Flushing:
            def on_end(self, *_: object) -> None:
                """Flush."""
                cap.force_flush()

        cap.emitter.hooks = (Flushing(), *cap.emitter.hooks)
        _search().start(current=False)
        cap.emitter.reaper.drain()

        assert capture.value("capibara6.rag.searches") == 1

    def test_a_broken_hook_harms_nobody(self, capture: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
        """A hook that raises is counted; the app, the span and the other hooks go on."""

        class Broken:
            def on_end(self, *_: object) -> None:
                """Raise."""
                raise RuntimeError("hook")

        monkeypatch.setenv("CAPIBARA_RAISE", "0")
        cap.emitter.hooks = (Broken(), *cap.emitter.hooks)
        with _search():
            pass

        assert len(capture.records) == 1
        assert len(capture.spans) == 1
        assert capture.value("capibara6.telemetry.errors", {"capibara6.telemetry.place": "operation.hook"}) == 1
