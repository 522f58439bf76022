"""Reads what receivers answer: a partial success, a refusal with its reason and the wait it asks for.

Source: opentelemetry-proto, `Export…PartialSuccess`, alike in all three signals; googleapis, `rpc/status.proto` and
`rpc/error_details.proto`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from capibara_otel.pipeline.otlp.wire import fields

LONGEST: Final = 64 * 1024
"""Bytes of an answer that are read; what is longer is not looked at."""

_RETRY_INFO: Final = "google.rpc.RetryInfo"
_INT64_SIGN: Final = 1 << 63


@dataclass(frozen=True, slots=True)
class Answer:
    """What a receiver said to a batch that it took."""

    rejected: int = 0
    message: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a receiver said to a batch that it did not take."""

    message: str = ""
    wait_s: float | None = None
    """Seconds after which it may be asked again, if it named any."""


def read_answer(body: bytes) -> Answer:
    """Read an `Export…ServiceResponse`; one that cannot be read says nothing."""
    rejected, message = 0, ""
    try:
        for field, partial in fields(body):
            if field != 1 or not isinstance(partial, bytes):
                continue
            for inner, value in fields(partial):
                if inner == 1 and isinstance(value, int):
                    rejected = 0 if value & _INT64_SIGN else value
                elif inner == 2 and isinstance(value, bytes):  # noqa: PLR2004 - a field's number
                    message = value.decode(errors="replace")
    except ValueError:
        return Answer()
    return Answer(rejected, message)


def read_refusal(body: bytes) -> Refusal:
    """Read a `google.rpc.Status`; one that cannot be read says nothing."""
    message, wait_s = "", None
    try:
        for field, value in fields(body):
            if field == 2 and isinstance(value, bytes):  # noqa: PLR2004 - a field's number
                message = value.decode(errors="replace")
            elif field == 3 and isinstance(value, bytes):  # noqa: PLR2004 - the same
                wait_s = _read_detail(value) if wait_s is None else wait_s
    except ValueError:
        return Refusal()
    return Refusal(message, wait_s)


def read_retry_info(body: bytes) -> float | None:
    """Read a `google.rpc.RetryInfo`: seconds after which to try again; None where it names none.

    Raises:
        ValueError: it cannot be read.
    """
    for field, delay in fields(body):
        if field == 1 and isinstance(delay, bytes):
            numbers = {inner: value for inner, value in fields(delay) if isinstance(value, int)}
            seconds = numbers.get(1, 0)
            return 0.0 if seconds & _INT64_SIGN else seconds + numbers.get(2, 0) / 1e9
    return None


def _read_detail(body: bytes) -> float | None:
    parts = {field: value for field, value in fields(body) if isinstance(value, bytes)}
    kind = parts.get(1, b"").decode(errors="replace")
    return read_retry_info(parts.get(2, b"")) if kind.rpartition("/")[2] == _RETRY_INFO else None
