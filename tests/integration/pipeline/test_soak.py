"""A server under load for a while, scraped all the time, with a receiver that fails in every way and recovers.

It runs for half a minute; `CAPIBARA_SOAK_S=3600` makes it an hour.
"""

from __future__ import annotations

import os
import signal
import socket
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, Literal

import pytest

from tests.integration.pipeline.pages import Page
from tests.integration.pipeline.soak import DEADLINE_S, SPANS, Load, Server, Stored, scrape
from tests.support.receiver import Mode, Receiver, Said, Signal, partial

pytestmark = pytest.mark.skipif(os.environ.get("CAPIBARA_PIPELINE") == "sdk", reason="it is the own pipeline's")

SOAK_S: Final = float(os.environ.get("CAPIBARA_SOAK_S") or 24)
"""Seconds under load. Whole rounds of the receiver's troubles fit in, of about eight seconds each."""
MOST_GROWTH: Final = 4 * 1024 * 1024
"""Bytes by which the largest resident set of the second half may be larger than that of the first."""
PHASE_S: Final = 1.2

_COUNTED: Final[tuple[Literal["traces", "logs"], ...]] = ("traces", "logs")
_PATHS: Final[Mapping[Signal, str]] = {"traces": "/v1/traces", "metrics": "/v1/metrics", "logs": "/v1/logs"}
_TROUBLES: Final[tuple[tuple[Said | None, Mode], ...]] = (
    (None, "healthy"),
    (Said(503, {"Retry-After": "1"}, b""), "healthy"),
    (None, "black hole"),
    (partial("traces", 3, "too old"), "healthy"),
)


def wait_for_attempts(receiver: Receiver, *signals: Signal) -> None:
    """Wait until one more request of each of the signals has come. Each is sent by one thread, one after the other."""

    def attempts() -> Counter[str]:
        return Counter(receiver.paths)

    paths, before = [_PATHS[each] for each in signals], attempts()
    assert receiver.wait_for(lambda _: all(attempts()[each] > before[each] for each in paths), DEADLINE_S)


def round_of_troubles(port: int, stored: Stored, check: Callable[[], None]) -> None:
    """Be well, busy, silent, picky, and gone."""
    with Receiver(port=port) as receiver:
        for answer, mode in _TROUBLES:
            receiver.answers, receiver.mode = deque([answer] * 1000 if answer else []), mode
            time.sleep(PHASE_S)
            wait_for_attempts(receiver, "traces")
            check()
            stored.take(receiver)
        # What is stored has been answered when the next one is refused; before that the receiver must not go.
        receiver.answers, receiver.mode = deque(), "refuse"
        wait_for_attempts(receiver, "traces", "metrics", "logs")
        stored.take(receiver)
    time.sleep(PHASE_S)
    check()


def fates(page: Page, of: Signal) -> tuple[int, int, int]:
    """Return how many items of a signal were exported, rejected, and dropped for any other reason."""
    own = {"capibara6_telemetry_signal": of}
    rejected = page.total("capibara6_telemetry_dropped_total", **own, capibara6_telemetry_reason="rejected")
    dropped = page.total("capibara6_telemetry_dropped_total", **own)
    return page.total("capibara6_telemetry_exported_total", **own), rejected, dropped - rejected


def wait_until_accounted(read: Callable[[], Page], expected: Callable[[Page], dict[Signal, int]]) -> Page:
    """Wait until exactly as many spans and log lines have ended in some way as there were; return that page."""
    deadline = time.monotonic() + DEADLINE_S
    while True:
        page = read()
        ended = {kind: sum(fates(page, kind)) for kind in _COUNTED}
        if ended == expected(page):
            return page
        assert time.monotonic() < deadline, (ended, expected(page))
        time.sleep(0.05)


def largest(measured: list[tuple[float, int]]) -> tuple[int, int]:
    """Return the largest value of the first and of the second half of the time."""
    middle = (measured[0][0] + measured[-1][0]) / 2
    halves = [value for at, value in measured if at <= middle], [value for at, value in measured if at > middle]
    return max(halves[0]), max(halves[1])


@pytest.mark.timeout(SOAK_S + 180)
def test_soak(tmp_path: Path) -> None:
    """Under load, with a receiver that fails and recovers, counts stay exact, memory flat, and the end loses nothing.

    Every span and log line is exported, rejected or dropped, and counted once as that; page, pushed metrics and what
    the receivers have stored agree; neither memory nor threads grow.
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    stored = Stored()
    with Server(tmp_path, port) as server:
        with Load(server) as load:
            deadline = time.monotonic() + SOAK_S
            while time.monotonic() < deadline:
                round_of_troubles(port, stored, load.check)
        load.check()
        with Receiver(port=port) as receiver:
            connection = server.connect()
            worked = load.ask(connection, "halt", 0)

            def read() -> Page:
                return Page.read(scrape(connection))

            def spans(page: Page) -> int:
                # What a request does after its last byte has a span of its own where the machine is slow.
                rests = page.total("capibara6_api_background_duration_seconds_count")
                return sum(SPANS[kind] * count for kind, count in load.made.items()) + worked + rests

            page = wait_until_accounted(read, lambda page: {"traces": spans(page), "logs": server.lines})
            stored.take(receiver)
            for kind in _COUNTED:
                exported, rejected, failed = fates(page, kind)
                assert stored.items[kind] == exported + rejected
                assert rejected > 0
                assert failed > 0
            assert page.requests == load.made.total()
            assert page.total("soak_asked_total") == load.made["ask"]
            assert page.total("soak_load") == 0

            for _ in range(3):  # the first that comes may have been collected before the last request
                wait_for_attempts(receiver, "metrics")
            stored.take(receiver)
            assert stored.pushed.settled == read().settled

            before, spans_before, lines_before = stored.items.copy(), spans(page), server.lines
            for number in range(100):
                load.ask(connection, "ask", number)
            connection.close()
            code = server.end()
            stored.take(receiver)

    errors = server.errors.read_text()
    assert code in {0, -signal.SIGTERM}, errors
    assert stored.items["traces"] - before["traces"] == spans(stored.pushed) - spans_before, errors
    assert stored.items["logs"] - before["logs"] == server.lines - lines_before, errors
    assert stored.pushed.requests == load.made.total()
    assert "did not reach" not in errors
    assert "Traceback" not in errors

    memory, threads = largest(load.memory), largest(load.threads)
    assert memory[1] - memory[0] <= MOST_GROWTH
    assert threads[1] <= threads[0]
