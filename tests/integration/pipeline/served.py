"""An app that real servers serve, and clients that know which of the workers they ask."""

from __future__ import annotations

import http.client
import json
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any, Final

from tests.integration.pipeline.pages import Page
from tests.integration.web.servers import wait_for
from tests.integration.zero_code.programs import Running

UVICORN: Final = ("uvicorn", "served:app", "--port", "{port}", "--log-level", "warning", "--timeout-keep-alive", "90")
GUNICORN: Final = (
    "gunicorn",
    "-k",
    "uvicorn_worker.UvicornWorker",
    "served:app",
    "-b",
    "127.0.0.1:{port}",
    "--keep-alive",
    "90",
)

APP: Final = """
import asyncio
import os

import capibara_otel as cap
from fastapi import FastAPI
from fastapi.responses import JSONResponse
from opentelemetry import trace

app = FastAPI()
cap.configure(service_name="served", system_interval=0)
cap.instrument_fastapi(app)
tracer = trace.get_tracer("served")


def answer(status: int = 200) -> JSONResponse:
    trace_id = trace.get_current_span().get_span_context().trace_id
    return JSONResponse({"trace_id": f"{trace_id:032x}", "pid": os.getpid()}, status)


@app.get("/plain")
async def plain():
    with cap.rag.search(index="docs") as search:
        search.found(3)
    return answer()


@app.get("/error")
async def error():
    return answer(500)


@app.get("/slow")
async def slow():
    await asyncio.sleep(0.06)
    return answer()


@app.get("/patient")
async def patient():
    return await slow()


@app.get("/spend")
async def spend(calls: int):
    for _ in range(calls):
        with tracer.start_as_current_span("call") as call:
            call.set_attribute("gen_ai.usage.cost", "0.06")
    return answer()
"""


class Client:
    """A connection to a server, and so to one of its workers.

    Args:
        server: that is asked.
        asked: how many requests each worker was asked, by its process; counted here.
    """

    def __init__(self, server: Running, asked: Counter[int]) -> None:
        assert server.get("/metrics").status_code == 200
        self._connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        self._asked = asked
        self.pid = int(self.ask("/plain")["pid"])

    def ask(self, path: str) -> dict[str, Any]:
        """Make a request."""
        answer: dict[str, Any] = json.loads(self._read(path))
        self._asked[int(answer["pid"])] += 1
        return answer

    def page(self) -> Page:
        """Read the metrics page."""
        return Page.read(self._read("/metrics"))

    def close(self) -> None:
        """Close it."""
        self._connection.close()

    def _read(self, path: str) -> str:
        self._connection.request("GET", path)
        with self._connection.getresponse() as response:
            return response.read().decode()


def connect(servers: Sequence[Running], asked: Counter[int], stack: ExitStack, *, number: int = 2) -> list[Client]:
    """Connect to so many living workers of servers, none twice; of those that were asked before to all but the dead."""
    clients: dict[int, Client] = {}
    deadline = time.monotonic() + 60
    while len(clients) < number:
        assert time.monotonic() < deadline, [server.output for server in servers]
        for server in servers:
            client = Client(server, asked)
            if client.pid in clients:
                client.close()
            else:
                stack.callback(client.close)
                clients[client.pid] = client
    return list(clients.values())


def wait_until_all_show(clients: Sequence[Client], asked: Counter[int]) -> None:
    """Wait until the pages of all workers tell of all requests; on a busy machine one may answer late."""
    for client in clients:
        wait_for(lambda client=client: client.page().requests == asked.total())  # type: ignore[misc]
