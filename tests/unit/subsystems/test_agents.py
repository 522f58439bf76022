"""`cap.agents`: tasks, graduations and memories of persistent agents."""

from __future__ import annotations

import asyncio

import pytest

from capibara_otel.sdk import Capibara
from capibara_otel.testing import Capture
from tests.support.emitted import metrics, only_span, point, typed

_PYTHON = {"capibara6__agents__domain": "python"}
_OK = {"capibara6__outcome": "success"}


class TestInteraction:
    """`cap.agents.interaction(…)` and `cap.agents.record_interaction(…)`."""

    def test_as_a_block(self, cap: Capibara, capture: Capture) -> None:
        """A task is a span, a count and a duration by domain, its steps and what the agent remembers after it."""
        with cap.agents.interaction(domain="python", agent_id="a_7", agent_name="researcher") as task:
            capture.clock.advance(3)
            task.step()
            task.step(3)
            task.memory(size=4096, entries=12)

        assert only_span(capture) == (
            "agents interaction python",
            "INTERNAL",
            "UNSET",
            typed(
                {
                    "capibara6.agents.domain": "python",
                    "capibara6.agents.steps": 4,
                    "gen_ai.operation.name": "invoke_agent",
                    "gen_ai.agent.id": "a_7",
                    "gen_ai.agent.name": "researcher",
                    "capibara6.outcome": "success",
                }
            ),
        )
        assert metrics(capture) == {
            "capibara6.agents.interactions": [point(1, **_PYTHON, **_OK)],
            "capibara6.agents.task.duration": [point((1, 3.0), **_PYTHON)],
            "capibara6.agents.steps": [point((1, 4.0), **_PYTHON)],
            "capibara6.agents.memory.size": [point((1, 4096.0), **_PYTHON)],
            "capibara6.agents.memory.entries": [point((1, 12.0), **_PYTHON)],
        }

    def test_each_call_of_a_decorated_function_counts_its_own_steps(self, cap: Capibara, capture: Capture) -> None:
        """Steps of one call are not those of the next."""

        @cap.agents.interaction(domain="python")
        async def work(steps: int) -> None:
            task = cap.current()
            assert task is not None
            for _ in range(steps):
                await asyncio.sleep(0)
                task.step()  # type: ignore[attr-defined]

        async def both() -> None:
            await asyncio.gather(work(2), work(5))

        asyncio.run(both())

        steps = sorted(typed(span.attributes)["capibara6.agents.steps"] for span in capture.spans)
        assert steps == ["2", "5"]

    def test_recorded(self, cap: Capibara, capture: Capture) -> None:
        """What was measured elsewhere gives the same; failures have their kind."""
        cap.agents.record_interaction("python", 2, steps=3, memory_size=10, memory_entries=1, agent_id="a_7")
        cap.agents.record_interaction("python", 1, error=RecursionError("loop"))

        assert capture.spans[0].attributes is not None
        assert capture.spans[0].attributes["gen_ai.agent.id"] == "a_7"
        assert metrics(capture) == {
            "capibara6.agents.interactions": [
                point(1, **_PYTHON, capibara6__outcome="error", error__type="RecursionError"),
                point(1, **_PYTHON, **_OK),
            ],
            "capibara6.agents.task.duration": [
                point((1, 1.0), **_PYTHON, error__type="RecursionError"),
                point((1, 2.0), **_PYTHON),
            ],
            "capibara6.agents.steps": [point((1, 3.0), **_PYTHON)],
            "capibara6.agents.memory.size": [point((1, 10.0), **_PYTHON)],
            "capibara6.agents.memory.entries": [point((1, 1.0), **_PYTHON)],
        }


