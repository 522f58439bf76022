"""`cap.e2b`: executions, sandboxes, the queue before them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from capibara_otel.sdk import Capibara
from capibara_otel.testing import Capture
from tests.support.emitted import metrics, only_span, point, typed

_PYTHON = {"capibara6__e2b__language": "python"}
_OK = {"capibara6__outcome": "success"}


class TestExecute:
    """`cap.e2b.execute(…)` and `cap.e2b.record_execution(…)`."""

    def test_as_a_block(self, cap: Capibara, capture: Capture) -> None:
        """An execution is a client span, a count, a duration, its exit, its waiting, and what it used."""
        with cap.e2b.execute(language="python", template="base", timeout_s=30, sandbox_id="sbx_1") as execution:
            execution.waited(0.05)
            capture.clock.advance(0.5)
            execution.exited(0, cpu_s=0.3, memory_peak=9_000_000)

        assert only_span(capture) == (
            "e2b execute python",
            "CLIENT",
            "UNSET",
            typed(
                {
                    "capibara6.e2b.language": "python",
                    "capibara6.e2b.template": "base",
                    "capibara6.e2b.timeout": 30.0,
                    "capibara6.e2b.sandbox.id": "sbx_1",
                    "capibara6.e2b.exit_code": 0,
                    "gen_ai.operation.name": "execute_tool",
                    "gen_ai.tool.name": "code_interpreter",
                    "capibara6.outcome": "success",
                }
            ),
        )
        assert metrics(capture) == {
            "capibara6.e2b.executions": [point(1, **_PYTHON, **_OK)],
            "capibara6.e2b.execution.duration": [point((1, 0.5), **_PYTHON, **_OK)],
            "capibara6.e2b.exits": [point(1, **_PYTHON, capibara6__e2b__exit_code=0)],
            "capibara6.e2b.queue.duration": [point((1, 0.05), capibara6__e2b__template="base")],
            "capibara6.e2b.execution.cpu.time": [point((1, 0.3), **_PYTHON)],
            "capibara6.e2b.execution.memory.peak": [point((1, 9e6), **_PYTHON)],
        }

    @pytest.mark.parametrize(
        ("told", "outcome", "kind", "more"),
        [
            ({"code": 1}, "error", "exit_1", {"exits": 1}),
            ({"code": -9}, "error", "signal_9", {"exits": 1}),
            ({"code": -9, "timed_out": True}, "timeout", "timeout", {"exits": 1, "timeouts": 1}),
            ({"timed_out": True}, "timeout", "timeout", {"timeouts": 1}),
            ({"code": 0}, "success", None, {"exits": 1}),
            ({}, "success", None, {}),
        ],
        ids=repr,
    )
    def test_how_it_ended(
        self,
        told: dict[str, Any],
        outcome: str,
        kind: str | None,
        more: dict[str, int],
        cap: Capibara,
        capture: Capture,
    ) -> None:
        """An exit code other than 0, a signal and a timeout are failures of their kinds, without any exception."""
        with cap.e2b.execute(language="python") as execution:
            execution.exited(**told)

        name, _, status, attributes = only_span(capture)
        assert (name, status) == ("e2b execute python", "ERROR" if kind else "UNSET")
        assert attributes["capibara6.outcome"] == repr(outcome)
        assert attributes.get("error.type") == (repr(kind) if kind else None)
        assert attributes.get("capibara6.e2b.exit_code") == (repr(told["code"]) if "code" in told else None)
        assert (
            capture.value(
                "capibara6.e2b.executions",
                {"capibara6.outcome": outcome, "error.type": kind or ""} if kind else {"capibara6.outcome": outcome},
            )
            == 1
        )
        assert {name: capture.value(f"capibara6.e2b.{name}") for name in ("exits", "timeouts")} == {
            "exits": 0, "timeouts": 0, **more,
        }  # fmt: skip

    @pytest.mark.parametrize(
        "language", ["python", "javascript", "typescript", "bash", "r", "java", "go", "rust", "c", "cpp", "sql"]
    )
    def test_languages(self, language: str, cap: Capibara, capture: Capture) -> None:
        """Executions are told apart by language."""
        cap.e2b.record_execution(language, 0.1, exit_code=0)

        assert capture.value("capibara6.e2b.executions", {"capibara6.e2b.language": language}) == 1

    def test_as_a_decorator(self, cap: Capibara, capture: Capture) -> None:
        """Each call of a decorated coroutine is an execution; its exception is the execution's failure."""

        @cap.e2b.execute(language="bash")
        async def run(code: int) -> int:
            await asyncio.sleep(0)
            if code:
                raise RuntimeError(code)
            return code

        async def both() -> tuple[int | BaseException, int | BaseException]:
            return await asyncio.gather(run(0), run(3), return_exceptions=True)

        fine, failed = asyncio.run(both())

        assert fine == 0
        assert isinstance(failed, RuntimeError)
        assert metrics(capture)["capibara6.e2b.executions"] == [
            point(1, capibara6__e2b__language="bash", capibara6__outcome="error", error__type="RuntimeError"),
            point(1, capibara6__e2b__language="bash", **_OK),
        ]

    def test_recorded(self, cap: Capibara, capture: Capture) -> None:
        """What was measured elsewhere gives the same span and metrics."""
        cap.e2b.record_execution(
            "python", 30, exit_code=-15, timed_out=True, cpu_s=29, memory_peak=1, template="base", sandbox_id="s"
        )
        how = {"capibara6__outcome": "timeout", "error__type": "timeout"}

        assert only_span(capture)[:3] == ("e2b execute python", "CLIENT", "ERROR")
        assert metrics(capture) == {
            "capibara6.e2b.executions": [point(1, **_PYTHON, **how)],
            "capibara6.e2b.execution.duration": [point((1, 30.0), **_PYTHON, **how)],
            "capibara6.e2b.exits": [point(1, **_PYTHON, capibara6__e2b__exit_code=-15)],
            "capibara6.e2b.timeouts": [point(1, **_PYTHON)],
            "capibara6.e2b.execution.cpu.time": [point((1, 29.0), **_PYTHON)],
            "capibara6.e2b.execution.memory.peak": [point((1, 1.0), **_PYTHON)],
        }

    def test_what_the_caller_says_wins(self, cap: Capibara, capture: Capture) -> None:
        """An outcome that is told overrides what the exit code says."""
        cap.e2b.record_execution("python", 0.1, exit_code=1, outcome="success")
        cap.e2b.record_execution("bash", 0.1, exit_code=2, outcome="error")

        assert metrics(capture)["capibara6.e2b.executions"] == [
            point(1, capibara6__e2b__language="bash", capibara6__outcome="error", error__type="exit_2"),
            point(1, **_PYTHON, **_OK),
        ]


