"""`cap.e2b`: code that runs in sandboxes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from opentelemetry.util.types import AttributeValue

from capibara_otel.operation import Emitter, Operation
from capibara_otel.operation import outcomes as o
from capibara_otel.semconv import attributes as a
from capibara_otel.semconv import metrics as m
from capibara_otel.semconv import spans

_TOOL: Final[Mapping[str, AttributeValue]] = {
    a.GEN_AI_OPERATION_NAME: "execute_tool",
    a.GEN_AI_TOOL_NAME: "code_interpreter",
}


class Execution(Operation):
    """One piece of code being run."""

    def exited(
        self,
        code: int | None = None,
        *,
        timed_out: bool = False,
        cpu_s: float | None = None,
        memory_peak: int | None = None,
    ) -> None:
        """Tell how the process ended. A code other than 0 and a timeout are failures.

        Args:
            code: exit code; negative for a signal.
            timed_out: its time limit ended it.
            cpu_s: processor time it used, seconds.
            memory_peak: most memory it held, bytes.
        """
        exited: Any = None if code is None else self.take(a.E2B_EXIT_CODE, code, "code")
        if exited is not None:
            self.measure(m.E2B_EXITS, 1)
            if exited:
                self.fail(f"exit_{exited}" if exited > 0 else f"signal_{-exited}")
        if self.emitter.flag(self.spec.call, "timed_out", timed_out):
            self.ended(o.TIMEOUT)
            self.measure(m.E2B_TIMEOUTS, 1)
        if cpu_s is not None:
            self.measure(m.E2B_EXECUTION_CPU_TIME, cpu_s, "cpu_s")
        if memory_peak is not None:
            self.measure(m.E2B_EXECUTION_MEMORY_PEAK, memory_peak, "memory_peak")

    def waited(self, seconds: float) -> None:
        """Tell how long it waited for a free sandbox."""
        self.measure(m.E2B_QUEUE_DURATION, seconds, "seconds")


class Sandbox(Operation):
    """The life of one sandbox."""

    def ready(self, seconds: float | None = None) -> None:
        """Tell that it is ready.

        Args:
            seconds: its start-up time; the time since it was opened by default.
        """
        self.measure(m.E2B_SANDBOX_STARTUP_DURATION, self.elapsed_s if seconds is None else seconds, "seconds")


class E2b:
    """Sandboxes and the code that runs in them."""

    def __init__(self, emitter: Emitter) -> None:
        self._emitter = emitter

    def execute(
        self,
        *,
        language: str,
        template: str | None = None,
        timeout_s: float | None = None,
        sandbox_id: str | None = None,
    ) -> Execution:
        """Open an execution; tell its end with `exited`.

        Args:
            language: one of the registry's, such as `python`.
            template: the sandbox's template.
            timeout_s: its time limit, seconds.
            sandbox_id: where it runs.
        """
        execution = Execution(self._emitter, spans.E2B_EXECUTE, attributes=_TOOL)
        execution.take(a.E2B_LANGUAGE, language)
        if template is not None:
            execution.take(a.E2B_TEMPLATE, template)
        if timeout_s is not None:
            execution.take(a.E2B_TIMEOUT, timeout_s, "timeout_s")
        if sandbox_id is not None:
            execution.take(a.E2B_SANDBOX_ID, sandbox_id, "sandbox_id")
        return execution

    def sandbox(self, *, template: str = "base", sandbox_id: str | None = None) -> Sandbox:
        """Open the life of a sandbox: it is active until this ends.

        Args:
            template: the sandbox's template.
            sandbox_id: its id.
        """
        sandbox = Sandbox(self._emitter, spans.E2B_SANDBOX)
        sandbox.take(a.E2B_TEMPLATE, template)
        if sandbox_id is not None:
            sandbox.take(a.E2B_SANDBOX_ID, sandbox_id, "sandbox_id")
        return sandbox

    def queue(self, *, size: int, template: str | None = None) -> None:
        """Tell how many executions wait for a sandbox.

        Args:
            size: how many.
            template: for which template.
        """
        checked = self._emitter.checked("e2b.queue", a.E2B_TEMPLATE, template)
        self._emitter.measure("e2b.queue", m.E2B_QUEUE_SIZE, size, {a.E2B_TEMPLATE: checked} if checked else {})

    def record_execution(
        self,
        language: str,
        duration_s: float,
        *,
        exit_code: int | None = None,
        timed_out: bool = False,
        cpu_s: float | None = None,
        memory_peak: int | None = None,
        template: str | None = None,
        sandbox_id: str | None = None,
        outcome: str = "",
        error: BaseException | str = "",
    ) -> None:
        """Record an execution that was measured elsewhere.

        Args:
            language: one of the registry's.
            duration_s: seconds.
            exit_code: exit code; other than 0 is a failure.
            timed_out: its time limit ended it.
            cpu_s: processor time, seconds.
            memory_peak: bytes.
            template: the sandbox's template.
            sandbox_id: where it ran.
            outcome: how it ended; by default what exit code and error say.
            error: the failure.
        """
        execution = self.execute(language=language, template=template, sandbox_id=sandbox_id)
        execution.exited(exit_code, timed_out=timed_out, cpu_s=cpu_s, memory_peak=memory_peak)
        execution.record(duration_s, outcome=outcome, error=error)
