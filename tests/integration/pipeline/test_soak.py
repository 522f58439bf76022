"""A server under load for a while, scraped all the time, with a receiver that fails in every way and recovers.

It runs for half a minute; `CAPIBARA_SOAK_S=3600` makes it an hour.
"""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path
from typing import Any, Final, Literal, Self, TypeAlias

import psutil
import pytest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from capibara_otel.semconv.promnames import family, label
from tests.support.receiver import Mode, Receiver, Said, Signal, partial
from tests.unit.pipeline.page.made import samples

SOAK_S: Final = float(os.environ.get("CAPIBARA_SOAK_S") or 24)
"""Seconds under load. Whole rounds of the receiver's troubles fit in, of about eight seconds each."""
MOST_GROWTH: Final = 4 * 1024 * 1024
"""Bytes by which the second half's largest resident set may be larger than the first half's."""
CLIENTS: Final = 4
PHASE_S: Final = 1.2

# One server span a request, and what it opens; every helper is used in a thread or a task of its own, too.
SPANS: Final = {"ask": 4, "tasks": 4, "fail": 1, "halt": 1}

APP: Final = """
import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import capibara_otel as cap
from fastapi import FastAPI, HTTPException
from opentelemetry import metrics

THREADS = 4
halting = threading.Event()
at_work = []
finished = []


def execute(number):
    with cap.e2b.execute(language="python") as run:
        run.exited(1 if number % 10 == 7 else 0, cpu_s=0.001)
    return number


async def search(number):
    with cap.rag.search(index="docs", top_k=5) as found:
        await asyncio.sleep(0)
        found.found(number % 4, scores=[0.25, 0.5])


def work_in_a_thread():
    done = 0
    while not halting.wait(0.02):
        execute(done)
        done += 1
    finished.append(done)


async def work_in_a_task():
    done = 0
    while not halting.is_set():
        await search(done)
        await asyncio.sleep(0.02)
        done += 1
    finished.append(done)


@asynccontextmanager
async def lifespan(app):
    pool = ThreadPoolExecutor(THREADS)
    asyncio.get_running_loop().set_default_executor(pool)
    all_there = threading.Barrier(THREADS)
    await asyncio.gather(*(asyncio.to_thread(all_there.wait) for _ in range(THREADS)))
    for _ in range(3):
        threading.Thread(target=work_in_a_thread, daemon=True).start()
        at_work.append(asyncio.create_task(work_in_a_task()))
    yield
    pool.shutdown()


app = FastAPI(lifespan=lifespan)
cap.configure(service_name="soak", system_interval=1, shutdown_timeout=10)
cap.instrument_fastapi(app)
meter = metrics.get_meter("soak")
asked = meter.create_counter("soak.asked")
load = meter.create_up_down_counter("soak.load")
meter.create_observable_gauge("soak.finished", [lambda _: [metrics.Observation(len(finished))]])


@app.get("/ask/{number}")
async def ask(number: int) -> int:
    asked.add(1, {"kind": "even" if number % 2 == 0 else "odd"})
    with cap.context(user_id=number % 100):
        await search(number)
        cap.log.rag.info("searched", number=number)
        with cap.llm.chat(provider="openai", model="gpt-4o") as chat:
            chat.usage(input_tokens=100, output_tokens=number % 50)
            chat.answered(finish_reason="stop")
        return await asyncio.to_thread(execute, number)


@app.get("/tasks/{number}")
async def tasks(number: int) -> int:
    load.add(1)
    await asyncio.gather(*(search(each) for each in range(3)))
    load.add(-1)
    return number


@app.get("/fail/{number}")
async def fail(number: int) -> int:
    raise HTTPException(500)


@app.get("/halt/{number}")
async def halt(number: int) -> int:
    halting.set()
    await asyncio.gather(*at_work)
    while len(finished) < 6:
        await asyncio.sleep(0.01)
    return sum(finished)
"""

