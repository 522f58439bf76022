"""Observed apps under uvicorn, over real sockets."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from fastapi import BackgroundTasks, FastAPI, Request, WebSocket
from fastapi.responses import PlainTextResponse, Response, StreamingResponse
from opentelemetry import trace
from websockets.sync.client import connect

import capibara_otel as cap
from capibara_otel.operation import current_operation, who
from capibara_otel.sdk import DEFAULT
from capibara_otel.testing import Capture, FakeClock
from capibara_otel.web import instrument, uninstrument
from tests.integration.web.servers import Http, Loop, connection, read_until, served, vanish, wait_for

GET = b"GET %s HTTP/1.1\r\nHost: api.test\r\n\r\n"


def build() -> FastAPI:  # noqa: C901 - a list of routes
    """Return an app whose handlers say who they are for."""
    app = FastAPI()

    @app.get("/endless")
    async def endless() -> StreamingResponse:
        async def chunks() -> Any:
            while True:
                yield b"x" * 1000
                await asyncio.sleep(0.001)

        return StreamingResponse(chunks())

    @app.api_route("/who/{name}", methods=["GET", "POST"])
    async def who_is_it(name: str, request: Request) -> str:
        await request.body()
        with cap.context(user_id=name), cap.rag.search(index=name):
            return name

    @app.get("/slow")
    async def slow() -> str:
        await asyncio.sleep(0.3)
        return "late"

    @app.get("/slow/sync")
    def slow_sync() -> str:
        time.sleep(0.3)
        return "late"

    @app.get("/blocking")
    async def blocking(tasks: BackgroundTasks) -> str:
        async def block() -> None:
            clock = DEFAULT.emitter.clock
            assert isinstance(clock, FakeClock)
            clock.advance(0.05)  # without giving up control

        tasks.add_task(block)
        return "done"

    @app.get("/empty", status_code=204)
    async def empty() -> Response:
        return Response(status_code=204)

    @app.head("/head")
    async def head() -> PlainTextResponse:
        return PlainTextResponse("not sent")

    @app.websocket("/ws")
    async def websocket(socket: WebSocket) -> None:
        await socket.accept()
        async for text in socket.iter_text():
            await socket.send_text(text)

    return app


@pytest.fixture(name="app")
def _app(capture: Capture) -> Iterator[Any]:
    """An observed app; before it is observed a look at the context that requests are born in."""
    app = build()
    instrument(app, api=cap.api)
    yield app
    uninstrument(app)


@pytest.fixture(name="port", params=[("httptools", "asyncio"), ("h11", "asyncio"), ("httptools", "uvloop")])
def _port(request: pytest.FixtureRequest, app: FastAPI) -> Iterator[int]:
    http: Http
    loop: Loop
    http, loop = request.param
    with served(app, http=http, loop=loop) as port:
        yield port


def ended(capture: Capture, name: str, count: int = 1) -> list[Any]:
    """Wait for spans of a name to end; return them."""
    wait_for(lambda: sum(span.name == name for span in capture.spans) >= count)
    return [span for span in capture.spans if span.name == name]


@pytest.mark.parametrize("leave", [vanish, lambda connected: connected.close()])
def test_a_client_that_leaves_in_mid_stream(capture: Capture, port: int, leave: Callable[[Any], None]) -> None:
    """A socket closed in the middle of a response, rudely or not, ends the request as disconnected and no error."""
    with connection(port) as connected:
        connected.sendall(GET % b"/endless")
        read_until(connected, b"xxxx")
        leave(connected)
        [span] = ended(capture, "GET /endless")

    assert span.attributes["capibara6.outcome"] == "disconnected"
    assert span.attributes["http.response.status_code"] == 200
    assert span.attributes["http.response.body.size"] >= 1000
    assert "error.type" not in span.attributes
    assert capture.value("capibara6.api.disconnects", {"http.route": "/endless"}) == 1


@pytest.mark.parametrize("path", ["/slow", "/slow/sync"])
def test_a_client_that_leaves_before_the_answer(capture: Capture, port: int, path: str) -> None:
    """A client that gives up while a handler works, which never looks at it, is disconnected, not a success."""
    with connection(port) as connected:
        connected.sendall(GET % path.encode())
        wait_for(lambda: capture.value("capibara6.api.requests.active") == 1)
        vanish(connected)
        [span] = ended(capture, f"GET {path}")

    assert span.attributes["capibara6.outcome"] == "disconnected"
    assert capture.value("capibara6.api.disconnects", {"http.route": path}) == 1


def test_a_task_that_blocks_the_loop_is_seen(capture: Capture, port: int) -> None:
    """A background task that never waits has its own time, apart from the request's."""
    assert httpx.get(f"http://127.0.0.1:{port}/blocking").text == '"done"'
    [span] = ended(capture, "background /blocking")

    assert span.parent is not None
    assert capture.value("capibara6.api.background.duration", {"http.route": "/blocking"}) == 1


