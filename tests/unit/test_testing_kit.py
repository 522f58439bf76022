"""`capibara_otel.testing`, as its users have it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest
from opentelemetry import metrics, trace

from capibara_otel.sdk import DEFAULT, Capibara
from capibara_otel.testing import START_NS, Capture, FakeClock, SequentialIds


class TestFakeClock:
    """Time that tests decide."""

    def test_it_stands_still_until_it_is_told_otherwise(self) -> None:
        """Both readings move by what is told and by nothing else."""
        clock = FakeClock()

        assert (clock.time_ns(), clock.monotonic_ns()) == (START_NS, 0)
        clock.advance(1.5)
        clock.advance(0.000000001)
        assert (clock.time_ns(), clock.monotonic_ns()) == (START_NS + 1_500_000_001, 1_500_000_001)

    def test_it_may_begin_anywhere(self) -> None:
        """A test may choose the time it plays at."""
        assert FakeClock(5).time_ns() == 5


def test_sequential_ids() -> None:
    """Trace and span ids count up, each by itself."""
    ids = SequentialIds()

    assert [ids.generate_trace_id(), ids.generate_span_id(), ids.generate_span_id(), ids.generate_trace_id()] == [
        1,
        1,
        2,
        2,
    ]


class TestCapture:
    """Everything that is emitted, in memory."""

    def test_it_takes_everything(self, capture: Capture) -> None:
        """Spans, metrics, records of operations, log lines and log records of the default instance."""
        with DEFAULT.rag.search(index="docs") as search:
            capture.clock.advance(0.5)
            search.found(1)
        DEFAULT.log.rag.info("done")

        assert capture.attributes("rag search docs")["capibara6.rag.results"] == 1
        assert capture.span("rag search docs").end_time == START_NS + 500_000_000
        assert [record.name for record in capture.records] == ["rag search docs"]
        assert [record.duration_s for record in capture.records] == [0.5]
        assert capture.value("capibara6.rag.searches") == 1
        assert "capibara6.rag.results" in capture.metric_names
        assert len(capture.lines) == 2
        assert [record.log_record.body for record in capture.log_records] == ["rag search docs", "done"]
        assert all('"timestamp": "2023-11-14T22:13:20.500000Z"' in line for line in capture.lines)

    def test_ids_are_sequential(self, capture: Capture) -> None:
        """The first span is 1 in trace 1, the next one in its own trace 2 and 2."""
        for _ in range(2):
            DEFAULT.rag.record_search("docs", 1)

        ids = [(span.context.trace_id, span.context.span_id) for span in capture.spans if span.context]
        assert ids == [(1, 1), (2, 2)]

    def test_values_by_label(self, capture: Capture) -> None:
        """A counter's sum, a gauge's value and a histogram's count, of all points or of those with the labels."""
        DEFAULT.rag.record_search("a", 1)
        DEFAULT.rag.record_search("b", 1)
        DEFAULT.rag.record_search("b", 1)
        DEFAULT.rag.vectors(index="a", count=7)

        assert capture.value("capibara6.rag.searches") == 3
        assert capture.value("capibara6.rag.searches", {"capibara6.rag.index": "b"}) == 2
        assert capture.value("capibara6.rag.search.duration", {"capibara6.rag.index": "b"}) == 2
        assert capture.value("capibara6.rag.vectors") == 7
        assert capture.value("capibara6.rag.vectors", {"capibara6.rag.index": "b"}) == 0
        assert capture.value("no.such.metric") == 0
        assert len(capture.points("capibara6.rag.searches")) == 2

    def test_a_span_that_is_not_there(self, capture: Capture) -> None:
        """The message names the spans there are."""
        DEFAULT.rag.record_search("docs", 1)
        DEFAULT.rag.record_search("docs", 1)

        with pytest.raises(AssertionError, match=r"^0 spans named 'x' in \['rag search docs', 'rag search docs'\]$"):
            capture.span("x")
        with pytest.raises(AssertionError, match=r"^2 spans named 'rag search docs' in "):
            capture.attributes("rag search docs")

    def test_it_puts_everything_back(self) -> None:
        """After the block the instance is as it was, and what it does is not captured."""
        cap = Capibara()
        before = (cap.emitter.tracer, cap.emitter.instruments, cap.emitter.clock, cap.emitter.policy, cap.emitter.hooks)
        output = cap.log.output
        with Capture(cap, capture_content=True, gen_ai_metrics="both") as capture:
            assert cap.emitter.clock is capture.clock
            assert cap.emitter.policy.capture_content
        cap.rag.record_search("docs", 1)

        after = (cap.emitter.tracer, cap.emitter.instruments, cap.emitter.clock, cap.emitter.policy, cap.emitter.hooks)
        assert after == before
        assert cap.log.output is output
        assert not capture.spans
        assert not capture.metric_names

    def test_it_puts_everything_back_after_a_failure(self) -> None:
        """Also where the test fails."""
        cap = Capibara()
        tracer = cap.emitter.tracer
        with pytest.raises(ZeroDivisionError), Capture(cap):
            _ = 1 / 0

        assert cap.emitter.tracer is tracer

    def test_one_within_another(self) -> None:
        """The inner one takes what happens inside of it, and nothing else."""
        cap = Capibara()
        with Capture(cap) as outer:
            with Capture(cap) as inner:
                cap.rag.record_search("inner", 1)
            cap.rag.record_search("outer", 1)

            assert [span.name for span in inner.spans] == ["rag search inner"]
            assert [span.name for span in outer.spans] == ["rag search outer"]

    def test_hit_rates_do_not_leak_between_captures(self) -> None:
        """A test's look-ups in a cache say nothing about the next test's, nor about the program's own."""
        cap = Capibara()
        cap.optimizations.record_cache("answers", "miss")
        for _ in range(2):
            with Capture(cap) as capture:
                cap.optimizations.record_cache("answers", "hit")
                assert capture.value("capibara6.cache.hit.rate") == 1

        with Capture(cap) as capture:
            cap.optimizations.record_cache("answers", "hit")
        assert cap.optimizations.rates.after("answers", hit=True) == 0.5

    def test_it_leaves_the_global_providers_alone(self, capture: Capture) -> None:
        """What the app does with OpenTelemetry itself is not touched."""
        assert trace.get_tracer_provider() is not capture.tracer_provider
        assert metrics.get_meter_provider() is not capture.meter_provider

    def test_a_clock_of_ones_own(self) -> None:
        """Tests may share a clock between captures."""
        clock = FakeClock()
        with Capture(Capibara(), clock=clock) as capture:
            assert capture.clock is clock


def test_as_its_users_have_it(tmp_path: Path) -> None:
    """The fixture works in a project of its own, as the documentation shows, and dropped operations are counted."""
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["capibara_otel.testing"]\n', encoding="utf-8")
    (tmp_path / "test_app.py").write_text(
        dedent("""\
        import capibara_otel as cap
        import pytest

        def answer(question):
            with cap.rag.search(index="docs") as search:
                search.found(3)

        def test_search_is_observed(capture):
            answer("how do I open a file?")

            assert capture.span("rag search docs").attributes["capibara6.rag.results"] == 3
            assert capture.value("capibara6.rag.searches") == 1

        def test_each_test_has_its_own(capture):
            assert not capture.spans and not capture.metric_names and not capture.lines

        def test_mistakes_are_raised(capture):
            with pytest.raises(cap.UsageError):
                cap.rag.search(index="docs", top_k=0)

        def test_what_is_dropped_is_counted(capture):
            stream = cap.rag.search(index="docs").stream([1, 2])
            next(stream)
            del stream
            assert capture.value("capibara6.rag.searches", {"capibara6.outcome": "abandoned"}) == 1
        """),
        encoding="utf-8",
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", str(tmp_path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout
    assert "4 passed" in done.stdout
