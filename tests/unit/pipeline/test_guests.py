"""What others brought."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import NoReturn

import pytest

from capibara_otel.pipeline.guests import Guests


def test_they_are_flushed_and_closed_in_order() -> None:
    """A flush flushes; the end flushes again and then closes."""
    calls: list[str] = []

    def note(word: str) -> Callable[[], None]:
        return lambda: calls.append(word)

    guests = Guests([note("flush a"), note("flush b")], [note("close a")])
    assert guests.wait_flush(guests.ask_flush(), 10)
    guests.close()
    assert guests.finish(10)
    assert calls == ["flush a", "flush b", "flush a", "flush b", "close a"]


def test_one_that_fails_keeps_no_other_from_its_turn(caplog: pytest.LogCaptureFixture) -> None:
    """A processor that raises or says no has failed the flush; the others are flushed all the same."""
    calls: list[str] = []

    def fail() -> NoReturn:
        raise RuntimeError("broken")

    guests = Guests([fail, lambda: calls.append("second")], [])
    assert not guests.wait_flush(guests.ask_flush(), 10)
    assert calls == ["second"]
    assert "a processor of the app failed to flush or to close" in caplog.text
    guests.close()
    guests.finish(10)
    refusing = Guests([lambda: False], [])
    assert not refusing.wait_flush(refusing.ask_flush(), 10)
    refusing.close()
    refusing.finish(10)


def test_one_that_does_not_return_keeps_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """A processor that hangs is waited for until the deadline, and that is said."""
    may_go = threading.Event()
    guests = Guests([may_go.wait], [])
    assert not guests.wait_flush(guests.ask_flush(), 0.01)
    guests.close()
    assert not guests.finish(0.01)
    assert "the app's own processors did not close in time" in caplog.text
    may_go.set()
    assert guests.finish(10)


def test_a_forked_child_has_its_own_thread() -> None:
    """In a child the guests are flushed as in the parent."""
    calls: list[int] = []
    guests = Guests([lambda: calls.append(1)], [])
    guests.after_fork()
    assert guests.wait_flush(guests.ask_flush(), 10)
    assert calls == [1]
    guests.close()
    guests.finish(10)
