"""How much a log record may hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from capibara_otel.pipeline.traces.limits import DEFAULT_COUNT, read_count, read_limit
from capibara_otel.pipeline.traces.values import UNLIMITED


@dataclass(frozen=True, slots=True)
class LogLimits:
    """How much a log record may hold; the oldest attributes over the limit are dropped and counted.

    Args:
        attributes: of a record.
        value_length: characters of an attribute value.
    """

    attributes: int = DEFAULT_COUNT
    value_length: int = UNLIMITED

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Self:
        """Read them as the OpenTelemetry SDK does.

        Args:
            environ: the environment.

        Raises:
            ValueError: a variable is neither empty nor a whole number from 0 on.
        """
        length = read_limit(environ, "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", UNLIMITED)
        return cls(
            attributes=read_limit(environ, "OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT", read_count(environ)),
            value_length=read_limit(environ, "OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT", length),
        )
