"""What an operation is told: attributes, measurements, how it ended."""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final, Self, TypeAlias

from opentelemetry import trace
from opentelemetry.trace import Span, Status, StatusCode
from opentelemetry.util.types import AttributeValue

from capibara_otel.operation import outcomes
from capibara_otel.operation.emitter import Emitter
from capibara_otel.operation.values import InvalidValueError, given, metric_value
from capibara_otel.redaction import scrub, text_of
from capibara_otel.semconv import attributes as a
from capibara_otel.semconv.specs import MetricSpec, SpanSpec

Measurement: TypeAlias = tuple[MetricSpec, float, Mapping[str, AttributeValue]]
"""A metric, a value in its unit, and labels beyond the operation's attributes."""


class Told:
    """The part of an operation that listens. Everything is judged by the registry, nothing raises in production.

    Args:
        emitter: where values are judged.
        spec: what kind of work it is.
        attributes: values to begin with, judged already.
        measurements: measurements to begin with, judged already.
    """

    def __init__(
        self,
        emitter: Emitter,
        spec: SpanSpec,
        attributes: Mapping[str, AttributeValue],
        measurements: Iterable[Measurement],
    ) -> None:
        self.emitter: Final = emitter
        self.spec: Final = spec
        self._attributes: dict[str, AttributeValue] = dict(attributes)
        self._measurements: list[Measurement] = list(measurements)
        self._span: Span = trace.INVALID_SPAN
        self._outcome = ""
        self._error_type = ""
        self._described = False

    @property
    def attributes(self) -> Mapping[str, AttributeValue]:
        """What was recorded so far."""
        return MappingProxyType(self._attributes)

    def set(self, attribute: str, value: Any, argument: str = "") -> Self:
        """Set an attribute of the registry. A value it does not take is left out, said once and counted.

        Args:
            attribute: a constant of `capibara_otel.semconv.attributes`.
            value: the value; None leaves things as they are.
            argument: the caller's word for it, for the message; the last part of the attribute's name by default.
        """
        checked = self.emitter.checked(self.spec.call, attribute, value, argument)
        if checked is not None:
            self._attributes[attribute] = checked
            if self._span.is_recording():
                self._span.set_attribute(attribute, checked)
        return self

    def measure(
        self, metric: MetricSpec, value: Any, argument: str = "", labels: Mapping[str, AttributeValue] | None = None
    ) -> Self:
        """Record a measurement when the operation ends, with the labels known by then.

        Args:
            metric: a constant of `capibara_otel.semconv.metrics`.
            value: in the metric's unit; None measures nothing.
            argument: the caller's word for it, for the message.
            labels: labels beyond the operation's attributes.
        """
        if value is None:
            return self
        try:
            number = metric_value(metric, value)
        except InvalidValueError as error:
            self.emitter.invalid(self.spec.call, argument or metric.name.rpartition(".")[2], error.expected, value)
            return self
        self._measurements.append((metric, number, labels or {}))
        return self

    def fail(self, error: BaseException | str) -> Self:
        """Say that it failed although no exception leaves the block.

        Args:
            error: the exception, or a short constant word for the kind of failure.
        """
        self._outcome = outcomes.outcome_of(error) if isinstance(error, BaseException) else outcomes.ERROR
        self._error_type = self.emitter.error_type(self.spec.call, error)
        if isinstance(error, BaseException):
            self._describe(error)
        return self

    def ended(self, outcome: str, error: BaseException | str = "") -> Self:
        """Say how it ended, where an exception does not.

        Args:
            outcome: a value of `capibara6.outcome`; an unknown one is left out, said once and counted.
            error: the kind of failure, for outcomes that are failures; the outcome itself by default.
        """
        if self.emitter.checked(self.spec.call, a.OUTCOME, outcome) is not None:
            self._outcome = outcome
            failed = outcome in outcomes.FAILURES
            self._error_type = (
                self.emitter.error_type(self.spec.call, error if given(error) else outcome) if failed else ""
            )
        return self

    def _describe(self, error: BaseException) -> None:
        message = scrub(text_of(error))
        self._described = True
        self._span.set_status(Status(StatusCode.ERROR, message or type(error).__name__))
        if self._span.is_recording():
            self._span.add_event(
                "exception",
                {
                    a.EXCEPTION_TYPE: outcomes.full_name(type(error)),
                    a.EXCEPTION_MESSAGE: message,
                    a.EXCEPTION_STACKTRACE: scrub("".join(traceback.format_exception(error))),
                },
            )