class TestSandbox:
    """`cap.e2b.sandbox(…)`."""

    def test_its_life(self, cap: Capibara, capture: Capture) -> None:
        """A sandbox is active until it ends; its start-up is the time until it is ready."""
        with cap.e2b.sandbox(template="code", sandbox_id="sbx_1") as sandbox:
            capture.clock.advance(0.2)
            sandbox.ready()
            assert capture.value("capibara6.e2b.sandboxes.active", {"capibara6.e2b.template": "code"}) == 1
            capture.clock.advance(9.8)

        labels = {"capibara6__e2b__template": "code"}
        assert only_span(capture) == (
            "e2b sandbox code",
            "CLIENT",
            "UNSET",
            typed(
                {"capibara6.e2b.template": "code", "capibara6.e2b.sandbox.id": "sbx_1", "capibara6.outcome": "success"}
            ),
        )
        assert metrics(capture) == {
            "capibara6.e2b.sandboxes.active": [point(0, **labels)],
            "capibara6.e2b.sandbox.duration": [point((1, 10.0), **labels)],
            "capibara6.e2b.sandbox.startup.duration": [point((1, 0.2), **labels)],
        }

    def test_a_start_up_that_was_measured(self, cap: Capibara, capture: Capture) -> None:
        """The start-up time may be told; a failing sandbox is no longer active either."""

        async def work() -> None:
            async with cap.e2b.sandbox() as sandbox:
                sandbox.ready(0.7)
                raise ConnectionError

        with pytest.raises(ConnectionError):
            asyncio.run(work())

        assert metrics(capture) == {
            "capibara6.e2b.sandboxes.active": [point(0, capibara6__e2b__template="base")],
            "capibara6.e2b.sandbox.duration": [
                point((1, 0.0), capibara6__e2b__template="base", error__type="ConnectionError")
            ],
            "capibara6.e2b.sandbox.startup.duration": [point((1, 0.7), capibara6__e2b__template="base")],
        }


def test_the_queue(cap: Capibara, capture: Capture) -> None:
    """The queue's size is what was told last, by template if one is named."""
    cap.e2b.queue(size=5)
    cap.e2b.queue(size=0)
    cap.e2b.queue(size=2, template="code")

    assert not capture.spans
    assert metrics(capture) == {
        "capibara6.e2b.queue.size": [point(2, capibara6__e2b__template="code"), point(0)],
    }
