"""What becomes of a batch."""

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from capibara_otel.pipeline.health import Health
from capibara_otel.pipeline.logs.record import Record
from capibara_otel.pipeline.otlp import logs
from capibara_otel.pipeline.otlp.answer import Answer
from capibara_otel.pipeline.otlp.common import LeftOut, Pause
from capibara_otel.pipeline.otlp.outlet import OtlpOutlet
from capibara_otel.pipeline.otlp.reply import Reply
from capibara_otel.pipeline.otlp.retry import Closing
from capibara_otel.pipeline.otlp.spool import Spool
from capibara_otel.pipeline.outlet import Sent
from tests.support.otlp_send import RESOURCE, records

TAKEN = Reply(taken=True)
BUSY = Reply(taken=False, fault="HTTP 503", is_retryable=True)
REFUSED = Reply(taken=False, fault="HTTP 400", message="password=hunter22 is wrong", advice="mend it")

Batch = list[Record]


class Wire:
    """A transport that answers as it is told, and keeps what it was given."""

    def __init__(self) -> None:
        self.reply = TAKEN
        self.sent: list[list[str]] = []
        self.is_closed = False
        self.called = threading.Semaphore(0)
        self.may_answer = threading.Event()
        self.may_answer.set()

    def send(self, body: bytes, timeout_s: float) -> Reply:
        """Take a request, in the time that there is."""
        assert 0 < timeout_s <= 10
        self.called.release()
        self.may_answer.wait(20)
        request = ExportLogsServiceRequest.FromString(body)
        self.sent.append([each.body.string_value for each in request.resource_logs[0].scope_logs[0].log_records])
        return self.reply

    def close(self) -> None:
        """Break off."""
        self.is_closed = True
        self.may_answer.set()


class Time(Closing):
    """Time that passes while somebody waits, and when it is said."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def wait(self, seconds: float) -> bool:
        """Let time pass."""
        self.now += seconds
        return self.is_closed


class Rig:
    """An outlet, and all that it is told.

    Args:
        folder: of the spool; None for no spool.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.time = Time()
        self.wires: list[Wire] = []
        self.wire = Wire()
        self.fault: Exception | None = None
        self.health = Health()
        looks = count(step=2)  # so that the folder is looked at each time
        self.spool = None if folder is None else Spool(folder, 10**6, self.health, clock=lambda: float(next(looks)))
        self.outlet: OtlpOutlet[Batch] = OtlpOutlet(
            "logs",
            "here",
            self._encode,
            len,
            self._connect,
            10,
            self.health,
            self.spool,
            clock=lambda: self.time.now,
            random=lambda: 0.5,
            closing=lambda: self.time,
        )

    def _encode(self, batch: Batch, /, *, pause: Pause | None = None, left_out: LeftOut | None = None) -> bytes:
        return logs.encode(batch, RESOURCE, pause=pause, left_out=left_out)

    def _connect(self) -> Wire:
        if self.fault is not None:
            raise self.fault
        self.wires.append(self.wire)
        return self.wire


@pytest.fixture
def rig() -> Rig:
    """An outlet without a spool."""
    return Rig()


@pytest.fixture
def spooling(tmp_path: Path) -> Rig:
    """An outlet with a spool."""
    return Rig(tmp_path)


def never() -> bool:
    """Say that it is not enough."""
    return False


def test_a_batch_is_delivered_over_a_connection_that_is_made_when_it_is_needed(rig: Rig) -> None:
    """Nothing is connected before the first batch, which a forking process relies on."""
    assert rig.wires == []
    assert rig.outlet.send(records("1")) == Sent(delivered=True)
    assert rig.outlet.send(records("2")) == Sent(delivered=True)
    assert (rig.wire.sent, len(rig.wires)) == ([["1"], ["2"]], 1)