Samples: TypeAlias = dict[tuple[str, tuple[tuple[str, str], ...]], float]
_COUNTED: Final[tuple[Literal["traces", "logs"], ...]] = ("traces", "logs")
_FORMATS: Final = ("text/plain", "application/openmetrics-text; version=1.0.0")
_DEADLINE_S: Final = 60.0
_TROUBLES: Final[tuple[tuple[Said | None, Mode], ...]] = (
    (None, "healthy"),
    (Said(503, {"Retry-After": "1"}, b""), "healthy"),
    (None, "black hole"),
    (partial("traces", 3, "too old"), "healthy"),
)
_PATHS: Final[Mapping[Signal, str]] = {"traces": "/v1/traces", "metrics": "/v1/metrics", "logs": "/v1/logs"}


class Server:
    """The app in a process of its own; its standard output is counted by the line."""

    def __init__(self, folder: Path, receiver_port: int) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = int(free.getsockname()[1])
        (folder / "soak_app.py").write_text(APP)
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "CAPIBARA_"))}
        self.errors = folder / "errors.txt"
        self.lines = 0
        with self.errors.open("wb") as errors:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "uvicorn",
                    "soak_app:app",
                    "--port",
                    str(self.port),
                    "--log-level",
                    "warning",
                    "--timeout-keep-alive",
                    "90",
                ],
                cwd=folder,
                stdout=subprocess.PIPE,
                stderr=errors,
                env={
                    **clean,
                    "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{receiver_port}",
                    "OTEL_EXPORTER_OTLP_TIMEOUT": "2",
                    "OTEL_METRIC_EXPORT_INTERVAL": "500",
                    "OTEL_BSP_SCHEDULE_DELAY": "100",
                    "OTEL_BSP_MAX_QUEUE_SIZE": "1024",
                    "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "256",
                    "OTEL_BLRP_MAX_QUEUE_SIZE": "256",
                    "OTEL_BLRP_SCHEDULE_DELAY": "100",
                },
            )
        self._counting = threading.Thread(target=self._count)
        self._counting.start()

    def _count(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as output:
            for line in output:
                self.lines += line.startswith(b"{")

    def connect(self) -> http.client.HTTPConnection:
        """Return a connection, once the server is up."""
        deadline = time.monotonic() + _DEADLINE_S
        while True:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_DEADLINE_S)
            try:
                connection.connect()
            except OSError:
                assert self.process.poll() is None, self.errors.read_text()
                assert time.monotonic() < deadline, "the server did not come up"
                time.sleep(0.05)
            else:
                return connection

    def end(self) -> int:
        """End it as a supervisor does; return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(_DEADLINE_S)
        self._counting.join()
        return code

    def kill(self) -> None:
        """Leave nothing of it."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._counting.join()


class Load:
    """Clients that ask without end, and a scraper that looks at the process too."""

    def __init__(self, server: Server) -> None:
        self.made: Counter[str] = Counter()
        self.sizes: list[tuple[float, int]] = []
        self.threads: list[tuple[float, int]] = []
        self.scrapes = 0
        self._server = server
        self._over = threading.Event()
        self._faults: list[BaseException] = []
        self._running = [threading.Thread(target=self._guarded, args=(self._ask, number)) for number in range(CLIENTS)]
        self._running.append(threading.Thread(target=self._guarded, args=(self._scrape,)))
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        for thread in self._running:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._running:
            thread.join()

    def check(self) -> None:
        """Raise what went wrong in a thread."""
        for fault in self._faults:
            raise fault

    def ask(self, connection: http.client.HTTPConnection, kind: str, number: int) -> int:
        """Make a request, and count it."""
        connection.request("GET", f"/{kind}/{number}")
        with connection.getresponse() as response:
            body = response.read()
        assert response.status == (500 if kind == "fail" else 200), body
        with self._lock:
            self.made[kind] += 1
        return 0 if kind == "fail" else int(body)

    def _guarded(self, work: Callable[..., None], *arguments: int) -> None:
        try:
            work(*arguments)
        except BaseException as fault:  # noqa: BLE001 - told to the test
            self._faults.append(fault)

    def _ask(self, client: int) -> None:
        connection = self._server.connect()
        number = client
        while not self._over.wait(0.02):
            self.ask(connection, ("ask", "ask", "ask", "tasks", "fail")[number % 5], number)
            number += CLIENTS
        connection.close()

    def _scrape(self) -> None:
        connection = self._server.connect()
        process = psutil.Process(self._server.process.pid)
        shown = 0.0
        while not self._over.wait(0.2):
            form = _FORMATS[self.scrapes % 2]
            page = scrape(connection, form)
            assert page.endswith("# EOF\n") == (form == _FORMATS[1])
            before, shown = shown, requests_on(page)
            assert before <= shown, "a counter fell"
            self.scrapes += 1
            at = time.monotonic()
            self.sizes.append((at, process.memory_info().rss))
            self.threads.append((at, process.num_threads()))
        connection.close()


