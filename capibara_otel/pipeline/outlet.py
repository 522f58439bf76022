"""What carries batches away: the one shape that the own encoder, the official exporters and a sink in a test have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

B_contra = TypeVar("B_contra", contravariant=True)


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of a batch.

    Of its items `unencodable` could not be written. The others reached the receiver, which refused `rejected` of them,
    or `spooled` of them wait on disk, or they are lost; `Health.count_sent` brings it to counts.
    """

    delivered: bool
    """Whether the receiver took the batch."""
    rejected: int = 0
    """Items of it that the receiver did not want all the same."""
    unencodable: int = 0
    spooled: int = 0
    spool_was_full: bool = False
    """Whether they are lost because the spool had no room."""
    is_retryable: bool = False
    """Whether the receiver might take the same batch later."""
    was_tried: bool = True
    """Whether the receiver was asked at all; in an outage it is spared."""


class Outlet(Protocol[B_contra]):
    """One receiver of one signal. `send` and `catch_up` are called by one thread only, the others by any."""

    @property
    def target(self) -> str:
        """Where it sends, for people; without credentials."""

    @property
    def keeps(self) -> bool:
        """Whether there is a place to put batches aside."""

    def send(self, batch: B_contra, /) -> Sent:
        """Deliver a batch, or else put it aside for later where there is a place for that. Never raises."""

    def keep(self, batch: B_contra, /) -> Sent:
        """Put a batch aside for later without trying to deliver it; where `send` has ended for it, answer what it did."""

    def catch_up(self, enough: Callable[[], bool], /) -> None:
        """Deliver what was put aside, until there is no more of it or `enough` says so."""

    def close(self) -> None:
        """Give up what is under way, at once, and deliver no further batches; they can still be put aside."""

    def after_fork(self) -> None:
        """Begin anew in a forked child, and leave the parent's connection alone."""


SPARE_S: Final = 0.1
"""Seconds of a shutdown that are kept for putting aside what was not sent."""
LAST_S: Final = 0.25
"""Seconds of a shutdown in which what was put aside earlier may still be sent."""


def spare_s(outlet: Outlet[Any], timeout_s: float) -> float:
    """Return the seconds of a time-out that putting aside needs, 0 where there is no place for it."""
    return min(SPARE_S, timeout_s / 4) if outlet.keeps else 0.0
