"""A server to be soaked: its app, its process, the load on it, and what of it has reached receivers."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from itertools import cycle
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import psutil
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.integration.pipeline.pages import Page
from tests.support.receiver import Receiver, Signal

CLIENTS: Final = 4
DEADLINE_S: Final = 60.0
OPENMETRICS: Final = "application/openmetrics-text; version=1.0.0"
FORMATS: Final = ("text/plain", OPENMETRICS)

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

# So little room and time that a receiver's troubles are felt soon.
_SETTINGS: Final = {
    "OTEL_EXPORTER_OTLP_TIMEOUT": "2",
    "OTEL_METRIC_EXPORT_INTERVAL": "500",
    "OTEL_BSP_SCHEDULE_DELAY": "100",
    "OTEL_BSP_MAX_QUEUE_SIZE": "1024",
    "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "256",
    "OTEL_BLRP_MAX_QUEUE_SIZE": "256",
    "OTEL_BLRP_SCHEDULE_DELAY": "100",
}
_COMMAND: Final = (
    *(sys.executable, "-m", "uvicorn", "soak_app:app"),
    *("--log-level", "warning", "--timeout-keep-alive", "90"),
)


class Server:
    """The app in a process of its own, in a `with` block; the log lines on its standard output are counted.

    Args:
        folder: for its files.
        receiver_port: where it sends to.
    """

    def __init__(self, folder: Path, receiver_port: int) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = int(free.getsockname()[1])
        (folder / "soak_app.py").write_text(APP)
        strange = ("OTEL_", "CAPIBARA_", "COVERAGE_")  # a coverage run would grow in memory, and handle the signal
        clean = {name: value for name, value in os.environ.items() if not name.startswith(strange)}
        self.errors = folder / "errors.txt"
        self.lines = 0
        with self.errors.open("wb") as errors:
            self.process = subprocess.Popen(
                [*_COMMAND, "--port", str(self.port)],
                cwd=folder,
                env={**clean, **_SETTINGS, "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{receiver_port}"},
                stdout=subprocess.PIPE,
                stderr=errors,
            )
        self._counting = threading.Thread(target=self._count)
        self._counting.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._counting.join()

    def connect(self) -> http.client.HTTPConnection:
        """Return a connection, once the server is up."""
        deadline = time.monotonic() + DEADLINE_S
        while True:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE_S)
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
        code = self.process.wait(DEADLINE_S)
        self._counting.join()
        return code

    def _count(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as output:
            for line in output:
                self.lines += line.startswith(b"{")


class Load:
    """Clients that ask all the time, and a scraper that looks at the process, too; in a `with` block.

    Args:
        server: that is asked.
    """

    def __init__(self, server: Server) -> None:
        self.made: Counter[str] = Counter()
        """Requests that were answered, by kind."""
        self.memory: list[tuple[float, int]] = []
        """When it was measured, in monotonic seconds, and the resident set's bytes."""
        self.threads: list[tuple[float, int]] = []
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

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
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
        shown = 0
        for form in cycle(FORMATS):
            if self._over.wait(0.2):
                break
            page = scrape(connection, form)
            assert page.endswith("# EOF\n") == (form == OPENMETRICS)
            before, shown = shown, _requests_on(page)
            assert before <= shown, "a counter fell"
            at = time.monotonic()
            self.memory.append((at, process.memory_info().rss))
            self.threads.append((at, process.num_threads()))
        connection.close()


class Stored:
    """What the receivers have stored, as counts; what they hold is taken out, so that an hour's fits into memory."""

    def __init__(self) -> None:
        self.items: Counter[Signal] = Counter()
        self.requests: set[bytes] = set()
        """Ids of server spans."""
        self.pushed = Page({})
        """What was pushed last."""

    def take(self, receiver: Receiver) -> None:
        """Take over what a receiver has stored."""
        for kind, held in receiver.received.items():
            arrived = held[:]
            del held[: len(arrived)]
            for request in arrived:
                self._take(kind, request)

    def _take(self, kind: Signal, request: Any) -> None:
        match kind:
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
                self.pushed = Page.pushed(request)


def scrape(connection: http.client.HTTPConnection, form: str = OPENMETRICS) -> str:
    """Return the metrics page in one of its formats."""
    connection.request("GET", "/metrics", headers={"Accept": form})
    with connection.getresponse() as response:
        assert response.status == 200
        return response.read().decode()


def _requests_on(page: str) -> int:
    """Return how many requests a page tells of, without parsing all of it."""
    lines = [line for line in page.splitlines() if line.startswith("capibara6_api_requests_total{")]
    return int(sum(float(line.partition("} ")[2].split(" ")[0]) for line in lines))
