"""Where operations send what they have to say: spans to a tracer, measurements to instruments, records to hooks."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Any, Final, Literal, TypeAlias

from opentelemetry import metrics, trace
from opentelemetry.context import Context
from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import TracerProvider
from opentelemetry.util.types import AttributeValue

from capibara_otel._safety import Once, faults_are_raised, kept, shield
from capibara_otel.exceptions import UsageError
from capibara_otel.operation import outcomes
from capibara_otel.operation.clock import Clock, SystemClock
from capibara_otel.operation.context import SCOPE
from capibara_otel.operation.reaper import Reaper
from capibara_otel.operation.record import OperationHook
from capibara_otel.operation.values import (
    QUICK,
    InvalidValueError,
    attribute_spec,
    attribute_value,
    listed,
    metric_value,
    shown,
)
from capibara_otel.semconv import attributes as a
from capibara_otel.semconv import metrics as m
from capibara_otel.semconv.instruments import Instruments
from capibara_otel.semconv.specs import MetricSpec

GenAiMetrics: TypeAlias = Literal["latest", "legacy", "both"]

_OURS: Final = "capibara_otel."
_TOLD: Final = frozenset({"fail", "ended"})
"""What every operation can be told, whatever its subsystem."""
_SUBSYSTEMS: Final = "capibara_otel.subsystems."
_logger: Final = logging.getLogger(SCOPE)


@dataclass(frozen=True, slots=True)
class Policy:
    """Decisions of the configuration that operations must know."""

    capture_content: bool = False
    """Record what users and models wrote."""
    gen_ai_metrics: GenAiMetrics = "latest"
    """Which names of the GenAI metrics are emitted."""


class Emitter:
    """The outlets of one instance.

    Without providers the global ones are used, which do nothing until somebody sets them; so helpers may be called
    before, and without, any configuration.

    Args:
        clock: the time.
        policy: decisions of the configuration.
        hooks: told of each operation when it ends.
    """

    __slots__ = (
        "_clock",
        "_said",
        "epoch",
        "hooks",
        "instruments",
        "monotonic_ns",
        "on_first_use",
        "policy",
        "reaper",
        "time_ns",
        "tracer",
        "used",
    )

    tracer: trace.Tracer
    instruments: Instruments
    time_ns: Callable[[], int]
    """The clock's, at hand: each operation reads it."""
    monotonic_ns: Callable[[], int]

    def __init__(
        self, clock: Clock | None = None, policy: Policy | None = None, hooks: Sequence[OperationHook] = ()
    ) -> None:
        self.clock = clock or SystemClock()
        self.policy = policy or Policy()
        self.hooks = hooks
        self.epoch = 0
        """Counts forks: what began in another process is not finished in this one."""
        self.used = False
        """Whether the app observed anything; readings of the machine do not count."""
        self.on_first_use: Callable[[], None] | None = None
        """Called when it does so first."""
        self.reaper = Reaper()
        """Ends what was dropped."""
        self._said: Final = Once()
        self.bind(None, None)

    @property
    def clock(self) -> Clock:
        """The time."""
        return self._clock

    @clock.setter
    def clock(self, clock: Clock) -> None:
        self._clock = clock
        self.time_ns = clock.time_ns
        self.monotonic_ns = clock.monotonic_ns

    def bind(
        self, tracer_provider: TracerProvider | None, meter_provider: MeterProvider | None, version: str = ""
    ) -> None:
        """Send to these providers from now on; None means the global one."""
        self.tracer = trace.get_tracer(SCOPE, version or None, tracer_provider)
        self.instruments = Instruments(metrics.get_meter(SCOPE, version, meter_provider))

    def checked(self, call: str, attribute: str, value: Any, argument: str = "") -> AttributeValue | None:
        """Return a value that may be recorded, or None where it may not; then it is said and counted.

        Args:
            call: the helper, such as `rag.search`.
            attribute: the attribute's name, one of the registry's.
            value: what the caller gave; None means not given.
            argument: the caller's word for it; the last part of the attribute's name by default.
        """
        if value is None:
            return None
        quick = QUICK.get(attribute)
        right = None if quick is None else quick(value)
        if right is not None:
            return right
        spec = attribute_spec(attribute)
        if spec is None:
            self.invalid(call, "attribute", "a name of the registry", attribute)
            return None
        if spec.content and not self.policy.capture_content:
            return None
        try:
            return attribute_value(spec, value)
        except InvalidValueError as error:
            self.invalid(call, argument or attribute.rpartition(".")[2], error.expected, value)
            return None

    def flag(self, call: str, argument: str, value: Any) -> bool:
        """Return a yes or no that steers what is recorded; what is neither is no, said and counted."""
        if not isinstance(value, bool):
            self.invalid(call, argument, "bool", value)
            return False
        return value

    def listed(self, call: str, argument: str, expected: str, value: Any) -> list[Any]:
        """Return the items of a value; of what has none, which is said and counted, an empty list."""
        items = listed(value)
        if items is None:
            self.invalid(call, argument, expected, value)
        return items or []

    def error_type(self, call: str, error: Any) -> str:
        """Return the class of a failure; of what is neither an exception nor a word, which is said, `_OTHER`."""
        if isinstance(error, BaseException | str):
            return outcomes.error_type(error)
        self.invalid(call, "error", "exception or str", error)
        return outcomes.OTHER

    def measure(
        self,
        call: str,
        spec: MetricSpec,
        value: Any,
        attributes: Mapping[str, AttributeValue],
        *,
        argument: str = "",
        context: Context | None = None,
    ) -> None:
        """Record a measurement with those of the attributes that its metric may carry.

        Args:
            call: the helper, for the message when the value is wrong.
            spec: which metric.
            value: the measurement, in the metric's unit.
            attributes: anything known; the registry decides what becomes a label.
            argument: the caller's word for the value.
            context: where the exemplar's trace is taken from; the current context by default.
        """
        if not self.used and spec.subsystem != "system":
            self.use()
        try:
            number = metric_value(spec, value)
        except InvalidValueError as error:
            self.invalid(call, argument or spec.name.rpartition(".")[2], error.expected, value)
            return
        self.write(spec, number, attributes, context)

    def write(
        self, spec: MetricSpec, number: float, attributes: Mapping[str, AttributeValue], context: Context | None = None
    ) -> None:
        """Record a measurement that was judged already."""
        instruments = self.instruments
        try:
            (instruments.writes.get(spec.name) or instruments.write_of(spec))(number, attributes, context)
        except Exception as fault:
            if not kept("metrics", fault, self.fault):
                raise

    def invalid(self, call: str, argument: str, expected: str, value: Any) -> None:
        """Say once per call and argument that a value was left out, and count it.

        Raises:
            UsageError: in a test run, so that the mistake is found there.
        """
        call = _as_called(call)
        message = (
            f"capibara_otel: cap.{call}({argument}={shown(value)}) expects {expected}, got {type(value).__name__}; "
            "the value was left out (counted in capibara6_telemetry_invalid_total)"
        )
        if faults_are_raised():
            raise UsageError(message)
        self.write(m.TELEMETRY_INVALID, 1, {a.TELEMETRY_CALL: call})
        if self._said.first((call, argument)):
            _logger.warning(message)

    def use(self) -> None:
        """Take note that the app observes something."""
        if not self.used:
            self.used = True
            if self.on_first_use is not None:
                with shield("emitter.first_use", self.fault):
                    self.on_first_use()

    def expect_drops(self) -> None:
        """Be ready to end what is no block, and so may be dropped."""
        with shield("operation.reaper", self.fault):
            self.reaper.ensure()

    def after_fork(self) -> None:
        """Begin anew in a forked process."""
        self.epoch += 1
        self.instruments.after_fork()
        self.reaper.renew()

    def fault(self, place: str, _error: Exception) -> None:
        """Count a fault that was kept from the app."""
        self.instruments.record(m.TELEMETRY_ERRORS, 1, {a.TELEMETRY_PLACE: place})


def _as_called(call: str) -> str:
    """Return the helper that the developer called: `rag.record_search`, or `rag.search.found` on an operation.

    A value is judged several frames below the helper it was given to; the outermost frame of a subsystem's file is
    that helper. The stack is read only when a value is wrong.

    Args:
        call: the verb under which the value is judged, such as `rag.search`.
    """
    helper = ""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - the documented way to the stack
    while frame is not None and str(frame.f_globals.get("__name__", "")).startswith(_OURS):
        module, name = str(frame.f_globals["__name__"]), frame.f_code.co_name
        if (module.startswith(_SUBSYSTEMS) and not name.startswith("_")) or name in _TOLD:
            helper = frame.f_code.co_qualname
        frame = frame.f_back
    owner, _, method = helper.rpartition(".")
    noun, _, verb = call.partition(".")
    if not method or method == verb:
        return call
    return f"{noun}.{method}" if owner.lower() == noun else f"{call}.{method}"
