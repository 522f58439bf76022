"""Operations as decorators, on every kind of function, and along streams."""

from __future__ import annotations

import asyncio
import gc
import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator

import pytest

from capibara_otel.sdk import DEFAULT
from capibara_otel.testing import Capture

cap = DEFAULT
NAME = "e2b execute python"


class TestFunctions:
    """Plain functions and coroutine functions."""

    def test_each_call_is_an_operation(self, capture: Capture) -> None:
        """A decorated function gives one operation per call, with what the decorator was given."""

        @cap.e2b.execute(language="python", template="base")
        def run(code: str, *, times: int = 1) -> str:
            """Run it."""
            return code * times

        assert run("a", times=2) == "aa"
        assert run("b") == "b"
        assert [span.name for span in capture.spans] == [NAME, NAME]
        assert run.__doc__ == "Run it."
        assert list(inspect.signature(run).parameters) == ["code", "times"]

    def test_a_coroutine_function_stays_one(self, capture: Capture) -> None:
        """Frameworks that ask `iscoroutinefunction` get the same answer."""

        @cap.e2b.execute(language="python")
        async def run() -> object:
            await asyncio.sleep(0)
            return cap.current()

        assert inspect.iscoroutinefunction(run)
        assert asyncio.run(run()) is not None
        assert capture.attributes(NAME)["capibara6.outcome"] == "success"

    def test_methods_and_callable_objects(self, capture: Capture) -> None:
        """Class methods and static methods may stand below the decorator; an object with an async call is awaited."""

        class Tools:
            @cap.e2b.execute(language="python")
            @classmethod
            def made(cls) -> str:
                """Return the class's name."""
                return cls.__name__

            @cap.e2b.execute(language="python")
            @staticmethod
            def free(number: int) -> int:
                """Return the number."""
                return number

        class Slow:
            async def __call__(self) -> float:
                capture.clock.advance(2)
                return 1.0

        assert (Tools.made(), Tools.free(3), asyncio.run(cap.e2b.execute(language="python")(Slow())())) == (
            "Tools",
            3,
            1,
        )
        (point,) = capture.points("capibara6.e2b.execution.duration")
        assert point.sum == 2.0  # type: ignore[union-attr]

    def test_recursion_and_concurrency(self, capture: Capture) -> None:
        """Calls that overlap do not share an operation."""

        @cap.e2b.execute(language="python")
        async def run(depth: int) -> None:
            await asyncio.sleep(0)
            if depth:
                await asyncio.gather(run(depth - 1), run(depth - 1))

        asyncio.run(run(3))

        assert len(capture.spans) == 15

    def test_a_cancelled_task(self, capture: Capture) -> None:
        """Cancellation is an outcome, not an error, and arrives at the caller."""

        @cap.e2b.execute(language="python")
        async def run() -> None:
            await asyncio.sleep(60)

        async def main() -> None:
            task = asyncio.create_task(run())
            await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        asyncio.run(main())

        assert capture.attributes(NAME)["capibara6.outcome"] == "cancelled"
        assert "error.type" not in capture.attributes(NAME)