class TestGraduate:
    """`cap.agents.graduate(…)` and `cap.agents.record_graduation(…)`."""

    def test_as_a_block(self, cap: Capibara, capture: Capture) -> None:
        """An agent that graduates is counted as success, with its score on the span."""
        with cap.agents.graduate(domain="python", agent_id="a_7") as graduation:
            capture.clock.advance(0.01)
            graduation.graduated(0.93)

        assert only_span(capture) == (
            "agents graduate python",
            "INTERNAL",
            "UNSET",
            typed(
                {
                    "capibara6.agents.domain": "python",
                    "gen_ai.agent.id": "a_7",
                    "capibara6.agents.score": 0.93,
                    "capibara6.outcome": "success",
                }
            ),
        )
        assert metrics(capture) == {
            "capibara6.agents.graduations": [point(1, **_PYTHON, **_OK)],
            "capibara6.agents.graduation.duration": [point((1, 0.01), **_PYTHON)],
        }

    def test_one_that_fails(self, cap: Capibara, capture: Capture) -> None:
        """An agent below the threshold is counted as rejected, in either form."""
        with cap.agents.graduate(domain="python") as graduation:
            graduation.failed(0.4)
        cap.agents.record_graduation("python", graduated=False, score=0.5)
        cap.agents.record_graduation("python", score=0.95, agent_id="a_8", duration_s=0.2)
        rejected = {"capibara6__outcome": "rejected", "error__type": "below_threshold"}

        scores = [typed(span.attributes).get("capibara6.agents.score") for span in capture.spans]
        assert scores == ["0.4", "0.5", "0.95"]
        assert metrics(capture) == {
            "capibara6.agents.graduations": [point(2, **_PYTHON, **rejected), point(1, **_PYTHON, **_OK)],
            "capibara6.agents.graduation.duration": [
                point((2, 0.0), **_PYTHON, error__type="below_threshold"),
                point((1, 0.2), **_PYTHON),
            ],
        }


class TestMemory:
    """`cap.agents.memory(…)` and `cap.agents.record_memory(…)`."""

    @pytest.mark.parametrize("operation", ["read", "write", "delete"])
    def test_as_a_block(self, operation: str, cap: Capibara, capture: Capture) -> None:
        """An operation on a memory is a span, a count and a duration by domain and operation."""
        with cap.agents.memory(operation, domain="python", agent_id="a_7") as memory:
            capture.clock.advance(0.002)
            memory.touched(3)
        labels = {**_PYTHON, "capibara6__agents__memory__operation": operation}

        assert only_span(capture) == (
            f"agents memory {operation}",
            "INTERNAL",
            "UNSET",
            typed(
                {
                    "capibara6.agents.domain": "python",
                    "capibara6.agents.memory.operation": operation,
                    "capibara6.agents.memory.items": 3,
                    "gen_ai.agent.id": "a_7",
                    "capibara6.outcome": "success",
                }
            ),
        )
        assert metrics(capture) == {
            "capibara6.agents.memory.operations": [point(1, **labels, **_OK)],
            "capibara6.agents.memory.duration": [point((1, 0.002), **labels)],
        }

    def test_recorded(self, cap: Capibara, capture: Capture) -> None:
        """What was measured elsewhere gives the same."""
        cap.agents.record_memory("write", "python", 0.004, items=0, agent_id="a_7")

        attributes = typed(capture.attributes("agents memory write"))
        assert attributes["capibara6.agents.memory.items"] == "0"
        assert attributes["gen_ai.agent.id"] == "'a_7'"
        assert metrics(capture)["capibara6.agents.memory.duration"] == [
            point((1, 0.004), **_PYTHON, capibara6__agents__memory__operation="write")
        ]


def test_active(cap: Capibara, capture: Capture) -> None:
    """The number of agents is what was told last, per domain."""
    cap.agents.active(domain="python", count=3)
    cap.agents.active(domain="finance", count=1)
    cap.agents.active(domain="python", count=2)

    assert not capture.spans
    assert metrics(capture) == {
        "capibara6.agents.active": [point(1, capibara6__agents__domain="finance"), point(2, **_PYTHON)]
    }
