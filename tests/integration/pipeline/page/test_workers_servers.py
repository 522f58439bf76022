"""One page for all workers of a real server, whichever worker answers."""

from __future__ import annotations

import os
import re
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import httpx
import psutil
import pytest

from tests.integration.zero_code.programs import BIN, Running

APP: Final = """
import os

import capibara_otel as cap
from fastapi import FastAPI

app = FastAPI()
cap.configure(service_name="shop", metrics_path="/metrics")
cap.instrument_fastapi(app)


@app.get("/items/{item}")
def items(item: int) -> int:
    return os.getpid()

"""

UVICORN: Final = ("uvicorn", "shop:app", "--port", "{port}", "--workers", "2")
GUNICORN: Final = ("gunicorn", "-k", "uvicorn_worker.UvicornWorker", "shop:app", "-b", "127.0.0.1:{port}", "-w", "2")
SERVERS: Final = pytest.mark.parametrize(
    "command", [UVICORN, GUNICORN, (*GUNICORN, "--preload")], ids=["uvicorn", "gunicorn", "gunicorn-preload"]
)

Serve = Callable[..., Running]


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    """Where the server's folder is made."""
    path = tmp_path / "tmp"
    path.mkdir()
    return path


@pytest.fixture
def serve(tmp_path: Path, temporary: Path) -> Iterator[Serve]:
    """Serve the app."""
    made: list[Running] = []

    def begin(command: tuple[str, ...], **env: str) -> Running:
        (tmp_path / "shop.py").write_text(APP)
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = int(free.getsockname()[1])
        program, *arguments = (part.format(port=port) for part in command)
        environ = {
            key: each for key, each in os.environ.items() if not key.startswith(("OTEL_", "CAPIBARA_", "PYTEST_"))
        }
        environ |= {"TMPDIR": str(temporary), "PYTHONPATH": str(tmp_path), "CAPIBARA_SYSTEM_INTERVAL": "0", **env}
        made.append(Running([str(BIN / program), *arguments], tmp_path, environ, port))
        return made[-1]

    yield begin
    for each in made:
        each.kill()


def items(page: str) -> int:
    """Return how many requests for items a page tells of."""
    lines = re.findall(r'^capibara6_api_requests_total\{.*http_route="/items/\{item\}".*\} (\S+)$', page, re.MULTILINE)
    return int(sum(map(float, lines)))


def ask_both(server: Running) -> set[int]:
    """Make requests until two workers have answered; return their numbers."""
    pids: set[int] = set()
    deadline = time.monotonic() + 30
    while len(pids) < 2:
        assert time.monotonic() < deadline, server.output
        pids.add(server.get("/items/1").json())
    return pids


@SERVERS
def test_every_page_tells_of_all_requests(serve: Serve, command: tuple[str, ...]) -> None:
    """Whichever worker answers, the page has every request that was answered before."""
    server = serve(command)
    before = 0
    workers = ask_both(server)
    known = items(server.get("/metrics").text)
    assert known >= 2
    for number in range(1, 31):
        workers.add(server.get(f"/items/{number}").json())
        page = server.get("/metrics").text
        assert items(page) == known + number, server.output
        assert items(page) > before
        before = items(page)
        assert page.count("\ntarget_info{") == 1
    assert len(workers) == 2
    server.end()
    assert "Traceback" not in server.output


@SERVERS
def test_no_request_is_forgotten_when_workers_are_replaced(serve: Serve, command: tuple[str, ...]) -> None:
    """Killed workers and those that the server ends leave their counts to the page of the new ones."""
    server = serve(command)
    ask_both(server)
    for turn in range(4):
        known = items(server.get("/metrics").text)
        pid = server.get("/items/1").json()
        assert items(server.get("/metrics").text) == known + 1
        os.kill(pid, signal.SIGKILL if turn % 2 else signal.SIGTERM)
        deadline = time.monotonic() + 30
        while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        ask = sum(1 for _ in range(5) if server.get("/items/1").status_code == 200)
        assert items(server.get("/metrics").text) == known + 1 + ask, server.output


def test_workers_that_are_replaced_after_so_many_requests(serve: Serve, temporary: Path) -> None:
    """With `--max-requests` each worker soon makes way for another; no request is lost, and the folder does not grow."""
    server = serve((*GUNICORN, "--max-requests", "10"))
    pids = set()
    for _ in range(60):
        deadline = time.monotonic() + 30
        while True:
            try:
                pids.add(httpx.get(f"http://127.0.0.1:{server.port}/items/1", timeout=30).json())
                break
            except httpx.TransportError:  # the worker that had the connection has ended
                assert time.monotonic() < deadline, server.output
                time.sleep(0.05)
    assert len(pids) > 3
    assert items(server.get("/metrics").text) == 60
    (base,) = temporary.iterdir()
    (group,) = base.iterdir()
    assert len(list(group.iterdir())) <= 3 * 4 + 2, sorted(group.iterdir())


@SERVERS
def test_the_next_server_removes_what_the_last_one_left(
    serve: Serve, temporary: Path, command: tuple[str, ...]
) -> None:
    """However a server ended, its folder is gone when the next one runs, whose page begins from zero."""
    server = serve(command)
    ask_both(server)
    server.get("/metrics")
    server.end()
    base = temporary / f"capibara-otel-{os.geteuid()}"
    before = set(base.iterdir())
    assert len(before) <= 1
    server = serve(command)
    ask_both(server)
    assert items(server.get("/metrics").text) < 60
    assert len(list(base.iterdir())) == 1
    assert not before.intersection(base.iterdir())


def test_a_server_with_one_process_has_nothing_for_it(serve: Serve, temporary: Path) -> None:
    """Served by one process, the app makes no folder."""
    server = serve(UVICORN[:-2])
    server.get("/items/1")
    assert items(server.get("/metrics").text) == 1
    assert list(temporary.iterdir()) == []
    server.end()
    assert list(temporary.iterdir()) == []


def test_a_named_directory_is_used(serve: Serve, tmp_path: Path, temporary: Path) -> None:
    """The setting says where the workers' files are."""
    server = serve(UVICORN, CAPIBARA_WORKERS_DIR=str(tmp_path / "shared"))
    ask_both(server)
    known = items(server.get("/metrics").text)
    assert {items(server.get("/metrics").text) for _ in range(10)} == {known}
    assert list((tmp_path / "shared").rglob("*.lock"))
    assert list(temporary.iterdir()) == []


def test_every_worker_for_itself_where_that_is_wanted(serve: Serve, temporary: Path) -> None:
    """Switched off, each worker shows itself, and there is no folder."""
    server = serve(UVICORN, CAPIBARA_MERGE_WORKERS="false")
    ask_both(server)
    server.get("/metrics")
    assert list(temporary.iterdir()) == []
