"""`cap.agents`: persistent agents per domain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from opentelemetry.util.types import AttributeValue

from capibara_otel.operation import Emitter, Operation
from capibara_otel.semconv import attributes as a
from capibara_otel.semconv import metrics as m
from capibara_otel.semconv import spans

_INVOCATION: Final[Mapping[str, AttributeValue]] = {a.GEN_AI_OPERATION_NAME: "invoke_agent"}


class Interaction(Operation):
    """One task given to an agent."""

    def _reset(self) -> None:
        self._steps = 0

    def step(self, count: int = 1) -> None:
        """Tell that the agent took a step, or several."""
        if self.emitter.checked(self.spec.call, a.AGENTS_STEPS, count, "count") is not None:
            self._steps += count

    def memory(self, *, size: int | None = None, entries: int | None = None) -> None:
        """Tell how much the agent remembers now.

        Args:
            size: bytes.
            entries: how many entries.
        """
        if size is not None:
            self.measure(m.AGENTS_MEMORY_SIZE, size)
        if entries is not None:
            self.measure(m.AGENTS_MEMORY_ENTRIES, entries)

    def _before_end(self, _duration_s: float) -> None:
        if self._steps:
            self.measure(m.AGENTS_STEPS, self.take(a.AGENTS_STEPS, self._steps))


class Graduation(Operation):
    """The check whether an agent graduates."""

    def graduated(self, score: float | None = None) -> None:
        """Tell that it did.

        Args:
            score: 0 to 1.
        """
        self.set(a.AGENTS_SCORE, score)

    def failed(self, score: float | None = None) -> None:
        """Tell that it did not.

        Args:
            score: 0 to 1.
        """
        self.set(a.AGENTS_SCORE, score)
        self.ended("rejected", "below_threshold")


class Memory(Operation):
    """One operation on an agent's memory."""

    def touched(self, items: int) -> None:
        """Tell how many items were read, written or deleted."""
        self.set(a.AGENTS_MEMORY_ITEMS, items)


class Agents:
    """Agents, one or more per domain."""

    def __init__(self, emitter: Emitter) -> None:
        self._emitter = emitter

    def interaction(self, *, domain: str, agent_id: str | None = None, agent_name: str | None = None) -> Interaction:
        """Open a task given to an agent.

        Args:
            domain: the field it works in.
            agent_id: its id, for the span only.
            agent_name: its name, for the span only.
        """
        interaction = Interaction(self._emitter, spans.AGENTS_INTERACTION, attributes=_INVOCATION)
        interaction.take(a.AGENTS_DOMAIN, domain)
        if agent_id is not None:
            interaction.take(a.GEN_AI_AGENT_ID, agent_id, "agent_id")
        if agent_name is not None:
            interaction.take(a.GEN_AI_AGENT_NAME, agent_name, "agent_name")
        return interaction

    def graduate(self, *, domain: str, agent_id: str | None = None) -> Graduation:
        """Open the check whether an agent graduates; tell it with `graduated` or `failed`.

        Args:
            domain: the field it works in.
            agent_id: its id, for the span only.
        """
        graduation = Graduation(self._emitter, spans.AGENTS_GRADUATE)
        graduation.take(a.AGENTS_DOMAIN, domain)
        if agent_id is not None:
            graduation.take(a.GEN_AI_AGENT_ID, agent_id, "agent_id")
        return graduation

    def memory(self, operation: str, *, domain: str, agent_id: str | None = None) -> Memory:
        """Open an operation on an agent's memory.

        Args:
            operation: `read`, `write` or `delete`.
            domain: the field the agent works in.
            agent_id: its id, for the span only.
        """
        memory = Memory(self._emitter, spans.AGENTS_MEMORY)
        memory.take(a.AGENTS_MEMORY_OPERATION, operation)
        memory.take(a.AGENTS_DOMAIN, domain)
        if agent_id is not None:
            memory.take(a.GEN_AI_AGENT_ID, agent_id, "agent_id")
        return memory

    def active(self, *, domain: str, count: int) -> None:
        """Tell how many agents a domain has now.

        Args:
            domain: the field they work in.
            count: how many.
        """
        checked = self._emitter.checked("agents.active", a.AGENTS_DOMAIN, domain)
        if checked is not None:
            self._emitter.measure("agents.active", m.AGENTS_ACTIVE, count, {a.AGENTS_DOMAIN: checked}, argument="count")

    def record_interaction(
        self,
        domain: str,
        duration_s: float,
        *,
        steps: int | None = None,
        memory_size: int | None = None,
        memory_entries: int | None = None,
        agent_id: str | None = None,
        outcome: str = "",
        error: BaseException | str = "",
    ) -> None:
        """Record a task that was measured elsewhere.

        Args:
            domain: the field the agent works in.
            duration_s: seconds.
            steps: steps it took.
            memory_size: bytes it remembers.
            memory_entries: entries it remembers.
            agent_id: its id, for the span only.
            outcome: how it ended; success by default.
            error: the failure.
        """
        interaction = self.interaction(domain=domain, agent_id=agent_id)
        if steps is not None:
            interaction.step(steps)
        interaction.memory(size=memory_size, entries=memory_entries)
        interaction.record(duration_s, outcome=outcome, error=error)

    def record_graduation(
        self,
        domain: str,
        *,
        score: float | None = None,
        graduated: bool = True,
        agent_id: str | None = None,
        duration_s: float = 0.0,
    ) -> None:
        """Record a graduation, or one refused.

        Args:
            domain: the field the agent works in.
            score: 0 to 1.
            graduated: whether it did.
            agent_id: its id, for the span only.
            duration_s: seconds the check took.
        """
        graduation = self.graduate(domain=domain, agent_id=agent_id)
        did = self._emitter.flag("agents.record_graduation", "graduated", graduated)
        (graduation.graduated if did else graduation.failed)(score)
        graduation.record(duration_s)

    def record_memory(
        self, operation: str, domain: str, duration_s: float, *, items: int | None = None, agent_id: str | None = None
    ) -> None:
        """Record a memory operation that was measured elsewhere.

        Args:
            operation: `read`, `write` or `delete`.
            domain: the field the agent works in.
            duration_s: seconds.
            items: how many items it touched.
            agent_id: its id, for the span only.
        """
        memory = self.memory(operation, domain=domain, agent_id=agent_id)
        memory.set(a.AGENTS_MEMORY_ITEMS, items)
        memory.record(duration_s)
