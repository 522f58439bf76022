"""Examples of the public API that the type checker must understand as users do. Never run, only checked.

Lines with an ignore are wrong on purpose: the checker reports an ignore that is not needed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import assert_type

from fastapi import FastAPI
from opentelemetry.trace import Span
from opentelemetry.util.types import AttributeValue

import capibara_otel as cap
from capibara_otel.monitoring.prometheus_metrics import PrometheusMetrics, get_prometheus_metrics
from capibara_otel.subsystems.ace import Cycle
from capibara_otel.subsystems.agents import Graduation, Interaction, Memory
from capibara_otel.subsystems.api import Request, WebSocket
from capibara_otel.subsystems.business import Query
from capibara_otel.subsystems.e2b import Execution, Sandbox
from capibara_otel.subsystems.llm import Chat, Embedding
from capibara_otel.subsystems.optimizations import Application, Batch, Lookup
from capibara_otel.subsystems.rag import Ingestion, Search
from capibara_otel.subsystems.routing import Decision
from capibara_otel.testing import Capture, FakeClock

# --- set-up

app = FastAPI()
assert_type(cap.configure(service_name="my-agent"), cap.Capibara)
assert_type(cap.instrument_fastapi(app), FastAPI)
assert_type(cap.force_flush(2), bool)
assert_type(cap.shutdown(), bool)
assert_type(cap.metrics(), str)
assert_type(cap.__version__, str)
assert_type(cap.current(), cap.Operation | None)
cap.configure(service_name=7)  # type: ignore[arg-type]
cap.configure(no_such_setting=1)  # type: ignore[call-arg]

# --- blocks


def blocks() -> None:
    """Each verb opens its own kind of operation."""
    with cap.context(user_id=7, session_id="s", tenant="acme", request_id="r"):
        with cap.rag.search(index="docs", top_k=8) as search:
            assert_type(search, Search)
            assert_type(search.found(3, scores=[0.5]), None)
            assert_type(search.attributes, Mapping[str, AttributeValue])
            assert_type(search.trace_id, str)
            assert_type(search.span, Span)
        with cap.rag.ingest(index="docs") as ingestion:
            assert_type(ingestion, Ingestion)
        with cap.routing.decide() as decision:
            assert_type(decision, Decision)
        with cap.ace.cycle(component="generator") as cycle:
            assert_type(cycle, Cycle)
        with cap.e2b.execute(language="python") as execution:
            assert_type(execution, Execution)
        with cap.e2b.sandbox() as sandbox:
            assert_type(sandbox, Sandbox)
        with cap.agents.interaction(domain="d") as interaction:
            assert_type(interaction, Interaction)
        with cap.agents.graduate(domain="d") as graduation:
            assert_type(graduation, Graduation)
        with cap.agents.memory("read", domain="d") as memory:
            assert_type(memory, Memory)
        with cap.optimizations.cache("c") as lookup:
            assert_type(lookup, Lookup)
        with cap.optimizations.batch("b", size=1) as batch:
            assert_type(batch, Batch)
        with cap.optimizations.apply("o") as application:
            assert_type(application, Application)
        with cap.business.query(query_type="q") as query:
            assert_type(query, Query)
        with cap.api.request(method="GET") as request:
            assert_type(request, Request)
        with cap.api.websocket() as socket:
            assert_type(socket, WebSocket)


async def asynchronous_blocks() -> None:
    """`async with` opens the same."""
    async with cap.llm.chat(provider="openai", model="m") as chat:
        assert_type(chat, Chat)
        assert_type(chat.usage(input_tokens=1), None)
    async with cap.llm.embed(provider="openai", model="m") as embedding:
        assert_type(embedding, Embedding)


def wrong_calls() -> None:
    """Mistakes are found before they run."""
    cap.rag.search("docs")  # type: ignore[call-arg]
    cap.rag.search(index="docs", top_k="8")  # type: ignore[arg-type]
    cap.e2b.execute()  # type: ignore[call-arg]
    cap.rag.no_such_verb()  # type: ignore[attr-defined]
    with cap.context(user=1):  # type: ignore[call-arg]
        pass


# --- decorators keep the signature


@cap.rag.search(index="docs")
def plain(question: str, /, limit: int = 3, *, exact: bool) -> list[str]:
    """Return what was asked for."""
    return [question] * limit if exact else []


@cap.e2b.execute(language="python")
async def coroutine(code: str) -> int:
    """Return a length."""
    return len(code)


@cap.agents.interaction(domain="d")
def generator(count: int) -> Iterator[int]:
    """Count."""
    yield from range(count)


@cap.llm.chat(provider="openai", model="m")
async def asynchronous_generator(text: str) -> AsyncIterator[str]:
    """Spell."""
    for letter in text:
        yield letter


class Agent:
    """Methods are decorated as functions are."""

    @cap.business.query(query_type="q")
    def answer(self, question: str) -> str:
        """Return the question."""
        return question

    @classmethod
    @cap.ace.cycle(component="curator")
    def make(cls) -> Agent:
        """Return an agent."""
        return cls()

    @staticmethod
    @cap.optimizations.apply("o")
    def shrink(text: str) -> str:
        """Return less."""
        return text[:1]


async def decorated() -> None:
    """What is decorated is called as before."""
    assert_type(plain("q", 3, exact=True), list[str])
    assert_type(await coroutine("code"), int)
    assert_type(generator(3), Iterator[int])
    assert_type(asynchronous_generator("abc"), AsyncIterator[str])
    assert_type(Agent().answer("q"), str)
    assert_type(Agent.make(), Agent)
    assert_type(Agent.shrink("abc"), str)
    plain(question="q", exact=True)  # type: ignore[call-arg]
    plain("q", 3)  # type: ignore[call-arg]
    await coroutine(5)  # type: ignore[arg-type]
    Agent().answer()  # type: ignore[call-arg]


# --- streams, threads, hooks


def streams(chunks: list[bytes]) -> None:
    """A stream keeps the type of its chunks."""
    assert_type(cap.llm.chat(provider="p", model="m").stream(chunks), Iterator[bytes])
    for chunk in cap.rag.search(index="docs").stream(["a"]):
        assert_type(chunk, str)


async def asynchronous_streams(chunks: AsyncIterator[bytes]) -> None:
    """An asynchronous one too."""
    async for chunk in cap.llm.chat(provider="p", model="m").stream_async(chunks):
        assert_type(chunk, bytes)


def chained() -> None:
    """Steps that return the operation return its own kind."""
    assert_type(cap.rag.search(index="docs").start(current=False), Search)
    assert_type(cap.rag.search(index="docs").fail("x"), Search)
    assert_type(cap.llm.chat(provider="p", model="m").fresh(), Chat)


def threads(pool: ThreadPoolExecutor) -> None:
    """A function bound to the context keeps its signature."""
    assert_type(cap.propagate(plain)("q", exact=True), list[str])
    assert_type(pool.submit(cap.propagate(plain), "q", exact=False), Future[list[str]])
    cap.propagate(plain)()  # type: ignore[call-arg]


class Hook:
    """A hook needs no base class."""

    def on_end(self, record: cap.OperationRecord, span: Span) -> None:
        """Take the record."""
        assert_type(record.duration_s, float)
        assert_type(record.attributes, Mapping[str, AttributeValue])
        span.set_attribute("seen", True)  # noqa: FBT003 - OpenTelemetry's signature


cap.add_hook(Hook())
cap.add_hook(object())  # type: ignore[arg-type]

# --- logs, facade, test kit

cap.log.rag.warning("index is stale", index="docs", age_hours=31)
assert_type(get_prometheus_metrics(), PrometheusMetrics)


def test_kit(capture: Capture) -> None:
    """What tests are given."""
    assert_type(capture.clock, FakeClock)
    assert_type(capture.value("m", {"a": 1}), float)
    with Capture(cap.Capibara(), capture_content=True) as another:
        assert_type(another, Capture)