class Stored:
    """What the receivers have stored, as counts; what they hold is taken out, so that an hour's fits into memory."""

    def __init__(self) -> None:
        self.items: Counter[Signal] = Counter()
        self.requests: set[bytes] = set()
        """Ids of server spans."""
        self.pushes = 0
        self.last: Samples = {}

    def take(self, receiver: Receiver) -> None:
        """Take over what a receiver has stored."""
        for signal_name, held in receiver.received.items():
            arrived = held[:]
            del held[: len(arrived)]
            for request in arrived:
                self._take(signal_name, request)

    def _take(self, signal_name: Signal, request: Any) -> None:
        match signal_name:
            case "traces":
                spans = [span for each in request.resource_spans for scope in each.scope_spans for span in scope.spans]
                served = [span.span_id for span in spans if span.kind == Span.SPAN_KIND_SERVER]
                assert self.requests.isdisjoint(served), "a span came twice"
                self.requests.update(served)
                self.items["traces"] += len(spans)
            case "logs":
                self.items["logs"] += sum(
                    len(scope.log_records) for each in request.resource_logs for scope in each.scope_logs
                )
            case "metrics":
                self.pushes += 1
                self.last = pushed(request)


def scrape(connection: http.client.HTTPConnection, form: str) -> str:
    """Return the metrics page in one of its formats."""
    connection.request("GET", "/metrics", headers={"Accept": form})
    with connection.getresponse() as response:
        assert response.status == 200
        return response.read().decode()


def requests_on(page: str) -> float:
    """Return how many requests a page tells of, without parsing all of it."""
    lines = [line for line in page.splitlines() if line.startswith("capibara6_api_requests_total{")]
    return sum(float(line.partition("} ")[2].split(" ")[0]) for line in lines)


def shown(page: str) -> Samples:
    """Return the samples of a page."""
    found = {}
    for sample in samples(page):
        labels = {name: _bound(value) if name == "le" else value for name, value in sample.labels.items()}
        found[sample.name, tuple(sorted(labels.items()))] = sample.value
    return found


def pushed(request: Any) -> Samples:
    """Return what a request with metrics holds, as a page shows it."""
    found: Samples = {}
    for resource in request.resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                found.update(_shown(metric))
    return found


def _shown(metric: Metric) -> Iterator[tuple[tuple[str, tuple[tuple[str, str], ...]], float]]:
    is_counter = metric.HasField("sum") and metric.sum.is_monotonic
    name = family(metric.name, metric.unit, "counter" if is_counter else "gauge")
    for point in metric.sum.data_points or metric.gauge.data_points:
        yield (name, _labels(point.attributes)), point.as_int or point.as_double
    name = family(metric.name, metric.unit, "histogram")
    for timed in metric.histogram.data_points:
        bounds = [*(str(each) for each in timed.explicit_bounds), "inf"]
        for bound, count in zip(bounds, accumulate(timed.bucket_counts), strict=True):
            yield (f"{name}_bucket", _labels(timed.attributes, le=bound)), count
        yield (f"{name}_count", _labels(timed.attributes)), timed.count
        yield (f"{name}_sum", _labels(timed.attributes)), timed.sum


def _labels(attributes: Any, **more: str) -> tuple[tuple[str, str], ...]:
    return tuple(sorted([*((label(pair.key), _text(pair)) for pair in attributes), *more.items()]))


def _text(pair: KeyValue) -> str:
    value = getattr(pair.value, str(pair.value.WhichOneof("value")))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _bound(text: str) -> str:
    return str(float(text))


def settled(found: Samples) -> Samples:
    """Return the samples that stand still while nobody asks anything: not those of the machine and the telemetry."""
    moving = ("capibara6_system_", "capibara6_telemetry_", "target_info")
    return {key: value for key, value in found.items() if not key[0].startswith(moving)}


