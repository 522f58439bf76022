"""When to try again."""

from __future__ import annotations

import threading

import pytest

from capibara_otel.pipeline.otlp.reply import Reply
from capibara_otel.pipeline.otlp.retry import Closing, Outage, Retry

TAKEN = Reply(taken=True)
BUSY = Reply(taken=False, fault="busy", is_retryable=True)
REFUSED = Reply(taken=False, fault="refused")


class Time(Closing):
    """A clock that only waiting moves, and attempts that take some of it."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 100.0
        self.waits: list[float] = []

    def wait(self, seconds: float) -> bool:
        """Let time pass."""
        self.waits.append(round(seconds, 3))
        self.now += seconds
        return self.is_closed


class Receiver:
    """Answers in turn; each answer takes a second."""

    def __init__(self, time: Time, *replies: Reply) -> None:
        self.time = time
        self.replies = list(replies)
        self.had: list[float] = []

    def __call__(self, seconds: float) -> Reply:
        """Answer."""
        self.had.append(round(seconds, 3))
        self.time.now += 1
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]


@pytest.fixture
def time() -> Time:
    """The time."""
    return Time()


@pytest.fixture
def retry(time: Time) -> Retry:
    """What is tested, without chance."""
    return Retry(lambda: time.now, lambda: 0.5, time)


def test_what_is_taken_or_refused_is_tried_once(time: Time, retry: Retry) -> None:
    """A success and a refusal for good end it."""
    for reply in (TAKEN, REFUSED):
        receiver = Receiver(time, reply)
        assert retry.send(receiver, 60) is reply
        assert receiver.had == [60]
    assert time.waits == []


def test_pauses_grow_up_to_a_limit(time: Time, retry: Retry) -> None:
    """What may pass is tried again after longer and longer pauses, each try with what is left of the time."""
    receiver = Receiver(time, BUSY, BUSY, BUSY, BUSY, BUSY, BUSY, TAKEN)
    assert retry.send(receiver, 60) is TAKEN
    assert time.waits == [0.5, 1, 2, 4, 5, 5]
    assert receiver.had[:3] == [60, 58.5, 56.5]


@pytest.mark.parametrize(("chance", "pause"), [(0.0, 0.4), (1.0, 0.6)])
def test_pauses_differ_by_chance(time: Time, chance: float, pause: float) -> None:
    """Many senders that fail at the same moment do not come back at the same moment."""
    Retry(lambda: time.now, lambda: chance, time).send(Receiver(time, BUSY, TAKEN), 60)
    assert time.waits == [pause]


def test_the_deadline_is_never_passed(time: Time, retry: Retry) -> None:
    """A pause that would end after the deadline is not begun: the time is given back."""
    assert retry.send(Receiver(time, BUSY), 5) is BUSY
    assert time.waits == [0.5, 1]
    assert time.now <= 105


def test_the_receiver_says_when(time: Time, retry: Retry) -> None:
    """The pause that the receiver names is taken, a short one too."""
    asked = [Reply(taken=False, is_retryable=True, wait_s=seconds) for seconds in (7, 0)]
    assert retry.send(Receiver(time, *asked, TAKEN), 60) is TAKEN
    assert time.waits == [7, 0]


def test_a_wait_past_the_deadline_holds_for_the_next_batch(time: Time, retry: Retry) -> None:
    """A receiver that wants to be left alone for longer is not asked by the next batch before that, nor ever early."""
    reply = Reply(taken=False, is_retryable=True, wait_s=25)
    assert retry.send(Receiver(time, reply), 10) is reply
    receiver = Receiver(time, TAKEN)
    spared = retry.send(receiver, 10)
    assert (spared.taken, spared.is_retryable, receiver.had) == (False, True, [])
    assert not retry.send(receiver, 10).taken
    assert retry.send(receiver, 10) is TAKEN
    assert time.waits == [10, 10, 5]
    assert receiver.had == [5]


def test_no_receiver_can_ask_for_silence_without_end(time: Time, retry: Retry) -> None:
    """A wait of years, as a slip or a wrong clock makes it, is one of an hour."""
    retry.send(Receiver(time, Reply(taken=False, is_retryable=True, wait_s=1e12)), 10)
    time.now += 3590
    assert retry.send(Receiver(time, TAKEN), 20) is TAKEN


def test_one_try_is_one_try(time: Time, retry: Retry) -> None:
    """A careful try is not repeated."""
    receiver = Receiver(time, BUSY)
    assert retry.send(receiver, 60, once=True) is BUSY
    assert (len(receiver.had), time.waits) == (1, [])


def test_closing_ends_a_pause(time: Time, retry: Retry) -> None:
    """Once closed, nothing is tried again."""
    time.close()
    receiver = Receiver(time, BUSY)
    assert retry.send(receiver, 60) is BUSY
    assert len(receiver.had) == 1


def test_a_wait_ends_at_once_when_it_is_closed() -> None:
    """All who wait go on, those who come later too, however often it is closed."""
    closing = Closing()
    answers: list[bool] = []
    threads = [threading.Thread(target=lambda: answers.append(closing.wait(1000))) for _ in range(3)]
    for thread in threads:
        thread.start()
    closing.close()
    closing.close()
    for thread in threads:
        thread.join(20)
    assert answers == [True, True, True]
    assert closing.wait(1000)
    assert not Closing().wait(0)


def test_an_outage_is_probed_after_growing_pauses(time: Time) -> None:
    """A receiver that is down is spared; each probe that fails makes the next pause longer, and may take longer."""
    outage = Outage(lambda: time.now, lambda: 0.5)
    assert (outage.spares, outage.probe_s(10)) == (False, None)
    found = []
    for _ in range(8):
        outage.begin(None)
        began = time.now
        while outage.spares:
            time.now += 0.25
        found.append((time.now - began, outage.probe_s(10)))
    assert found == [(1, 1), (2, 1), (4, 2), (8, 4), (16, 8), (30, 10), (30, 10), (30, 10)]
    outage.end()
    assert (outage.spares, outage.probe_s(10)) == (False, None)


def test_an_outage_lasts_as_long_as_the_receiver_says(time: Time) -> None:
    """The wait that it names is kept where it is longer."""
    outage = Outage(lambda: time.now, lambda: 0.5)
    outage.begin(90)
    spared = []
    for seconds in (0, 89, 1):
        time.now += seconds
        spared.append(outage.spares)
    assert spared == [True, True, False]
