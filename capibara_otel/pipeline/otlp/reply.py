"""What a transport is, and what one attempt to send with it came to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from capibara_otel.pipeline.otlp.answer import Answer

NOTHING_SAID: Final = Answer()


@dataclass(frozen=True, slots=True)
class Reply:
    """What one attempt came to."""

    taken: bool
    answer: Answer = NOTHING_SAID
    """What the receiver said to a batch that it took."""
    fault: str = ""
    """What went wrong, in a few words that are the same each time."""
    message: str = ""
    """The receiver's own words for it."""
    advice: str = ""
    """What to do about it."""
    is_retryable: bool = False
    wait_s: float | None = None
    """Seconds after which the receiver wants to be asked again, if it said so."""


class Transport(Protocol):
    """A way to one receiver. One thread sends; any may close."""

    def send(self, body: bytes, timeout_s: float) -> Reply:
        """Send a request once; answer what came of it within so many seconds. Faults of the way are answers too."""

    def close(self) -> None:
        """Break off what is under way, and refuse more."""
