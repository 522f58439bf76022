"""The registry and what is emitted are the same: nothing more, nothing less."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import ReadableSpan

from capibara_otel.host import Collector
from capibara_otel.operation.context import KEYWORDS
from capibara_otel.registry import load
from capibara_otel.sdk import DEFAULT
from capibara_otel.semconv import attributes as a
from capibara_otel.semconv.metrics import METRICS
from capibara_otel.semconv.spans import SPANS
from capibara_otel.testing import Capture

cap = DEFAULT

EVERYWHERE = {a.ERROR_TYPE, a.OUTCOME, *KEYWORDS.values()}
"""Attributes that every span may carry."""

BY_THE_PIPELINE = {
    "capibara6.telemetry.dropped",
    "capibara6.telemetry.exported",
    "capibara6.telemetry.export.duration",
    "capibara6.telemetry.queue.size",
    "capibara6.telemetry.queue.capacity",
    "capibara6.telemetry.scrape.duration",
    "capibara6.telemetry.overflow",
    "capibara6.telemetry.traces.decided",
    "capibara6.telemetry.traces.undecided",
    "capibara6.telemetry.spool.size",
}
"""Emitted by a running pipeline, whose tests prove them."""


def _everything() -> None:
    """Open every operation and tell it all that can be told; `record_…` calls go through the same code."""
    with cap.context(user_id="u", session_id="s", tenant="t", request_id="r", conversation_id="c", agent="researcher"):
        _api()
        _routing_and_ace()
        _e2b_and_rag()
        _agents()
        _llm()
        _optimizations_and_business()
    Collector(cap.system, 60, cap.emitter.clock).collect()
    cap.system.record_disk_io(read=1, written=1)
    cap.system.record_network(received=1, sent=1)
    cap.system.record_gc(2, 0.001, 5)
    cap.system.record_event_loop_lag(0.001)


def _api() -> None:
    headers = {"http.request.header.accept": ["*/*"], "http.response.header.server": ["x"]}
    common = {
        a.URL_QUERY: "q=1",
        a.URL_SCHEME: "http",
        a.SERVER_ADDRESS: "localhost",
        a.SERVER_PORT: 80,
        a.CLIENT_ADDRESS: "::1",
        a.USER_AGENT_ORIGINAL: "test",
    }
    with cap.api.request(
        method="BREW", path="/x", attributes={**common, **headers, a.NETWORK_PROTOCOL_VERSION: "1.1"}
    ) as request:
        request.routed("/{x}")
        request.responded(503, 0.1)
        request.sizes(1, 2, 3)
        request.disconnected()
        cap.api.exception(ValueError(), route="/{x}")
        with cap.api.background(route="/{x}"):
            pass
    with cap.api.websocket(
        path="/ws", attributes={**common, "http.request.header.accept": ["*/*"], a.HTTP_RESPONSE_STATUS_CODE: 101}
    ) as socket:
        socket.routed("/ws")
        socket.message("receive")


def _routing_and_ace() -> None:
    with cap.routing.decide(query_type="code") as decision:
        decision.chose("m", complexity="low", confidence=0.5, over=["n"], instead_of="o", reason="unhealthy")
    with cap.ace.cycle(component="generator") as cycle:
        cycle.aware(0.5)
        cycle.tokens(10, 5)
    cap.ace.playbook(entries=3, added=1, updated=1, removed=1)


def _e2b_and_rag() -> None:
    with cap.e2b.sandbox(template="base", sandbox_id="s1") as sandbox:
        sandbox.ready()
        with cap.e2b.execute(language="python", template="base", timeout_s=5.0, sandbox_id="s1") as execution:
            execution.waited(0.1)
            execution.exited(1, timed_out=True, cpu_s=0.1, memory_peak=1000)
    cap.e2b.queue(size=1, template="base")
    with cap.rag.search(index="docs", top_k=3, query="q") as search:
        search.found(2, scores=[0.5, 0.7])
    with cap.rag.ingest(index="docs") as ingestion:
        ingestion.ingested(1, 2)
    cap.rag.vectors(index="docs", count=2)


def _agents() -> None:
    with cap.agents.interaction(domain="d", agent_id="a1", agent_name="n") as interaction:
        interaction.step()
        interaction.memory(size=10, entries=1)
    with cap.agents.graduate(domain="d", agent_id="a1") as graduation:
        graduation.failed(0.2)
    with cap.agents.memory("read", domain="d", agent_id="a1") as memory:
        memory.touched(1)
    cap.agents.active(domain="d", count=1)


def _llm() -> None:
    with cap.llm.chat(
        provider="openai",
        model="m",
        streamed=True,
        max_tokens=5,
        temperature=0.1,
        messages=[{"role": "user", "content": "hi"}],
        server_address="localhost",
        server_port=1,
    ) as chat:
        chat.chunk()
        chat.chunk()
        chat.retried("503")
        chat.provider_error("503")
        chat.usage(input_tokens=3, output_tokens=2, cached_tokens=1, cache_write_tokens=1, reasoning_tokens=1)
        chat.answered(model="m-1", response_id="r", finish_reason="stop", text="hello")
    with cap.llm.embed(provider="openai", model="e", inputs=2, server_address="localhost", server_port=1) as embedding:
        embedding.usage(input_tokens=3)
        embedding.answered(model="e-1")
        embedding.retried("503")


def _optimizations_and_business() -> None:
    with cap.optimizations.cache("answers") as lookup:
        lookup.hit()
    cap.optimizations.cache_state("answers", entries=1, evicted=1)
    with cap.optimizations.batch("embeddings", size=2) as batch:
        batch.waited(0.1)
    for share in (0.5, -0.5):
        with cap.optimizations.apply("compression") as application:
            application.improved(share)
    with cap.business.query(query_type="code", tier="pro") as query:
        query.satisfied(5)
    cap.business.users(tier="pro", active=1)
    cap.business.kpi("accepted", 0.5)


@pytest.fixture(name="emitted", scope="module")
def _emitted() -> Iterator[Capture]:
    with Capture(capture_content=True, gen_ai_metrics="both") as capture, pytest.MonkeyPatch.context() as patch:
        _everything()
        patch.setenv("CAPIBARA_RAISE", "0")
        cap.rag.vectors(index="docs", count=math.nan)  # type: ignore[arg-type]
        cap.emitter.fault("test", ValueError())
        yield capture


def test_every_metric_is_declared(emitted: Capture) -> None:
    """Nothing is emitted that the registry does not name."""
    assert emitted.metric_names - {spec.name for spec in METRICS} == set()


def test_every_declared_metric_is_emitted(emitted: Capture) -> None:
    """The registry names nothing that no helper emits."""
    assert {spec.name for spec in METRICS} - emitted.metric_names - BY_THE_PIPELINE == set()


def test_labels_are_those_declared(emitted: Capture) -> None:
    """A metric carries the labels the registry allows, and each of them at least once."""
    for spec in METRICS:
        labels = {name for point in emitted.points(spec.name) for name in point.attributes or {}}
        if spec.name not in BY_THE_PIPELINE and spec.name not in _PARTLY:
            assert labels == set(spec.attributes) - ({a.ERROR_TYPE} - labels), spec.name


_PARTLY = {"capibara6.telemetry.errors", "capibara6.telemetry.invalid"}


def test_instruments_and_units(emitted: Capture) -> None:
    """Unit and description come from the registry."""
    data = emitted._data()
    seen = {
        one.name: (one.unit, one.description)
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for one in scope.metrics
    }
    assert seen == {spec.name: (spec.unit, spec.brief) for spec in METRICS if spec.name in seen}


def test_every_span_is_declared(emitted: Capture) -> None:
    """Each span's attributes are declared for its kind, and each declared one was set."""
    by_type = {spec.type: spec for spec in SPANS}
    set_on: dict[str, set[str]] = {spec.type: set() for spec in SPANS}
    spans = {f"{span.get_span_context().span_id:016x}": span for span in emitted.spans}  # type: ignore[union-attr]
    for record in emitted.records:
        attributes = dict(spans[record.span_id].attributes or {})
        assert {**record.context, **record.attributes}.keys() == attributes.keys()
        set_on[record.spec.type] |= {_declared(name) for name in attributes} - EVERYWHERE
    for kind, names in set_on.items():
        assert names == set(by_type[kind].attributes) - EVERYWHERE, kind


def test_who_it_was_for_is_on_every_span_and_no_metric(emitted: Capture) -> None:
    """User, session, tenant, request, conversation and agent are on all spans and on no metric."""
    assert all(set(KEYWORDS.values()) <= set(span.attributes or {}) for span in _of_context(emitted))
    for spec in METRICS:
        for point in emitted.points(spec.name):
            assert not set(KEYWORDS.values()) & set(point.attributes or {})


def test_generated_modules_equal_the_registry() -> None:
    """The generated specifications are those of the YAML files."""
    registry = load()

    assert {spec.name: spec for spec in registry.metrics} == {spec.name: spec for spec in METRICS}
    assert {spec.type: spec for spec in registry.spans} == {spec.type: spec for spec in SPANS}
    assert {spec.name: spec for spec in registry.attributes} == dict(a.ATTRIBUTES)


def _of_context(emitted: Capture) -> list[ReadableSpan]:
    return list(emitted.spans)


def _declared(name: str) -> str:
    for spec in a.ATTRIBUTES.values():
        if spec.template and name.startswith(spec.name + "."):
            return spec.name
    return name