def total(found: Samples, name: str, **labels: str) -> int:
    """Add up the samples of a name that have these labels."""
    return int(
        sum(value for (each, pairs), value in found.items() if each == name and labels.items() <= dict(pairs).items())
    )


def fates(found: Samples, of: Signal) -> tuple[int, int, int]:
    """Return how many items of a signal were exported, rejected, and dropped for any other reason."""
    own = {"capibara6_telemetry_signal": of}
    rejected = total(found, "capibara6_telemetry_dropped_total", **own, capibara6_telemetry_reason="rejected")
    dropped = total(found, "capibara6_telemetry_dropped_total", **own)
    return total(found, "capibara6_telemetry_exported_total", **own), rejected, dropped - rejected


def attempts(receiver: Receiver) -> Counter[str]:
    """Return how many requests came, by path."""
    return Counter(receiver.paths)


def wait_for_attempts(receiver: Receiver, *signals: Signal) -> None:
    """Wait until one more request of each of the signals has come. Each is sent by one thread, one after the other."""
    before = attempts(receiver)
    assert receiver.wait_for(
        lambda each: all(attempts(each)[_PATHS[name]] > before[_PATHS[name]] for name in signals), _DEADLINE_S
    )


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


@contextmanager
def server(folder: Path, receiver_port: int) -> Iterator[Server]:
    """Run the app."""
    running = Server(folder, receiver_port)
    try:
        yield running
    finally:
        running.kill()


def wait_until_accounted(page: Callable[[], Samples], expected: Callable[[Samples], dict[Signal, int]]) -> Samples:
    """Wait until exactly as many spans and log lines have ended in some way as there were; return that page."""
    deadline = time.monotonic() + _DEADLINE_S
    while True:
        found = page()
        ended = {kind: sum(fates(found, kind)) for kind in _COUNTED}
        if ended == expected(found):
            return found
        assert time.monotonic() < deadline, (ended, expected(found))
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
    with server(tmp_path, port) as running:
        with Load(running) as load:
            deadline = time.monotonic() + SOAK_S
            while time.monotonic() < deadline:
                round_of_troubles(port, stored, load.check)
        load.check()
        with Receiver(port=port) as receiver:
            connection = running.connect()
            worked = load.ask(connection, "halt", 0)
            made = load.made.copy()

            def page() -> Samples:
                return shown(scrape(connection, _FORMATS[1]))

            def spans(found: Samples) -> int:
                # What a request does after its last byte has a span of its own where the machine is slow.
                rests = total(found, "capibara6_api_background_duration_seconds_count")
                return sum(SPANS[kind] * count for kind, count in load.made.items()) + worked + rests

            found = wait_until_accounted(page, lambda found: {"traces": spans(found), "logs": running.lines})
            stored.take(receiver)
            for kind in _COUNTED:
                exported, rejected, failed = fates(found, kind)
                assert stored.items[kind] == exported + rejected
                assert rejected > 0
                assert failed > 0
            assert total(found, "capibara6_api_requests_total") == made.total()
            assert total(found, "soak_asked_total") == made["ask"]
            assert total(found, "soak_load") == 0

            for _ in range(3):  # the first that comes may have been collected before the last request
                wait_for_attempts(receiver, "metrics")
            stored.take(receiver)
            assert settled(stored.last) == settled(page())

            spans_before, lines_before = spans(found), running.lines
            for number in range(100):
                load.ask(connection, "ask", number)
            connection.close()
            code = running.end()
            before = stored.items.copy()
            stored.take(receiver)

    errors = running.errors.read_text()
    assert code in {0, -signal.SIGTERM}, errors
    assert stored.items["traces"] - before["traces"] == spans(stored.last) - spans_before, errors
    assert stored.items["logs"] - before["logs"] == running.lines - lines_before, errors
    assert total(stored.last, "capibara6_api_requests_total") == made.total() + 100
    assert "did not reach" not in errors
    assert "Traceback" not in errors

    memory, threads = largest(load.sizes), largest(load.threads)
    assert memory[1] - memory[0] <= MOST_GROWTH
    assert threads[1] <= threads[0]
