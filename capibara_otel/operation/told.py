"""What an operation is told: attributes, measurements, how it ended."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Self

from opentelemetry.trace import Span, Status, StatusCode
from opentelemetry.util.types import AttributeValue

from capibara_otel.operation import outcomes
from capibara_otel.operation.emitter import Emitter
from capibara_otel.operation.record import Measurement
from capibara_otel.operation.values import QUICK, InvalidValueError, given, metric_value
from capibara_otel.redaction import scrub, text_of
from capibara_otel.semconv import attributes as a
from capibara_otel.semconv.specs import MetricSpec, SpanSpec

UNTOLD: Final = ("", "", False)


class Told:
    """The part of an operation that listens. Everything is judged by the registry, nothing raises in production.

    What is told before the start is on the span from its start. What is told later is written to the span in one go, at
    the operation's end or when somebody asks for the operation's span.
    """

    emitter: Emitter
    spec: SpanSpec
    _attributes: dict[str, AttributeValue]
    _late: dict[str, AttributeValue] | None
    """Attributes that the span does not have yet; None before the start and after the end."""
    _measurements: list[Measurement]
    _span: Span
    _ending: tuple[str, str, bool]
    """Outcome, error type, and whether the span tells more of the failure; `UNTOLD` where nobody said how it ended."""

    @property
    def attributes(self) -> Mapping[str, AttributeValue]:
        """What was recorded so far."""
        return MappingProxyType(self._attributes)

    def take(self, attribute: str, value: Any, argument: str = "") -> AttributeValue | None:
        """Set an attribute as `set` does, and return what was recorded; None if nothing was.

        Args:
            attribute: a constant of `capibara_otel.semconv.attributes`.
            value: the value; None leaves things as they are.
            argument: the caller's word for it, for the message; the last part of the attribute's name by default.
        """
        try:
            checked = QUICK[attribute](value)
        except KeyError:  # an instance of a template, such as a header, or a mistake
            checked = None
        if checked is None:
            checked = self.emitter.checked(self.spec.call, attribute, value, argument)
            if checked is None:
                return None
        self._attributes[attribute] = checked
        late = self._late
        if late is not None:
            late[attribute] = checked
        return checked

    def know(self, attribute: str, value: AttributeValue) -> None:
        """Set an attribute whose value was judged already, or is a constant of the library's.

        Args:
            attribute: a constant of `capibara_otel.semconv.attributes`.
            value: what its specification takes.
        """
        self._attributes[attribute] = value
        late = self._late
        if late is not None:
            late[attribute] = value

    def set(self, attribute: str, value: Any, argument: str = "") -> Self:
        """Set an attribute of the registry. A value it does not take is left out, said once and counted.

        Args:
            attribute: a constant of `capibara_otel.semconv.attributes`.
            value: the value; None leaves things as they are.
            argument: the caller's word for it, for the message; the last part of the attribute's name by default.
        """
        self.take(attribute, value, argument)
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
        self._measurements.append((metric, number, labels))
        return self

    def fail(self, error: BaseException | str) -> Self:
        """Say that it failed although no exception leaves the block.

        Args:
            error: the exception, or a short constant word for the kind of failure.
        """
        failure = self.emitter.error_type(self.spec.call, error)
        if isinstance(error, BaseException):
            self._ending = (outcomes.outcome_of(error), failure, True)
            self._describe(error)
        else:
            self._ending = (outcomes.ERROR, failure, self._ending[2])
        return self

    def ended(self, outcome: str, error: BaseException | str = "") -> Self:
        """Say how it ended, where an exception does not.

        Args:
            outcome: a value of `capibara6.outcome`; an unknown one is left out, said once and counted.
            error: the kind of failure, for outcomes that are failures; the outcome itself by default.
        """
        checked = self.emitter.checked(self.spec.call, a.OUTCOME, outcome)
        if isinstance(checked, str):
            failure = ""
            if checked in outcomes.FAILURES:
                failure = self.emitter.error_type(self.spec.call, error if given(error) else checked)
            self._ending = (checked, failure, self._ending[2])
        return self

    def _describe(self, error: BaseException) -> None:
        message = scrub(text_of(error))
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
