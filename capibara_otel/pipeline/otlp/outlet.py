"""Brings batches to one receiver: written, sent, sent again, put aside, caught up on."""

from __future__ import annotations

import logging
import random as chance
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Final, Generic, Protocol, TypeVar

from capibara_otel._safety import Once
from capibara_otel.pipeline.health import Health, Signal
from capibara_otel.pipeline.otlp.common import LeftOut, Pause
from capibara_otel.pipeline.otlp.pace import let_others_run
from capibara_otel.pipeline.otlp.reply import Reply, Transport
from capibara_otel.pipeline.otlp.retry import Closing, Outage, Retry
from capibara_otel.pipeline.otlp.spool import Spool
from capibara_otel.pipeline.outlet import Sent
from capibara_otel.redaction import scrub

logger: Final = logging.getLogger(__name__)

B = TypeVar("B")
B_contra = TypeVar("B_contra", contravariant=True)

_LONGEST_MESSAGE: Final = 500


class Encode(Protocol[B_contra]):
    """Writes a batch as a request; the encoders of the three signals."""

    def __call__(self, batch: B_contra, /, *, pause: Pause | None = None, left_out: LeftOut | None = None) -> bytes:
        """Return the request."""


class OtlpOutlet(Generic[B]):
    """Sends OTLP to one receiver.

    Args:
        signal: of the batches.
        target: where they go, for people; without credentials.
        encode: writes a batch.
        count: tells how many items one has.
        connect: makes the transport, when the first batch is sent: a process that forks before shares no connection.
        timeout_s: seconds that one batch may take, all its tries within.
        health: where what leaves the spool is counted.
        spool: where batches wait that the receiver does not take; None for nowhere.
        clock: monotonic seconds.
        random: a number from 0 to 1, for the pauses between tries.
        closing: makes what the pauses are waited with.
    """

    def __init__(
        self,
        signal: Signal,
        target: str,
        encode: Encode[B],
        count: Callable[[B], int],
        connect: Callable[[], Transport],
        timeout_s: float,
        health: Health,
        spool: Spool | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        random: Callable[[], float] = chance.random,
        closing: Callable[[], Closing] = Closing,
    ) -> None:
        self.target: Final = target
        self.keeps: Final = spool is not None
        self._signal: Final = signal
        self._encode: Final = encode
        self._count: Final = count
        self._connect: Final = connect
        self._timeout_s: Final = timeout_s
        self._health: Final = health
        self._spool: Final = spool
        self._clock: Final = clock
        self._random: Final = random
        self._make_closing: Final = closing
        self._said: Final = Once()
        self._transport: Transport | None = None
        self._parents: Transport | None = None
        self._begin()

    def _begin(self) -> None:
        self._closing = self._make_closing()
        self._retry = Retry(self._clock, self._random, self._closing)
        self._outage = Outage(self._clock, self._random)
        self._lock = threading.RLock()
        self._sending: B | None = None
        """The batch that is sent now or was sent last, where it may also be put aside."""
        self._ended: Sent | None = None
        """What became of that batch: whoever gives it up while it is sent must not end it a second time."""

    def send(self, batch: B, /) -> Sent:
        """Deliver a batch within the time that there is for it, or else put it aside."""
        if self._spool is not None:
            with self._lock:
                self._sending, self._ended = batch, None
        if self._spool is not None and self._outage.spares:
            return self._end(batch, *self._written(batch), None)
        body, unencodable = self._written(batch)
        if not body:
            return Sent(delivered=True, unencodable=unencodable, was_tried=False)
        probe_s = None if self._spool is None else self._outage.probe_s(self._timeout_s)
        reply = self._retry.send(partial(self._attempt, body), probe_s or self._timeout_s, once=probe_s is not None)
        return self._end(batch, body, unencodable, reply)

    def keep(self, batch: B, /) -> Sent:
        """Put a batch aside; where `send` has ended for it, answer what it did."""
        return self._end(batch, *self._written(batch), None)

    def catch_up(self, enough: Callable[[], bool], /) -> None:
        """Send what waits in the spool, the oldest first, until there is no more, `enough` says so, or it fails."""
        if self._spool is None:
            return
        while not (self._closing.is_closed or self._outage.spares or enough()):
            claim = self._spool.claim(self._signal)
            if claim is None:
                return
            start = self._clock()
            seconds = self._outage.probe_s(self._timeout_s) or self._timeout_s
            reply = self._retry.send(partial(self._attempt, claim.body), seconds, once=True)
            self._health.record_export(self._signal, self._clock() - start, went_well=reply.taken)
            self._learn(reply)
            if not reply.taken and reply.is_retryable:
                self._spool.release(claim)
                return
            self._spool.drop(claim)
            sent = Sent(delivered=reply.taken, rejected=self._rejected(reply, claim.items))
            self._health.count_sent(self._signal, claim.items, sent)

    def close(self) -> None:
        """Give up what is under way, at once; batches can still be put aside."""
        self._closing.close()
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.close()

    def after_fork(self) -> None:
        """Begin anew in a forked child; not even the end of the parent's connection may be told there."""
        self._parents, self._transport = self._transport, None
        is_closed = self._closing.is_closed
        self._begin()
        if is_closed:
            self._closing.close()
        if self._spool is not None:
            self._spool.after_fork()

    def _written(self, batch: B) -> tuple[bytes, int]:
        left_out: list[Exception] = []
        body = self._encode(batch, pause=let_others_run, left_out=left_out.append)
        if left_out and self._said.first(type(left_out[0])):
            logger.warning(
                "an item could not be written as OTLP (%s); it was left out (capibara6_telemetry_dropped_total)",
                scrub(repr(left_out[0])[:_LONGEST_MESSAGE]),
            )
        return body, len(left_out)

    def _attempt(self, body: bytes, seconds: float) -> Reply:
        try:
            transport = self._transport or self._connected()
            if transport is None:
                return Reply(taken=False, fault="it was given up", is_retryable=True)
            return transport.send(body, seconds)
        except Exception as fault:  # a library of others; whatever it raises is no reason to stop
            if self._said.first(type(fault)):
                logger.exception("telemetry could not be sent to %s", self.target)
            return Reply(taken=False, is_retryable=True)

    def _connected(self) -> Transport | None:
        closing = self._closing
        if closing.is_closed:
            return None
        self._transport = made = self._connect()
        if closing.wait(0):  # meanwhile
            made.close()
        return made

    def _end(self, batch: B, body: bytes, unencodable: int, reply: Reply | None) -> Sent:
        """Put the batch aside if need be. Of two who end the same batch, the second is told what the first did."""
        with self._lock:
            is_sending = batch is self._sending
            if is_sending and self._ended is not None:
                return self._ended
            sent = self._outcome(self._count(batch) - unencodable, body, unencodable, reply)
            if is_sending:
                self._ended = sent
            return sent

    def _outcome(self, items: int, body: bytes, unencodable: int, reply: Reply | None) -> Sent:
        if reply is not None:
            self._learn(reply)
        if reply is not None and reply.taken:
            return Sent(delivered=True, rejected=self._rejected(reply, items), unencodable=unencodable)
        is_retryable = reply is None or reply.is_retryable
        put = self._spool.put(self._signal, body, items) if self._spool and body and is_retryable else "failed"
        return Sent(
            delivered=False,
            unencodable=unencodable,
            spooled=items if put == "kept" else 0,
            spool_was_full=put == "full",
            is_retryable=is_retryable,
            was_tried=reply is not None,
        )

    def _learn(self, reply: Reply) -> None:
        if reply.taken or not reply.is_retryable:
            self._outage.end()
        elif not self._closing.is_closed:
            self._outage.begin(reply.wait_s)
        if not reply.taken and reply.fault and not self._closing.is_closed and self._said.first(reply.fault):
            logger.warning(
                "%s could not be sent to %s: %s%s",
                self._signal,
                self.target,
                reply.fault,
                "".join(f"; {part}" for part in (_shown(reply.message), reply.advice) if part),
            )

    def _rejected(self, reply: Reply, items: int) -> int:
        answer = reply.answer
        if (answer.rejected or answer.message) and self._said.first(bool(answer.rejected)):
            logger.warning(
                "%s took %s but rejected %d of %d: %s",
                self.target,
                self._signal,
                answer.rejected,
                items,
                _shown(answer.message) or "it did not say why",
            )
        return min(answer.rejected, items)


def _shown(message: str) -> str:
    return " ".join(scrub(message[:_LONGEST_MESSAGE]).split())
