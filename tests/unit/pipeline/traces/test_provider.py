"""What a provider hands out, whom it tells, and that nobody is harmed."""

from __future__ import annotations

import json
import logging
import os
import random
import subprocess
import sys
from textwrap import dedent
from typing import Any

import pytest
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import NonRecordingSpan, NoOpTracer, TraceState, set_span_in_context
from opentelemetry.trace import TracerProvider as ApiTracerProvider

from capibara_otel.pipeline.scope import Resource
from capibara_otel.pipeline.traces.official import readable
from capibara_otel.pipeline.traces.provider import TracerProvider
from capibara_otel.pipeline.traces.sampling import Sampling
from capibara_otel.pipeline.traces.span import Span
from capibara_otel.pipeline.traces.tracer import Tracer
from tests.unit.pipeline.traces.support import Ended, provider_into, remote


@pytest.fixture
def ended() -> Ended:
    """The spans that ended."""
    return Ended()


@pytest.fixture
def unharmed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Faults of telemetry are kept from the app, as outside of tests."""
    monkeypatch.setenv("CAPIBARA_RAISE", "0")


# --- tracers


def test_the_same_library_has_one_tracer(ended: Ended) -> None:
    """Name, version, schema and attributes tell tracers apart; a later call with the same ones gets the same."""
    provider = provider_into(ended)
    first = provider.get_tracer("lib", "1", "schema", {"a": [1]})

    assert isinstance(provider, ApiTracerProvider)
    assert provider.get_tracer("lib", "1", "schema", {"a": [1]}) is first
    others = [
        provider.get_tracer("lib"),
        provider.get_tracer("lib", "2", "schema", {"a": [1]}),
        provider.get_tracer("lib", "1", "other", {"a": [1]}),
        provider.get_tracer("lib", "1", "schema", {"a": [2]}),
    ]
    assert len({id(tracer) for tracer in (first, *others)}) == 5
    assert isinstance(first, Tracer)
    assert (first.scope.name, first.scope.version, first.scope.schema_url) == ("lib", "1", "schema")
    assert first.scope.attributes == {"a": (1,)}


@pytest.mark.parametrize("name", ["", None])
def test_a_library_without_a_name_is_said(ended: Ended, caplog: pytest.LogCaptureFixture, name: Any) -> None:
    """It gets a tracer all the same."""
    tracer = provider_into(ended).get_tracer(name)

    assert isinstance(tracer, Tracer)
    assert tracer.scope.name == ""
    assert "missing module name" in caplog.text


def test_disabled_it_does_nothing(ended: Ended, monkeypatch: pytest.MonkeyPatch) -> None:
    """`OTEL_SDK_DISABLED=true` makes every tracer one that does nothing."""
    monkeypatch.setenv("OTEL_SDK_DISABLED", " True ")
    assert isinstance(provider_into(ended).get_tracer("lib"), NoOpTracer)


def test_it_reads_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sampler and limits come from the environment where they are not given."""
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    monkeypatch.setenv("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "1")
    resource = Resource({})

    assert isinstance(TracerProvider(resource).get_tracer("lib").start_span("a"), NonRecordingSpan)
    limited = (
        TracerProvider(resource, sampler=Sampling()).get_tracer("lib").start_span("a", attributes={"a": 1, "b": 2})
    )
    assert isinstance(limited, Span)
    assert limited.attributes == {"b": 2}


# --- parents and ids


def test_a_remote_parent_is_continued(ended: Ended) -> None:
    """Trace id, random flag and trace state of a remote parent go on to the span and to its children."""
    state = TraceState([("vendor", "x"), ("other", "y")])
    tracer = provider_into(ended).get_tracer("lib")
    with tracer.start_as_current_span("server", remote(10, 20, 3, state)):
        tracer.start_span("inner").end()

    inner, server = ended
    assert (server.trace_id, server.parent_id, server.parent_is_remote) == (10, 20, True)
    assert (inner.trace_id, inner.parent_id, inner.parent_is_remote) == (10, server.span_id, False)
    for span in ended:
        assert span.trace_state == "vendor=x,other=y"
        assert span.get_span_context().trace_state == state
        assert span.flags == 3
    parent = server.parent
    assert parent is not None
    assert (parent.span_id, parent.is_remote, parent.trace_flags, parent.trace_state) == (20, True, 3, state)


def test_a_remote_decision_holds(ended: Ended) -> None:
    """Where the remote parent is not sampled nothing is recorded, and the ids still go on."""
    span = provider_into(ended).get_tracer("lib").start_span("server", remote(10, 20, 0))

    assert isinstance(span, NonRecordingSpan)
    assert span.get_span_context().trace_id == 10
    assert not span.get_span_context().is_remote


def test_ids_are_random_whatever_the_app_seeds(ended: Ended) -> None:
    """No id comes twice, and `random.seed` of the app does not repeat them."""
    tracer = provider_into(ended).get_tracer("lib")
    for _ in range(500):
        random.seed(1)
        tracer.start_span("a").end()

    assert len({span.span_id for span in ended}) == 500
    assert len({span.trace_id for span in ended}) == 500
    assert all(0 < span.span_id < 2**64 and 0 < span.trace_id < 2**128 for span in ended)


class _OddIds(IdGenerator):
    """Makes ids that are none."""

    def __init__(self, *ids: Any) -> None:
        self._ids = list(ids)

    def generate_trace_id(self) -> int:
        """Return the next."""
        return self.generate_span_id()

    def generate_span_id(self) -> int:
        """Return the next."""
        made = self._ids.pop(0)
        if isinstance(made, Exception):
            raise made
        return int(made)


def test_ids_that_are_none_are_replaced(ended: Ended, unharmed: None) -> None:
    """An id generator that fails, or makes ids no span can have, costs no span: it gets random ids."""
    tracer = provider_into(ended, id_generator=_OddIds(0, 2**64, RuntimeError(), 5, 2**128, 0)).get_tracer("lib")
    for name in "abc":
        tracer.start_span(name).end()

    assert all(0 < span.trace_id < 2**128 and 0 < span.span_id < 2**64 for span in ended)
    assert ended[1].span_id == 5
    assert ended[0].flags == 1


class _Failing(Sampler):
    """A sampler that fails."""

    def should_sample(self, *_: Any, **__: Any) -> SamplingResult:
        """Fail."""
        raise RuntimeError("no decision")

    def get_description(self) -> str:
        """Name it."""
        return "failing"


def test_a_sampler_that_fails_harms_nobody(ended: Ended, unharmed: None, caplog: pytest.LogCaptureFixture) -> None:
    """The parent's decision holds then, and a root is recorded; it is said once."""
    tracer = provider_into(ended, sampler=_Failing()).get_tracer("lib")
    tracer.start_span("root", attributes={"a": 1}).end()
    tracer.start_span("sampled", remote(10, 20, 1, TraceState([("v", "x")]))).end()
    tracer.start_span("not sampled", remote(10, 20, 0)).end()

    assert [(span.name, span.values) for span in ended] == [("root", {"a": 1}), ("sampled", {})]
    assert ended[1].trace_state == "v=x"
    assert caplog.text.count("telemetry fault in traces.sampler") == 1


class _RecordOnly(Sampler):
    """Has spans recorded and not sampled."""

    def should_sample(self, *_: Any, **__: Any) -> SamplingResult:
        """Decide."""
        return SamplingResult(Decision.RECORD_ONLY, {"of": "sampler"}, TraceState([("v", "x")]))

    def get_description(self) -> str:
        """Name it."""
        return "record only"


def test_what_is_recorded_and_not_sampled_goes_to_processors_only(ended: Ended) -> None:
    """Such a span is live and is read by processors; it is not exported."""
    kept = InMemorySpanExporter()
    seen = _Seen()
    tracer = provider_into(ended, sampler=_RecordOnly(), processors=[seen, SimpleSpanProcessor(kept)]).get_tracer("lib")
    span = tracer.start_span("a")
    assert span.is_recording()
    span.end()

    assert ended == []
    assert [(each.name, dict(each.attributes or {})) for each in seen.ended] == [
        ("a", {"of": "sampler", "by": "processor"})
    ]
    assert kept.get_finished_spans() == ()


# --- whom it tells


class _Seen(SpanProcessor):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.started: list[tuple[Any, Context | None]] = []
        self.ended: list[ReadableSpan] = []
        self.ending: list[Any] = []
        self.calls: list[str] = []

    def on_start(self, span: Any, parent_context: Context | None = None) -> None:
        """Take a span that begins."""
        self.started.append((span, parent_context))
        span.set_attribute("by", "processor")

    def on_end(self, span: ReadableSpan) -> None:
        """Take one that ended."""
        self.ended.append(span)

    def shutdown(self) -> None:
        """Note it."""
        self.calls.append("shutdown")

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Note it."""
        self.calls.append("flush")
        return True


class _Ending(_Seen):
    """Wants to be told of the ending too."""

    def _on_ending(self, span: Any) -> None:
        self.ending.append((span, span.is_recording(), span.end_time))
        span.set_attribute("late", 1)


def test_processors_of_the_sdks_kind_work(ended: Ended, caplog: pytest.LogCaptureFixture) -> None:
    """One gets the live span and the given context at the start, is told of the end if it asks, and reads the SDK's kind."""
    plain, asking = _Seen(), _Ending()
    provider = provider_into(ended, processors=[plain])
    provider.add_span_processor(asking)
    around = remote()
    span = provider.get_tracer("lib", "1").start_span("a", around)
    span.end(9)

    assert plain.started == asking.started == [(span, around)]
    assert asking.ending == [(span, False, 9)]
    (read,) = plain.ended
    assert type(read) is ReadableSpan
    assert read is asking.ended[0]
    assert dict(read.attributes or {}) == ended[0].values == {"by": "processor"}
    assert read.resource.attributes == {"service.name": "test"}
    assert (read.instrumentation_scope.name, read.instrumentation_scope.version) == ("lib", "1")  # type: ignore[union-attr]
    assert read._instrumentation_info.name == "lib"  # type: ignore[union-attr]
    assert caplog.text.count("Setting attribute on ended span.") == 1


def test_without_a_context_given_processors_get_none(ended: Ended) -> None:
    """None stands for the current context, as with the SDK."""
    seen = _Seen()
    provider_into(ended, processors=[seen]).get_tracer("lib").start_span("a")
    assert seen.started[0][1] is None


class _Broken(SpanProcessor):
    """Fails at everything."""

    def on_start(self, *_: Any, **__: Any) -> None:
        """Fail."""
        raise RuntimeError("start")

    def _on_ending(self, *_: Any) -> None:
        raise RuntimeError("ending")

    def on_end(self, *_: Any) -> None:
        """Fail."""
        raise RuntimeError("end")

    def shutdown(self) -> None:
        """Fail."""
        raise RuntimeError("shutdown")

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Fail."""
        raise RuntimeError("flush")


def test_who_fails_harms_nobody(unharmed: None, caplog: pytest.LogCaptureFixture) -> None:
    """Faults of processors, hooks and the queue stay away from the app and from each other; each is said once."""
    seen = _Seen()

    def fail(*_: Any) -> None:
        raise RuntimeError("queue")

    provider = TracerProvider(Resource({}), on_end=fail, processors=[_Broken(), seen])
    provider.on_start.append(fail)
    tracer = provider.get_tracer("lib")
    for _ in range(3):
        tracer.start_span("a").end()

    assert len(seen.started) == len(seen.ended) == 3
    assert not provider.force_flush(1000)
    provider.shutdown()
    assert seen.calls == ["flush", "shutdown"]
    faults = [record.message for record in caplog.records if record.levelno >= logging.ERROR]
    assert len(faults) == len(set(faults)) == 7


def test_flushing_keeps_its_deadline(ended: Ended) -> None:
    """No processor is asked to flush once the time is over; without processors there is nothing to flush."""
    seen = _Seen()
    assert provider_into(ended).force_flush(0)
    provider = provider_into(ended, processors=[seen])
    assert not provider.force_flush(0)
    assert seen.calls == []
    assert provider.force_flush(10_000)
    assert seen.calls == ["flush"]


def test_hooks_are_told_of_each_recorded_span(ended: Ended) -> None:
    """`on_start` gets the live span and the context around it, before processors, and none that is not recorded."""
    seen = _Seen()
    told: list[tuple[Span, Context]] = []

    def hook(span: Span, context: Context) -> None:
        told.append((span, context))
        span.set_attribute("user.id", "u1")
        assert seen.started == []

    provider = provider_into(ended, processors=[seen])
    provider.on_start.append(hook)
    tracer = provider.get_tracer("lib")
    around = remote()
    tracer.start_span("a", around).end()
    tracer.start_span("not recorded", remote(flags=0)).end()

    assert told == [(ended[0], around)]
    assert ended[0].values["user.id"] == "u1"


def test_readable_spans_share_the_spans_attributes(ended: Ended) -> None:
    """What an older processor changes in a span's attributes, in the way it must do it, is exported changed."""

    class Redact(SpanProcessor):
        def on_end(self, span: ReadableSpan) -> None:
            inner: Any = span
            inner._attributes._dict["secret"] = "***"

    provider_into(ended, processors=[Redact()]).get_tracer("lib").start_span("a", attributes={"secret": "s"}).end()
    assert ended[0].values == {"secret": "***"}


def test_an_open_span_can_be_read_in_the_sdks_form(ended: Ended) -> None:
    """`readable` gives what is known by now."""
    span = provider_into(ended).get_tracer("lib").start_span("a")
    assert isinstance(span, Span)
    span.add_event("event", {"a": 1}, 5)
    read = readable(span, ended.provider.resource)

    assert read.end_time is None
    assert [(event.name, event.timestamp) for event in read.events] == [("event", 5)]


# --- the fork

_FORK = """
    import json, os
    from opentelemetry.sdk.trace import SpanProcessor
    from capibara_otel.pipeline.scope import Resource
    from capibara_otel.pipeline.traces.provider import TracerProvider

    ended, seen = [], []

    class Processor(SpanProcessor):
        def on_end(self, span):
            seen.append([span.name, span.resource.attributes["n"]])

    provider = TracerProvider(Resource({"n": 1}), on_end=ended.append, processors=[Processor()])
    tracer = provider.get_tracer("lib")
    begun = tracer.start_span("begun before")
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        provider.after_fork(Resource({"n": 2}))
        begun.set_attribute("a", 1)
        begun.end()
    tracer.start_span("after").end()
    provider.get_tracer("other").start_span("other").end()
    if child:
        os.waitpid(child, 0)
        begun.end()
    report = {
        "names": [span.name for span in ended],
        "ids": [span.span_id for span in ended] + [span.trace_id for span in ended],
        "resources": [span.resource.attributes["n"] for span in ended],
        "seen": seen,
    }
    if child:
        os.close(writing)
        print(json.dumps([report, json.loads(os.read(reading, 65536))]))
    else:
        os.write(writing, json.dumps(report).encode())
        os._exit(0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_begins_anew() -> None:
    """A span begun before ends in the parent only; the child's have its resource and other ids than the parent's."""
    ran = subprocess.run(
        [sys.executable, "-c", dedent(_FORK)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=dict(os.environ),
    )
    assert ran.returncode == 0, ran.stderr
    parent, child = json.loads(ran.stdout)

    assert child["names"] == ["after", "other"]
    assert child["resources"] == [2, 2]
    assert child["seen"] == [["after", 2], ["other", 2]]
    assert parent["names"] == ["after", "other", "begun before"]
    assert parent["resources"] == [1, 1, 1]
    assert not set(parent["ids"]) & set(child["ids"])


def test_spans_that_nobody_takes_only_carry_their_ids() -> None:
    """Without a taker a span records nothing, is sampled all the same, and a processor that comes later has the next."""
    provider = TracerProvider(Resource(), is_heard=False)
    tracer = provider.get_tracer("t")
    parent = tracer.start_span("parent", attributes={"a": 1})
    child = tracer.start_span("child", context=set_span_in_context(parent))

    assert not parent.is_recording()
    assert parent.get_span_context().trace_flags.sampled
    assert child.get_span_context().trace_id == parent.get_span_context().trace_id
    assert child.get_span_context().trace_flags.sampled

    kept = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    tracer.start_span("later").end()

    assert [span.name for span in kept.get_finished_spans()] == ["later"]