def test_a_refusal_is_said_once_with_what_to_do(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    """The receiver's words are redacted, for it may repeat what it was given."""
    rig.wire.reply = REFUSED
    for _ in range(3):
        assert rig.outlet.send(records("1")) == Sent(delivered=False)
    assert len(rig.wire.sent) == 3
    assert [record.getMessage() for record in caplog.records] == [
        "logs could not be sent to here: HTTP 400; password=[redacted] is wrong; mend it"
    ]


def test_what_may_pass_is_tried_until_the_deadline(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    """Without a spool that is all there is to do."""
    rig.wire.reply = BUSY
    assert rig.outlet.send(records("1")) == Sent(delivered=False, is_retryable=True)
    assert len(rig.wire.sent) > 2
    assert rig.time.now <= 10
    assert [record.getMessage() for record in caplog.records] == ["logs could not be sent to here: HTTP 503"]


def test_what_was_rejected_is_told(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    """A partial success says how many, never more than there were, and why; a warning without any is said as well."""
    rig.wire.reply = Reply(taken=True, answer=Answer(2, "too old, token=abcdef123456"))
    assert rig.outlet.send(records("1", "2", "3")) == Sent(delivered=True, rejected=2)
    assert rig.outlet.send(records("1", "2", "3")) == Sent(delivered=True, rejected=2)
    rig.wire.reply = Reply(taken=True, answer=Answer(99))
    assert rig.outlet.send(records("1", "2", "3")) == Sent(delivered=True, rejected=3)
    rig.wire.reply = Reply(taken=True, answer=Answer(0, "use the newer path"))
    assert rig.outlet.send(records("1")) == Sent(delivered=True)
    assert [record.getMessage() for record in caplog.records] == [
        "here took logs but rejected 2 of 3: too old, token=[redacted]",
        "here took logs but rejected 0 of 1: use the newer path",
    ]


def test_what_cannot_be_written_is_left_out(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    """The batch goes without it; one of nothing else does not go at all."""
    bad = records("bad")[0]
    bad.time_ns = -1
    assert rig.outlet.send([bad, *records("good")]) == Sent(delivered=True, unencodable=1)
    assert rig.outlet.send([bad]) == Sent(delivered=True, unencodable=1, was_tried=False)
    assert rig.wire.sent == [["good"]]
    assert len(caplog.records) == 1
    assert "could not be written as OTLP" in caplog.text


def test_a_transport_that_raises_is_said_once(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever a library raises stays here, also where the connection cannot even be made."""
    rig.fault = OSError("no such certificate")
    for _ in range(2):
        assert rig.outlet.send(records("1")) == Sent(delivered=False, is_retryable=True)
    assert [record.getMessage() for record in caplog.records] == ["telemetry could not be sent to here"]


def test_after_closing_nothing_is_sent(rig: Rig) -> None:
    """A closed outlet connects no more, and closes what it had connected."""
    assert rig.outlet.send(records("1")).delivered
    rig.outlet.close()
    assert rig.wire.is_closed
    assert not rig.outlet.send(records("2")).delivered
    rig.outlet.after_fork()
    assert not rig.outlet.send(records("3")).delivered
    assert rig.wire.sent == [["1"]]


def test_a_forked_child_connects_for_itself(rig: Rig) -> None:
    """Not even the end of the parent's connection is told by the child."""
    parents = rig.wire
    assert rig.outlet.send(records("1")).delivered
    rig.wire = Wire()
    rig.outlet.after_fork()
    assert rig.outlet.send(records("2")).delivered
    rig.outlet.close()
    assert (parents.sent, parents.is_closed) == ([["1"]], False)
    assert (rig.wire.sent, rig.wire.is_closed) == ([["2"]], True)


def test_without_a_spool_nothing_is_kept(rig: Rig) -> None:
    """Asked to keep a batch, it says that it did not, and there is nothing to catch up on."""
    assert rig.outlet.keeps is False
    assert rig.outlet.keep(records("1")) == Sent(delivered=False, is_retryable=True, was_tried=False)
    rig.outlet.catch_up(never)
    assert rig.wire.sent == []


def test_what_a_dead_receiver_did_not_take_is_put_aside(spooling: Rig) -> None:
    """After the deadline the batch waits on disk; a refusal for good is not worth that."""
    spooling.wire.reply = REFUSED
    assert spooling.outlet.send(records("1")) == Sent(delivered=False)
    spooling.wire.reply = BUSY
    assert spooling.outlet.send(records("2", "3")) == Sent(delivered=False, spooled=2, is_retryable=True)
    assert spooling.spool is not None
    claim = spooling.spool.claim("logs")
    assert claim is not None
    assert claim.items == 2


def test_a_receiver_that_is_down_is_spared(spooling: Rig) -> None:
    """In an outage batches go to disk at once, and one careful try is made from time to time."""
    spooling.wire.reply = BUSY
    spooling.outlet.send(records("1"))
    tries = len(spooling.wire.sent)
    spared = spooling.outlet.send(records("2"))
    assert spared == Sent(delivered=False, spooled=1, is_retryable=True, was_tried=False)
    assert len(spooling.wire.sent) == tries
    spooling.time.now += 100
    assert spooling.outlet.send(records("3")).was_tried
    assert len(spooling.wire.sent) == tries + 1
    spooling.time.now += 100
    spooling.wire.reply = TAKEN
    assert spooling.outlet.send(records("4")).delivered
    assert spooling.outlet.send(records("5")).delivered


def test_what_was_put_aside_is_caught_up_on(spooling: Rig) -> None:
    """When the receiver answers again the oldest goes first; all of it ends as exported, none waits any more."""
    spooling.wire.reply = BUSY
    for body in ("1", "2", "3"):
        spooling.health.count_sent("logs", 1, spooling.outlet.send(records(body)))
    assert spooling.health.spooled("logs") == 3
    spooling.outlet.catch_up(never)
    spooling.wire.reply, spooling.wire.sent = TAKEN, []
    spooling.time.now += 100
    spooling.outlet.catch_up(never)
    assert spooling.wire.sent == [["1"], ["2"], ["3"]]
    assert (spooling.health.exported("logs"), spooling.health.spooled("logs")) == (3, 0)


def test_catching_up_ends_when_it_is_enough_or_fails(spooling: Rig) -> None:
    """It stops between two requests when told to, and at the first that fails, which then still waits."""
    for body in ("1", "2", "3"):
        spooling.outlet.keep(records(body))
    answers = iter([False, True])
    spooling.outlet.catch_up(lambda: next(answers))
    assert spooling.wire.sent == [["1"]]
    spooling.wire.reply = BUSY
    spooling.outlet.catch_up(never)
    assert spooling.wire.sent == [["1"], ["2"]]
    spooling.time.now += 100
    spooling.wire.reply = TAKEN
    spooling.outlet.catch_up(never)
    assert spooling.wire.sent == [["1"], ["2"], ["2"], ["3"]]


def test_a_request_that_is_refused_later_is_dropped_and_counted(spooling: Rig) -> None:
    """A refusal for good, and a rejection of some items, are counted as for any other batch."""
    for batch in (records("1", "2"), records("3", "4")):
        spooling.health.count_sent("logs", 2, spooling.outlet.keep(batch))
    answers = iter([REFUSED, Reply(taken=True, answer=Answer(1))])

    def enough() -> bool:
        spooling.wire.reply = next(answers, TAKEN)
        return False

    spooling.outlet.catch_up(enough)
    health = spooling.health
    assert (health.dropped("logs", "export_failed"), health.dropped("logs", "rejected")) == (2, 1)
    assert (health.exported("logs"), health.spooled("logs")) == (1, 0)


def test_a_closed_outlet_still_keeps(spooling: Rig) -> None:
    """At the end the rest is put aside after the connection was given up; nothing is caught up on any more."""
    spooling.outlet.close()
    assert spooling.outlet.keep(records("1")).spooled == 1
    assert spooling.outlet.send(records("2")).spooled == 1
    spooling.outlet.catch_up(never)
    assert spooling.wire.sent == []


def _kept_while_under_way(rig: Rig, then: Callable[[], None]) -> tuple[Sent, Sent]:
    """Keep a batch while another thread sends it; return what both were told."""
    batch, told = records("1"), list[Sent]()
    rig.wire.may_answer.clear()
    thread = threading.Thread(target=lambda: told.append(rig.outlet.send(batch)))
    thread.start()
    assert rig.wire.called.acquire(timeout=10)
    kept = rig.outlet.keep(batch)
    then()
    thread.join(10)
    return kept, told[0]


@pytest.mark.parametrize("reply", [TAKEN, BUSY, REFUSED])
def test_a_batch_that_is_given_up_while_it_is_sent_is_put_aside_once(spooling: Rig, reply: Reply) -> None:
    """Whoever ends it first decides: the other is told the same, and it is on disk once, beside what else was put aside."""
    spooling.wire.reply = reply

    def then() -> None:
        assert spooling.outlet.keep(records("another")).spooled == 1
        spooling.outlet.close()

    kept, told = _kept_while_under_way(spooling, then)
    assert kept == told == Sent(delivered=False, spooled=1, is_retryable=True, was_tried=False)
    assert spooling.spool is not None
    assert spooling.spool.claim("logs") is not None
    assert spooling.spool.claim("logs") is not None
    assert spooling.spool.claim("logs") is None


def test_a_batch_that_has_just_been_delivered_is_not_put_aside(spooling: Rig) -> None:
    """Asked to keep a batch that `send` has ended for, it answers what `send` did."""
    batch = records("1")
    assert spooling.outlet.send(batch) == Sent(delivered=True)
    assert spooling.outlet.keep(batch) == Sent(delivered=True)
    assert spooling.spool is not None
    assert spooling.spool.claim("logs") is None
