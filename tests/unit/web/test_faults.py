"""Faults of telemetry never reach a request; in tests they do, so that they are found."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import opentelemetry.instrumentation.asgi  # noqa: F401 - contrib is looked for where something has imported it
import pytest
from opentelemetry import context
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

import capibara_otel as cap
from capibara_otel.testing import Capture
from capibara_otel.web import CapibaraMiddleware
from tests.unit.web.driver import call, fetch, plain, run, scope, websocket_scope

Observe = Callable[..., Any]


def fail(*_: Any, **__: Any) -> Any:
    """Be a fault."""
    raise RuntimeError("telemetry is broken")


@pytest.fixture(name="instance")
def _instance() -> cap.Capibara:
    """An instance of this test's own: what a fault leaves unfinished ends with the garbage, in another test's time."""
    return cap.Capibara()


@pytest.fixture(name="capture")
def _capture(instance: cap.Capibara) -> Iterator[Capture]:
    with Capture(instance) as capture:
        yield capture


@pytest.fixture(name="wrapped")
def _wrapped(capture: Capture, instance: cap.Capibara) -> Observe:
    return lambda app: CapibaraMiddleware(app, api=instance.api)


PLACES = [
    "capibara_otel.web.contrib.Contrib.quiet",
    "capibara_otel.web.request.HttpExchange._opened",
    "capibara_otel.web.exchange.Exchange._claim",
    "capibara_otel.web.propagation.propagate.extract",
    "capibara_otel.web.request.HttpExchange._received",
    "capibara_otel.web.request.HttpExchange._started",
    "capibara_otel.web.request.HttpExchange._continued",
    "capibara_otel.web.request.HttpExchange._delivered",
    "capibara_otel.web.request.HttpExchange._finish",
    "capibara_otel.web.setup.routes.template",
]


TRACED = [(b"traceparent", b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"), (b"tracestate", b"x=1")]


async def reads_and_answers(made: Any, receive: Any, send: Any) -> None:
    """Do a bit of everything."""
    await receive()
    await plain()(made, receive, send)


@pytest.mark.parametrize("place", PLACES)
def test_requests_are_served(capture: Capture, wrapped: Observe, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    """Whatever part of observing fails, the app's answer reaches the client, and the fault is counted."""
    monkeypatch.setenv("CAPIBARA_RAISE", "0")
    monkeypatch.setattr(place, fail)

    sent = run(wrapped(reads_and_answers), scope(headers=TRACED))

    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert sent[1]["body"] == b"hello"
    assert capture.value("capibara6.telemetry.errors") >= 1


@pytest.mark.parametrize("place", PLACES)
def test_in_tests_faults_are_raised(wrapped: Observe, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    """Under pytest a fault is not hidden."""
    monkeypatch.setattr(place, fail)

    with pytest.raises(RuntimeError, match="telemetry is broken"):
        run(wrapped(reads_and_answers), scope(headers=TRACED))


@pytest.mark.parametrize("place", ["_opened", "_received", "_noted", "_finish"])
def test_websockets_are_served(wrapped: Observe, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    """The same holds for WebSocket connections."""

    async def app(_made: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})

    monkeypatch.setenv("CAPIBARA_RAISE", "0")
    monkeypatch.setattr(f"capibara_otel.web.websocket.WebSocketExchange.{place}", fail)

    [accept] = run(wrapped(app), websocket_scope(), [{"type": "websocket.connect"}])

    assert accept["type"] == "websocket.accept"


def test_the_next_request_is_clean(capture: Capture, wrapped: Observe, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault half-way leaves nothing attached for the next request of the connection."""
    app = wrapped(plain())
    kept: list[Any] = []

    def fail_late(exchange: Any) -> None:
        kept.append(exchange)  # as a debugger or a stored traceback does
        fail()

    async def connection() -> None:
        with monkeypatch.context() as patch:
            patch.setenv("CAPIBARA_RAISE", "0")
            patch.setattr("capibara_otel.web.exchange.Exchange._claim", fail_late)
            await call(app, scope("/1"))
            assert context.get_current() == {}
        await call(app, scope("/2"))

    asyncio.run(connection())

    assert [span.parent for span in capture.spans if (span.attributes or {})["url.path"] == "/2"] == [None]


def test_after_a_failures_status(capture: Capture, wrapped: Observe, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault while a failed request ends a step later does not reach the event loop's handler."""
    monkeypatch.setenv("CAPIBARA_RAISE", "0")
    handled: list[Any] = []

    async def app(made: Any, receive: Any, send: Any) -> None:
        await plain(503)(made, receive, send)
        monkeypatch.setattr("capibara_otel.web.request.HttpExchange.route", fail)
        await asyncio.sleep(0.01)

    async def go() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: handled.append(context))
        await call(wrapped(app), scope())

    asyncio.run(go())

    assert handled == []
    assert capture.value("capibara6.telemetry.errors") >= 1


def test_without_providers(wrapped: Observe) -> None:
    """Before anything is configured the wrapper observes into the void, at no harm."""
    app = Starlette(routes=[Route("/x", lambda _: PlainTextResponse("x"))])

    assert fetch(CapibaraMiddleware(app, api=cap.Capibara().api), "/x").text == "x"
