"""One deadline over everything, and what a signal sets going."""

from __future__ import annotations

import gc
import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from capibara_otel.pipeline import shutdown
from capibara_otel.pipeline.shutdown import Deadline, finish_all, flush_all, forget, shut_down_at_exit


class Part:
    """A part that takes its time."""

    def __init__(self, takes_s: float, answer: bool = True) -> None:
        self.takes_s = takes_s
        self.answer = answer
        self.events: list[str] = []
        self.waited: list[float] = []

    def ask_flush(self) -> int:
        """Note it."""
        self.events.append("ask")
        return 7

    def wait_flush(self, ticket: int, timeout_s: float) -> bool:
        """Wait, but no longer than allowed."""
        assert ticket == 7
        return self.finish(timeout_s)

    def close(self) -> None:
        """Note it."""
        self.events.append("close")

    def finish(self, timeout_s: float) -> bool:
        """Wait, but no longer than allowed."""
        self.events.append("wait")
        self.waited.append(timeout_s)
        Clock.now += min(self.takes_s, timeout_s)
        return self.answer and self.takes_s <= timeout_s

    def after_fork(self) -> None:
        """Nothing to do."""


class Clock:
    """The time, moved by those who wait."""

    now = 0.0

    @classmethod
    def read(cls) -> float:
        """Return it."""
        return cls.now


class Closable:
    """Something to shut down."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def begin_shutdown(self) -> None:
        """Note it."""
        self.calls.append("begin")

    def shutdown(self) -> None:
        """Note it."""
        self.calls.append("shutdown")


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    """Neither handlers nor what is open outlives a test."""
    handler = signal.getsignal(signal.SIGTERM)
    kept = list(shutdown._open)
    shutdown._open.clear()
    yield
    signal.signal(signal.SIGTERM, handler)
    shutdown._terminating.clear()
    shutdown._open.clear()
    shutdown._open.update(dict.fromkeys(kept))


def test_all_parts_share_one_deadline() -> None:
    """Everybody is asked before anybody is waited for, and the waits together keep the deadline."""
    parts = [Part(2), Part(2), Part(0)]
    assert not flush_all(parts, Deadline(3, Clock.read))
    assert [part.waited for part in parts] == [[3], [1], [0]]
    assert [part.events for part in parts] == [["ask", "wait"]] * 3


def test_one_that_fails_is_no_reason_to_skip_the_others() -> None:
    """The answer is no when one says no, and all have been waited for."""
    parts = [Part(0, answer=False), Part(0)]
    assert not finish_all(parts, Deadline(3, Clock.read))
    assert [part.events for part in parts] == [["wait"], ["wait"]]
    assert finish_all(parts[1:], Deadline(3, Clock.read))
    assert finish_all([], Deadline(3, Clock.read))


def test_a_deadline_that_has_passed_is_not_negative() -> None:
    """What remains of a deadline is never less than nothing."""
    deadline = Deadline(1, Clock.read)
    Clock.now += 5
    assert deadline.remaining() == 0


def test_a_signal_shuts_down_what_is_open_and_is_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """On SIGTERM all begin, all are waited for, the default handler is back, and the process sends itself the signal."""
    sent: list[tuple[int, int]] = []
    done = threading.Event()

    def kill(process: int, number: int) -> None:
        sent.append((process, number))
        done.set()

    monkeypatch.setattr(os, "kill", kill)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    first, second = Closable(), Closable()
    shut_down_at_exit(first)
    shut_down_at_exit(second)
    signal.raise_signal(signal.SIGTERM)
    assert done.wait(10)
    assert first.calls == second.calls == ["begin", "shutdown"]
    assert sent == [(os.getpid(), signal.SIGTERM)]
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_signal_that_found_the_interpreter_exiting_is_sent_at_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no thread can be started any more, the hook at exit finishes the work and sends the signal."""

    def refuse(*_: object) -> int:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    sent: list[int] = []
    monkeypatch.setattr(os, "kill", lambda _, number: sent.append(number))
    monkeypatch.setattr("_thread.start_new_thread", refuse)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    closable = Closable()
    shut_down_at_exit(closable)
    signal.raise_signal(signal.SIGTERM)
    assert (closable.calls, sent) == ([], [])
    shutdown._at_exit()
    assert (closable.calls, sent) == (["begin", "shutdown"], [signal.SIGTERM])


def test_at_exit_without_a_signal_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """An ordinary end shuts down and lets the process end as it would."""
    sent: list[int] = []
    monkeypatch.setattr(os, "kill", lambda _, number: sent.append(number))
    closable = Closable()
    shut_down_at_exit(closable)
    shutdown._at_exit()
    assert (closable.calls, sent) == (["begin", "shutdown"], [])


def test_another_handler_is_never_replaced() -> None:
    """A handler that is set stays, whatever is started and shut down; so does one that ignores the signal."""
    for handler in (signal.SIG_IGN, lambda *_: None):
        signal.signal(signal.SIGTERM, handler)
        closable = Closable()
        shut_down_at_exit(closable)
        assert signal.getsignal(signal.SIGTERM) is handler
        forget(closable)
        assert signal.getsignal(signal.SIGTERM) is handler


def test_the_handler_leaves_with_the_last() -> None:
    """As long as something is open the handler stays; then the default is back."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    first, second = Closable(), Closable()
    shut_down_at_exit(first)
    ours = signal.getsignal(signal.SIGTERM)
    shut_down_at_exit(second)
    forget(first)
    assert signal.getsignal(signal.SIGTERM) is ours is not signal.SIG_DFL
    forget(second)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_from_another_thread_handlers_are_left_alone() -> None:
    """Only the main thread may set handlers: elsewhere nothing is set, taken away or raised."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    closable = Closable()
    in_thread(lambda: shut_down_at_exit(closable))
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    shut_down_at_exit(closable)
    ours = signal.getsignal(signal.SIGTERM)
    in_thread(lambda: forget(closable))
    assert signal.getsignal(signal.SIGTERM) is ours


def test_what_nobody_else_holds_is_shut_down_too() -> None:
    """Who starts a pipeline and forgets it loses nothing; one that is shut down is let go."""
    closable = Closable()
    shut_down_at_exit(closable)
    calls = closable.calls
    del closable
    gc.collect()
    shutdown._at_exit()
    assert calls == ["begin", "shutdown"]
    forget(next(iter(shutdown._open)))
    shutdown._at_exit()
    assert calls == ["begin", "shutdown"]


def in_thread(work: object) -> None:
    """Run in a thread, to its end."""
    assert callable(work)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join(10)
    assert not thread.is_alive()
    assert time.monotonic() > 0
