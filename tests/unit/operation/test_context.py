"""Who a request is for, wherever its work runs."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from opentelemetry import baggage
from opentelemetry import context as otel

from capibara_otel import propagate
from capibara_otel.exceptions import UsageError
from capibara_otel.operation import threads, who
from capibara_otel.sdk import DEFAULT
from capibara_otel.testing import Capture

cap = DEFAULT


def _user(capture: Capture) -> object:
    return capture.attributes("rag search docs").get("user.id")


def _search() -> None:
    cap.rag.record_search("docs", 0.1)


@pytest.fixture(name="following")
def _following() -> Iterator[None]:
    was = hasattr(ThreadPoolExecutor.submit, "_capibara_otel_original")
    threads.follow_threads()
    threads.follow_threads()
    yield
    if not was:
        threads.forget_threads()
        threads.forget_threads()


class TestReach:
    """Where the context is seen."""

    def test_all_keywords(self, capture: Capture) -> None:
        """Each keyword is an attribute of the spans beneath, numbers as text, and of the log lines."""
        with cap.context(
            user_id=7, session_id="s", tenant="acme", request_id="r", conversation_id="c", agent="researcher"
        ):
            _search()
            cap.log.rag.info("found")

        expected = {
            "user.id": "7",
            "session.id": "s",
            "capibara6.tenant.id": "acme",
            "capibara6.request.id": "r",
            "gen_ai.conversation.id": "c",
            "gen_ai.agent.name": "researcher",
        }
        assert expected.items() <= capture.attributes("rag search docs").items()
        record = capture.log_records[-1].log_record
        assert expected.items() <= dict(record.attributes or {}).items()
        assert '"user_id": "7", "session_id": "s", "tenant_id": "acme", "request_id": "r"' in capture.lines[-1]

    def test_inner_adds_to_outer(self, capture: Capture) -> None:
        """An inner block adds and overrides; after it the outer values hold again."""
        with cap.context(user_id="outer", tenant="acme"):
            with cap.context(user_id="inner"):
                _search()
            cap.rag.record_ingest("docs", 0.1, documents=1)

        assert _user(capture) == "inner"
        assert capture.attributes("rag search docs")["capibara6.tenant.id"] == "acme"
        assert capture.attributes("rag ingest docs")["user.id"] == "outer"

    def test_foreign_spans(self, capture: Capture) -> None:
        """Spans of other instrumentations beneath carry it too."""
        tracer = capture.tracer_provider.get_tracer("somebody.else")
        with cap.context(user_id="u"), tracer.start_as_current_span("GET"):
            pass
        with tracer.start_as_current_span("outside"):
            pass

        assert capture.attributes("GET") == {"user.id": "u"}
        assert capture.attributes("outside") == {}

    def test_tasks_and_threads(self, capture: Capture, following: None) -> None:
        """Tasks, `to_thread`, a loop's executor and a pool see their creator's context, each its own."""
        seen: list[tuple[str, object]] = []

        def look(where: str) -> None:
            seen.append((where, otel.get_current() and cap.current() is not None))
            _search()

        async def work(user: str) -> None:
            with cap.context(user_id=user), cap.rag.ingest(index=user):
                await asyncio.to_thread(look, user)
                await asyncio.get_running_loop().run_in_executor(None, look, user)
                with ThreadPoolExecutor(1) as pool:
                    pool.submit(look, user).result()
                    list(pool.map(look, [user]))
                await asyncio.create_task(asyncio.to_thread(look, user))

        async def main() -> None:
            await asyncio.gather(work("a"), work("b"))

        asyncio.run(main())

        assert all(inside for _, inside in seen)
        assert len(seen) == 10
        users = [dict(span.attributes or {})["user.id"] for span in capture.spans if span.name.startswith("rag search")]
        assert sorted(map(str, users)) == ["a"] * 5 + ["b"] * 5

    def test_threads_of_ones_own(self, capture: Capture, following: None) -> None:
        """A thread, a subclass of it and a timer work in the context of whoever started them."""

        class Own(threading.Thread):
            def run(self) -> None:
                """Search."""
                _search()

        with cap.context(user_id="u"):
            for thread in (threading.Thread(target=_search), Own(), threading.Timer(0.01, _search)):
                thread.start()
                thread.join()
        other = threading.Thread(target=_search)
        other.start()
        other.join()

        assert [dict(span.attributes or {}).get("user.id") for span in capture.spans] == ["u", "u", "u", None]

    def test_the_librarys_own_threads_belong_to_nobody(self, capture: Capture, following: None) -> None:
        """A thread that the library starts inside of a request carries nothing of it."""
        seen: list[object] = []
        with cap.context(user_id="u"):
            thread = threading.Thread(target=lambda: seen.append(dict(who())))
            threads.start_apart(thread)
            thread.join()

        assert seen == [{}]

    def test_callbacks_elsewhere(self, capture: Capture) -> None:
        """A function bound with `propagate` keeps the context in a thread that has none."""
        with cap.context(user_id="u"):
            bound = propagate(_search)
        for target in (_search, bound):
            thread = threading.Thread(target=target)
            threads.start_apart(thread)
            thread.join()

        assert [dict(span.attributes or {}).get("user.id") for span in capture.spans] == [None, "u"]

    def test_an_operation_that_outlives_the_block(self, capture: Capture) -> None:
        """Ending an operation after the block it began in leaves nobody's name behind."""
        with cap.context(user_id="A"):
            operation = cap.rag.ingest(index="docs").start()
        operation.finish()
        _search()

        assert capture.attributes("rag ingest docs")["user.id"] == "A"
        assert _user(capture) is None

    def test_work_begun_in_a_block_is_for_the_same_person(self, capture: Capture) -> None:
        """A task that was begun in a block keeps its user after the block ended, also after its first operation."""

        async def work() -> None:
            await asyncio.sleep(0.01)
            _search()
            with cap.rag.ingest(index="docs"):
                _search()
            _search()

        async def main() -> None:
            with cap.context(user_id="A"), cap.rag.ingest(index="outer"):
                task = asyncio.create_task(work())
            _search()
            await task

        asyncio.run(main())

        found = [dict(span.attributes or {}).get("user.id") for span in capture.spans if span.name == "rag search docs"]
        assert found == [None, "A", "A", "A"]

    def test_blocks_that_end_out_of_order(self, capture: Capture) -> None:
        """Two generators that hold a block each and are closed in the order they began leave nobody's name behind."""

        def hold(user: str) -> Iterator[int]:
            with cap.context(user_id=user):
                yield 1

        first, second = hold("A"), hold("B")
        next(first), next(second)
        first.close()  # type: ignore[attr-defined]
        second.close()  # type: ignore[attr-defined]
        _search()

        assert _user(capture) is None

    def test_generator_closed_elsewhere(self, capture: Capture) -> None:
        """A block that is left in another task neither fails nor changes that task's context."""

        async def source() -> object:
            with cap.context(user_id="u"):
                yield 1

        async def main() -> None:
            generator = source()
            await anext(generator)  # type: ignore[call-overload]
            await asyncio.create_task(generator.aclose())  # type: ignore[attr-defined]

        asyncio.run(main())

        assert capture.spans == ()

    def test_baggage_stays(self, capture: Capture) -> None:
        """What others put into the context is kept by operations beneath."""
        token = otel.attach(baggage.set_baggage("key", "value"))
        with cap.rag.search(index="docs"):
            assert baggage.get_baggage("key") == "value"
        otel.detach(token)

        assert _user(capture) is None


