"""Operations driven through random lives: nothing stays open, nothing counts twice, exceptions stay what they are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule
from opentelemetry import context as otel
from opentelemetry import trace

from capibara_otel.operation import Operation
from capibara_otel.sdk import DEFAULT
from capibara_otel.semconv import attributes as a
from capibara_otel.semconv import spans
from capibara_otel.testing import Capture

cap = DEFAULT

ERRORS = (ValueError, TimeoutError, asyncio.CancelledError, KeyboardInterrupt, GeneratorExit, None)
_CAN_STOP_EARLY = {"generator", "async generator", "stream", "async stream"}
FORMS = ("block", "async block", "plain", "coroutine", "generator", "async generator", "stream", "async stream")


def _search() -> Operation:
    return Operation(cap.emitter, spans.RAG_SEARCH).set(a.RAG_INDEX, "docs")


Tree = tuple[str, int, Any, list[Any]]
trees: st.SearchStrategy[Tree] = st.recursive(
    st.tuples(st.sampled_from(FORMS), st.integers(0, 3), st.sampled_from(ERRORS), st.just([])),
    lambda inner: st.tuples(
        st.sampled_from(FORMS), st.integers(0, 3), st.sampled_from(ERRORS), st.lists(inner, max_size=3)
    ),
    max_leaves=12,
)


class Driver:
    """Runs a tree of operations; each node may read only some of a stream, and may raise."""

    def __init__(self) -> None:
        self.begun = 0

    async def run(self, tree: Tree) -> None:
        """Run a tree; what it raises must be its own exception."""
        form, steps, error, children = tree
        raised = None if error is None else error()
        arrived: BaseException | None = None
        try:
            await self.one(form, steps, raised, children)
        except BaseException as caught:  # noqa: BLE001 - whatever was raised must be what arrives
            arrived = caught
        assert arrived is raised or (arrived is None and form in _CAN_STOP_EARLY)

    async def body(self, raised: BaseException | None, children: list[Tree]) -> None:
        """Run the children, then raise."""
        for child in children:
            await self.run(child)
        if raised is not None:
            raise raised

    async def one(self, form: str, steps: int, raised: BaseException | None, children: list[Tree]) -> None:  # noqa: C901 - a case per form
        """Run one node in its form."""
        self.begun += 1
        match form:
            case "block":
                with _search():
                    await self.body(raised, children)
            case "async block":
                async with _search():
                    await self.body(raised, children)
            case "coroutine":
                await _search()(self.body)(raised, children)
            case "plain":
                await self.body(None, children)

                @_search()
                def plain() -> None:
                    if raised is not None:
                        raise raised

                plain()
            case "generator" | "stream":
                await self.body(None, children)

                def produce() -> Iterator[int]:
                    assert form == "stream" or cap.current() is not None
                    yield from range(2)
                    if raised is not None:
                        raise raised

                source = _search().stream(produce()) if form == "stream" else _search()(produce)()
                around = cap.current()
                for index, _ in enumerate(source):
                    assert cap.current() is around
                    if index == steps:
                        break
                source.close()  # type: ignore[attr-defined]
            case _:

                async def produce_async() -> AsyncIterator[int]:
                    for number in range(2):
                        await asyncio.sleep(0)
                        yield number
                    await self.body(raised, children)

                flow: Any = (
                    _search().stream_async(produce_async()) if form == "async stream" else _search()(produce_async)()
                )
                around = cap.current()
                async for index in flow:
                    assert cap.current() is around
                    if index == steps:
                        break
                await asyncio.create_task(flow.aclose())  # as a server does: another task closes it


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(trees)
def test_any_nesting(tree: Tree) -> None:
    """Every operation that began ended exactly once, and the caller got its own exception."""
    with Capture() as capture:
        driver = Driver()
        asyncio.run(driver.run(tree))

        assert len(capture.spans) == driver.begun
        assert capture.value("capibara6.rag.searches") == driver.begun
        assert capture.value("capibara6.rag.search.duration") == driver.begun
        assert len(capture.records) == driver.begun
        ids = [span.get_span_context().span_id for span in capture.spans]  # type: ignore[union-attr]
        assert len(set(ids)) == len(ids)


class Lives(RuleBasedStateMachine):
    """Operations begun, suspended, activated and ended in any order, in this context."""

    operations = Bundle("operations")

    @initialize()
    def open_capture(self) -> None:
        """Begin."""
        self.capture = Capture().__enter__()
        self.before = otel.get_current()
        self.alive: list[Operation] = []
        self.begun = 0

    @rule(target=operations, current=st.booleans())
    def begin(self, current: bool) -> Operation:
        """An operation begins."""
        operation = _search().start(current=current)
        self.begun += 1
        self.alive.append(operation)
        return operation

    @rule(operation=operations)
    def suspend(self, operation: Operation) -> None:
        """A suspended operation is not current."""
        operation.suspend()
        assert cap.current() is not operation

    @rule(operation=operations)
    def activate(self, operation: Operation) -> None:
        """An activated operation is current."""
        operation.activate()
        assert cap.current() is operation

    @rule(operation=consumes(operations), error=st.sampled_from(ERRORS))
    def end(self, operation: Operation, error: type[BaseException] | None) -> None:
        """An operation ends, twice, which counts once."""
        operation.finish(None if error is None else error())
        operation.finish()
        self.alive.remove(operation)
        assert operation.finished

    @invariant()
    def current_is_alive(self) -> None:
        """What is current has not ended."""
        if hasattr(self, "alive"):
            current = cap.current()
            assert current is None or current in self.alive

    def teardown(self) -> None:
        """In the end every operation that began ended once, and nothing is current."""
        if not hasattr(self, "capture"):
            return
        for operation in self.alive:
            operation.finish()
        assert cap.current() is None
        assert len(self.capture.spans) == self.begun
        assert self.capture.value("capibara6.rag.searches") == self.begun
        self.capture.__exit__()
        assert trace.get_current_span() is trace.INVALID_SPAN
        otel.attach(self.before)


Lives.TestCase.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
TestLives = Lives.TestCase