def test_a_client_that_leaves_during_its_upload(capture: Capture, port: int) -> None:
    """A socket closed before the body is complete ends the request as disconnected."""
    with connection(port) as connected:
        connected.sendall(b"POST /who/ann HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\npart")
        wait_for(lambda: capture.value("capibara6.api.requests.active") == 1)
        vanish(connected)
        [span] = ended(capture, "POST /who/{name}")

    assert span.attributes["capibara6.outcome"] == "disconnected"


def test_requests_of_one_connection_are_strangers(capture: Capture, port: int) -> None:
    """On a kept-alive connection, also after a body so big that reading paused, nothing passes to the next request."""
    with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        for name in ("ann", "bob", "cyd"):
            client.post(f"/who/{name}", content=b"x" * 1_000_000)
            client.get(f"/who/{name}")

    spans = ended(capture, "POST /who/{name}", 3) + ended(capture, "GET /who/{name}", 3)
    assert [span.parent for span in spans] == [None] * 6
    assert len({span.context.trace_id for span in spans}) == 6
    assert all("user.id" not in span.attributes for span in spans)


def test_pipelined_requests_are_strangers(capture: Capture, port: int) -> None:
    """A server starts a waiting request while it sends the last byte of the one before; still they have nothing in common."""
    with connection(port) as connected:
        connected.sendall(b"".join(GET % b"/who/%s" % name for name in (b"ann", b"bob", b"cyd")))
        read_until(connected, b'"cyd"')

    spans = ended(capture, "GET /who/{name}", 3)
    assert [span.parent for span in spans] == [None] * 3
    assert len({span.context.trace_id for span in spans}) == 3
    users = [(span.attributes or {})["user.id"] for span in capture.spans if span.name.startswith("rag")]
    assert sorted(map(str, users)) == ["ann", "bob", "cyd"]


def test_responses_without_body(capture: Capture, port: int) -> None:
    """HEAD and 204 are complete responses."""
    with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        assert client.get("/empty").status_code == 204
        assert client.head("/head").headers["content-length"] == "8"

    for name in ("GET /empty", "HEAD /head"):
        [span] = ended(capture, name)
        assert span.attributes["capibara6.outcome"] == "success"
        assert span.attributes["http.response.body.size"] == 0


def test_websockets(capture: Capture, port: int) -> None:
    """A real WebSocket conversation is one span, and the handshake's answer carries the request id."""
    with connect(f"ws://127.0.0.1:{port}/ws", additional_headers={"X-Request-ID": "r-9"}) as socket:
        for text in ("a", "b"):
            socket.send(text)
            assert socket.recv() == text
        assert socket.response is not None
        assert socket.response.headers["x-request-id"] == "r-9"

    [span] = ended(capture, "WS /ws")
    assert span.attributes["capibara6.outcome"] == "success"
    assert span.attributes["capibara6.request.id"] == "r-9"
    assert capture.value("capibara6.api.websocket.messages") == 4


def test_the_context_of_a_request_is_the_servers(capture: Capture) -> None:
    """What runs outside of the wrapper, on the same connection, never sees a request's context."""
    seen: list[Any] = []
    app = build()
    instrument(app, api=cap.api)

    async def looking(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            seen.append((trace.get_current_span() is trace.INVALID_SPAN, dict(who()), current_operation()))
        await app(scope, receive, send)

    with served(looking) as port, httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        for _ in range(3):
            client.post("/who/ann", content=b"x" * 1_000_000)

    uninstrument(app)
    assert seen == [(True, {}, None)] * 3