class TestWrong:
    """Values that cannot be recorded."""

    def test_names_the_argument(self, capture: Capture) -> None:
        """A wrong value is said by its keyword."""
        with (
            pytest.raises(UsageError, match=r"cap\.context\(user_id=1\.5\) expects str, got float"),
            cap.context(
                user_id=1.5,  # type: ignore[arg-type]
            ),
        ):
            pass

    def test_goes_on_without(self, capture: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
        """Elsewhere the rest of the context holds."""
        monkeypatch.setenv("CAPIBARA_RAISE", "0")
        with cap.context(user_id=b"x", tenant="acme"):  # type: ignore[arg-type]
            _search()

        assert _user(capture) is None
        assert capture.attributes("rag search docs")["capibara6.tenant.id"] == "acme"


def test_another_runtime_context_is_used_as_it_is() -> None:
    """Where OTEL_PYTHON_CONTEXT names another place for the context, operations keep theirs there."""
    program = (
        "from opentelemetry import context as otel\n"
        "from opentelemetry.context import Context, _RuntimeContext\n"
        "class Own(_RuntimeContext):\n"
        "    stack, attached = [Context()], 0\n"
        "    def attach(self, context):\n"
        "        self.attached += 1\n"
        "        self.stack.append(context)\n"
        "        return len(self.stack) - 1\n"
        "    def get_current(self):\n"
        "        return self.stack[-1]\n"
        "    def detach(self, token):\n"
        "        del self.stack[token:]\n"
        "otel._RUNTIME_CONTEXT = own = Own()\n"
        "from capibara_otel.operation import Emitter, current_operation\n"
        "from capibara_otel.subsystems.rag import Rag\n"
        "with Rag(Emitter()).search(index='docs') as search:\n"
        "    assert current_operation() is search\n"
        "    assert own.stack[-1] is search.context\n"
        "assert current_operation() is None\n"
        "print(own.attached)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout == "2\n"
