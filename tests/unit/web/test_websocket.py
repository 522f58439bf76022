"""A WebSocket connection from the handshake to the close."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.sdk.metrics.export import HistogramDataPoint
from opentelemetry.trace import SpanKind, StatusCode
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from capibara_otel.testing import Capture
from tests.unit.web.driver import run, websocket_scope

Observe = Callable[..., Any]
CONNECT: dict[str, Any] = {"type": "websocket.connect"}
TEXT: dict[str, Any] = {"type": "websocket.receive", "text": "hi"}


def goodbye(code: int) -> dict[str, Any]:
    """Return the message of a connection that ended."""
    return {"type": "websocket.disconnect", "code": code}


async def echo(websocket: WebSocket) -> None:
    """Send everything back, until the client leaves."""
    await websocket.accept()
    while True:
        await websocket.send_text(await websocket.receive_text())


async def echo_politely(websocket: WebSocket) -> None:
    """Do the same, and take a client's leaving for what it is."""
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_text(text)


def app_of(handler: Any) -> Starlette:
    """Return an app with one WebSocket route."""
    return Starlette(routes=[WebSocketRoute("/ws/{room}", handler)])


def test_a_connection_is_one_span(capture: Capture, observed: Observe) -> None:
    """The connection has one span and one duration; messages are counted by direction and have none."""

    async def handler(websocket: WebSocket) -> None:
        await echo_politely(websocket)
        capture.clock.advance(2)

    run(observed(app_of(handler)), websocket_scope("/ws/a"), [CONNECT, TEXT, TEXT, TEXT, goodbye(1000)])

    [span] = capture.spans
    assert (span.name, span.kind) == ("WS /ws/{room}", SpanKind.SERVER)
    assert span.attributes is not None
    assert span.attributes["http.response.status_code"] == 101
    assert span.attributes["url.scheme"] == "ws"
    assert span.attributes["network.protocol.name"] == "websocket"
    assert "network.protocol.version" not in span.attributes
    [point] = capture.points("capibara6.api.websocket.duration")
    assert isinstance(point, HistogramDataPoint)
    assert point.sum == 2
    for direction in ("receive", "send"):
        labels = {"capibara6.api.direction": direction, "http.route": "/ws/{room}"}
        assert capture.value("capibara6.api.websocket.messages", labels) == 3
    assert capture.value("capibara6.api.websocket.connections.active") == 0


@pytest.mark.parametrize("handler", [echo, echo_politely])
@pytest.mark.parametrize(
    ("code", "outcome"), [(1000, "success"), (1001, "success"), (1005, "success"), (1006, "disconnected")]
)
def test_how_clients_leave(capture: Capture, observed: Observe, handler: Any, code: int, outcome: str) -> None:
    """A regular close is a success and a lost connection a disconnect, whether the app minds the exception or not."""
    try:
        run(observed(app_of(handler)), websocket_scope("/ws/a"), [CONNECT, TEXT, goodbye(code)])
    except WebSocketDisconnect:
        assert handler is echo

    span = capture.span("WS /ws/{room}")
    assert span.attributes is not None
    assert span.attributes["capibara6.outcome"] == outcome
    assert "error.type" not in span.attributes
    assert span.status.status_code is StatusCode.UNSET
    assert span.events == ()


def test_a_lost_connection_while_sending(capture: Capture, wrapped: Observe) -> None:
    """A server whose `send` raises OSError says that the client is gone."""

    async def app(made: Any, receive: Any, send: Any) -> None:
        async def broken(message: Any) -> None:
            if message["type"] == "websocket.send":
                raise OSError("gone")
            await send(message)

        async def handler(_made: Any, _receive: Any, send: Any) -> None:
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.send", "text": "x"})

        await wrapped(handler)(made, receive, broken)

    with pytest.raises(OSError, match="gone"):
        run(app, websocket_scope(), [CONNECT])

    assert capture.attributes("WS")["capibara6.outcome"] == "disconnected"


@pytest.mark.parametrize(
    ("messages", "status"),
    [
        ([{"type": "websocket.close"}], 403),
        ([{"type": "websocket.http.response.start", "status": 401}, {"type": "websocket.http.response.body"}], 401),
        ([{"type": "websocket.accept"}, {"type": "websocket.close"}], 101),
    ],
)
def test_refusals(capture: Capture, wrapped: Observe, messages: list[dict[str, Any]], status: int) -> None:
    """A refused handshake has the status that the client gets, and is no failure."""

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        for message in messages:
            await send(dict(message))

    run(wrapped(app), websocket_scope(), [CONNECT])

    attributes = capture.attributes("WS")
    assert attributes["http.response.status_code"] == status
    assert attributes["capibara6.outcome"] == "success"


@pytest.mark.parametrize("answers", [True, False])
def test_failures(capture: Capture, wrapped: Observe, answers: bool) -> None:
    """An app that raises, before or after the handshake, has failed with that exception, which goes on."""

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        await receive()
        if answers:
            await send({"type": "websocket.accept"})
        raise KeyError("x")

    with pytest.raises(KeyError):
        run(wrapped(app), websocket_scope(), [CONNECT])

    attributes = capture.attributes("WS")
    assert attributes["http.response.status_code"] == (101 if answers else 500)
    assert attributes["error.type"] == "KeyError"
    assert capture.value("capibara6.api.exceptions", {"exception.type": "KeyError"}) == 1


@pytest.mark.parametrize("message", [None, {"type": "websocket.http.response.start", "status": 503}])
def test_failures_without_exception(capture: Capture, wrapped: Observe, message: Any) -> None:
    """An app that never answers, or with a failure's status, has failed."""

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        if message is not None:
            await send(dict(message))

    run(wrapped(app), websocket_scope(), [CONNECT])

    assert capture.attributes("WS")["error.type"] == ("503" if message else "500")


def test_a_bug_after_the_client_left_is_a_bug(capture: Capture, wrapped: Observe) -> None:
    """What fails for another reason than the client's leaving is a failure."""

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        await receive()
        await receive()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(wrapped(app), websocket_scope(), [CONNECT, goodbye(1006)])

    assert capture.attributes("WS")["error.type"] == "ZeroDivisionError"


def test_the_request_id(capture: Capture, wrapped: Observe) -> None:
    """The answer to the handshake carries the id that came with it."""

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept", "headers": [(b"x-mine", b"1")]})

    [accept] = run(wrapped(app), websocket_scope(headers=[(b"x-request-id", b"r-7")]), [CONNECT])

    assert accept["headers"] == [(b"x-mine", b"1"), (b"x-request-id", b"r-7")]
    assert capture.attributes("WS")["capibara6.request.id"] == "r-7"