class TestGenerators:
    """Generators keep everything a generator can do."""

    def test_send_throw_and_return(self, capture: Capture) -> None:
        """Sent values, thrown exceptions and the returned value pass unchanged."""

        @cap.e2b.execute(language="python")
        def talk() -> Generator[str, str, int]:
            heard = yield "hello"
            try:
                yield heard.upper()
            except KeyError:
                yield "caught"
            return 7

        generator = talk()
        assert next(generator) == "hello"
        assert cap.current() is None
        assert generator.send("you") == "YOU"
        assert generator.throw(KeyError()) == "caught"
        with pytest.raises(StopIteration) as stop:
            next(generator)
        assert stop.value.value == 7
        assert capture.attributes(NAME)["capibara6.outcome"] == "success"

    def test_not_begun_before_the_first_step(self, capture: Capture) -> None:
        """A generator that nobody steps leaves no trace."""

        @cap.e2b.execute(language="python")
        def talk() -> Iterator[int]:
            yield 1

        talk()

        assert capture.spans == ()

    def test_closed_early(self, capture: Capture) -> None:
        """Closing runs the body's clean-up inside of the operation and ends it as abandoned."""
        inside: list[object] = []

        @cap.e2b.execute(language="python")
        def talk() -> Iterator[int]:
            try:
                yield 1
            finally:
                inside.append(cap.current())

        generator = talk()
        next(generator)
        generator.close()  # type: ignore[attr-defined]

        assert inside[0] is not None
        assert capture.attributes(NAME)["capibara6.outcome"] == "abandoned"

    def test_dropped(self, capture: Capture) -> None:
        """A generator that is dropped, even in a cycle that only the collector finds, ends its operation."""

        @cap.e2b.execute(language="python")
        def talk() -> Iterator[int]:
            yield 1

        cycle: list[object] = [talk()]
        next(cycle[0])  # type: ignore[call-overload]
        cycle.append(cycle)
        del cycle
        gc.collect()

        assert capture.attributes(NAME)["capibara6.outcome"] == "abandoned"

    def test_asynchronous_send_throw_close(self, capture: Capture) -> None:
        """The same for an asynchronous generator, closed by another task than the one that read it."""

        @cap.e2b.execute(language="python")
        async def talk() -> AsyncGenerator[str, str]:
            heard = yield "hello"
            try:
                yield heard.upper()
            except KeyError:
                yield "caught"

        async def main() -> None:
            generator = talk()
            assert await anext(generator) == "hello"
            assert cap.current() is None
            assert await generator.asend("you") == "YOU"
            assert await generator.athrow(KeyError()) == "caught"
            await asyncio.create_task(generator.aclose())

        asyncio.run(main())

        assert capture.attributes(NAME)["capibara6.outcome"] == "abandoned"

    def test_asynchronous_failure(self, capture: Capture) -> None:
        """What the body raises reaches the reader and ends the operation as failed."""

        @cap.e2b.execute(language="python")
        async def talk() -> AsyncIterator[int]:
            yield 1
            raise ValueError("second")

        async def main() -> None:
            async for _ in talk():
                pass

        with pytest.raises(ValueError, match="second"):
            asyncio.run(main())
        assert capture.attributes(NAME)["error.type"] == "ValueError"


class TestStreams:
    """A stream that is handed to a reader."""

    def test_chunks_are_timed(self, capture: Capture) -> None:
        """First chunk and gaps are measured while the reader is outside of the operation."""
        chat = cap.llm.chat(provider="openai", model="m")

        def source() -> Iterator[str]:
            for word in "abc":
                capture.clock.advance(0.5)
                assert cap.current() is chat
                yield word

        read = []
        for word in chat.stream(source()):
            assert cap.current() is None
            read.append(word)

        assert read == ["a", "b", "c"]
        assert capture.attributes("chat m")["capibara6.llm.chunks"] == 3
        assert capture.attributes("chat m")["gen_ai.response.time_to_first_chunk"] == 0.5
        (gap,) = capture.points("gen_ai.client.inference.time_per_output_chunk")
        assert gap.sum == 0.5  # type: ignore[union-attr]

    def test_ten_thousand_chunks_are_one_span(self, capture: Capture) -> None:
        """The number of chunks adds no span."""

        async def source() -> AsyncIterator[int]:
            for number in range(10_000):
                yield number

        async def main() -> int:
            return sum([1 async for _ in cap.llm.chat(provider="openai", model="m").stream_async(source())])

        assert asyncio.run(main()) == 10_000
        assert len(capture.spans) == 1

    def test_a_reader_that_stops_closes_the_source(self, capture: Capture) -> None:
        """When the reader closes the stream, the source is closed too."""
        closed: list[bool] = []

        def source() -> Iterator[int]:
            try:
                yield from range(10)
            finally:
                closed.append(True)

        stream = cap.llm.chat(provider="openai", model="m").stream(source())
        next(stream)
        stream.close()  # type: ignore[attr-defined]

        assert closed == [True]
        assert capture.attributes("chat m")["capibara6.outcome"] == "abandoned"

    @pytest.mark.parametrize("kind", ["list", "iterator"])
    def test_any_iterable(self, capture: Capture, kind: str) -> None:
        """A source without `close` works too."""
        source = [1, 2] if kind == "list" else iter((1, 2))

        assert list(cap.llm.chat(provider="openai", model="m").stream(source)) == [1, 2]
        assert capture.attributes("chat m")["capibara6.outcome"] == "success"
