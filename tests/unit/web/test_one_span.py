"""The one-span rule: one server span and one duration per request, whoever else instruments the app."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import fastapi
import pytest
from fastapi import FastAPI
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind
from starlette.applications import Starlette
from starlette.middleware.opentelemetry import OpenTelemetryMiddleware as StarletteMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route

import capibara_otel as cap
from capibara_otel.testing import Capture
from capibara_otel.web import CapibaraMiddleware, WebOptions, instrument, uninstrument
from tests.unit.web.apps import OFF, build
from tests.unit.web.driver import call, fetch, plain, run, scope, websocket_scope

Observe = Callable[..., Any]

COMBINATIONS = [
    "ours",
    "native + ours",
    "native + contrib before ours",
    "native + contrib after ours",
    "native + contrib for all apps + ours",
    "native + contrib as middleware + ours",
    "ours twice",
]

ROUTES = {
    "/plain": "GET /plain",
    "/dependency": "GET /dependency",
    "/v1/users/7/items/3": "GET /v1/users/{user_id}/items/{item_id}",
    "/stream": "GET /stream",
    "/background": "GET /background",
    "/boom": "GET /boom",
    "/sub/things/5": "GET /sub/things/{thing}",
    "/sub/nothing": "GET /sub/{path}",
    "/nothing": "GET",
}


def native(capture: Capture) -> dict[str, Any]:
    """Return FastAPI's settings with its own telemetry fully on."""
    return {
        "tracer_provider": capture.tracer_provider,
        "meter_provider": capture.meter_provider,
        "logger_provider": capture.logger_provider,
    }


@pytest.fixture(name="app", params=COMBINATIONS)
def _app(request: pytest.FixtureRequest, capture: Capture) -> Iterator[FastAPI]:
    combination: str = request.param
    providers: dict[str, Any] = {"tracer_provider": capture.tracer_provider, "meter_provider": capture.meter_provider}
    contrib = FastAPIInstrumentor()
    for_all = "for all" in combination
    if for_all:
        contrib.instrument(**providers)
    app = build(
        native(capture) if "native" in combination else OFF,
        fastapi.FastAPI,
    )
    if "as middleware" in combination:
        app.add_middleware(OpenTelemetryMiddleware, **providers)
    if "before" in combination:
        contrib.instrument_app(app, **providers)
    instrument(app, api=cap.api)
    instrument(app.state.sub, api=cap.api)
    if "after" in combination:
        contrib.instrument_app(app, **providers)
    if "twice" in combination:
        instrument(app, api=cap.api)
    yield app
    uninstrument(app)
    if for_all:
        contrib.uninstrument()
    elif "contrib" in combination and "middleware" not in combination:
        contrib.uninstrument_app(app)


def server_spans(capture: Capture) -> list[ReadableSpan]:
    """Return the server spans that ended."""
    return [span for span in capture.spans if span.kind is SpanKind.SERVER]


def foreign_metrics(capture: Capture) -> set[str]:
    """Return the names of the metrics of a request that are not ours."""
    return {name for name in capture.metric_names if name.startswith("http.server.")}


def test_baseline(capture: Capture) -> None:
    """What this is about: FastAPI observes by itself as soon as it has providers."""
    fetch(build(native(capture)), "/plain")

    assert [span.name for span in server_spans(capture)] == ["GET /plain"]
    assert "http.server.request.duration" in foreign_metrics(capture)


@pytest.mark.parametrize(("path", "name"), ROUTES.items())
def test_one_server_span_and_one_duration(app: FastAPI, capture: Capture, path: str, name: str) -> None:
    """Every kind of HTTP route gives one server span and one duration, both with the route's template."""
    fetch(app, path)

    assert [span.name for span in server_spans(capture)] == [name]
    assert capture.value("capibara6.api.request.duration") == 1
    assert capture.value("capibara6.api.requests") == 1
    assert foreign_metrics(capture) == set()
    route = (server_spans(capture)[0].attributes or {}).get("http.route")
    assert {(point.attributes or {}).get("http.route") for point in capture.points("capibara6.api.requests")} == {route}
    assert [route] == [name.partition(" ")[2] or None]


def test_one_server_span_per_websocket(app: FastAPI, capture: Capture) -> None:
    """A WebSocket connection is one server span with the route's template."""
    sent = run(
        app,
        websocket_scope("/ws/blue"),
        [{"type": "websocket.connect"}, {"type": "websocket.receive", "text": "hi"}],
    )

    assert [message["type"] for message in sent] == ["websocket.accept", "websocket.send", "websocket.close"]
    assert [span.name for span in server_spans(capture)] == ["WS /ws/{room}"]
    assert capture.value("capibara6.api.websocket.duration") == 1
    assert foreign_metrics(capture) == set()


def test_an_exception_is_recorded_once(app: FastAPI, capture: Capture) -> None:
    """The span has one exception event, whoever else would add one."""
    fetch(app, "/boom")

    [span] = server_spans(capture)
    assert [event.name for event in span.events] == ["exception"]
    assert span.attributes is not None
    assert span.attributes["error.type"] == "ValueError"
    assert capture.value("capibara6.api.exceptions", {"http.route": "/boom", "exception.type": "ValueError"}) == 1


def test_excluded_requests_are_seen_by_nobody(app: FastAPI, capture: Capture) -> None:
    """Where ours is told to leave requests out, no other instrumentation fills the gap."""
    uninstrument(app)
    instrument(app, api=cap.api, options=WebOptions(excluded_urls=("^/plain$", "^/ws")))

    fetch(app, "/plain")
    run(app, websocket_scope("/ws/blue"), [{"type": "websocket.connect"}, {"type": "websocket.receive", "text": "hi"}])

    assert server_spans(capture) == []
    assert capture.metric_names == set()


def test_contrib_is_announced_once(capture: Capture, caplog: pytest.LogCaptureFixture) -> None:
    """One line says that contrib's instrumentation was found, however many requests there are."""
    app = build(native(capture))
    FastAPIInstrumentor.instrument_app(app, tracer_provider=capture.tracer_provider)
    instrument(app, api=cap.api)
    with caplog.at_level(logging.INFO, "capibara_otel.web"):
        fetch(app, "/plain")
        fetch(app, "/plain")

    assert [record.levelname for record in caplog.records if record.name == "capibara_otel.web.contrib"] == ["INFO"]
    uninstrument(app)
    FastAPIInstrumentor.uninstrument_app(app)


def test_contrib_speaks_again_after_uninstrument(capture: Capture) -> None:
    """What was silenced works as before when ours is taken off."""
    app = build(OFF)
    FastAPIInstrumentor.instrument_app(
        app, tracer_provider=capture.tracer_provider, meter_provider=capture.meter_provider
    )
    instrument(app, api=cap.api)
    fetch(app, "/plain")
    uninstrument(app)
    fetch(app, "/boom")
    FastAPIInstrumentor.uninstrument_app(app)

    names = [(span.name, len(span.events)) for span in server_spans(capture)]
    assert names == [("GET /plain", 0), ("GET /boom", 1)]
    assert capture.value("capibara6.api.requests") == 1
    assert capture.value("http.server.duration") == 1


def test_a_mount_that_comes_later_is_found(capture: Capture) -> None:
    """An app mounted after the first request is silenced too."""
    providers: dict[str, Any] = {"tracer_provider": capture.tracer_provider, "meter_provider": capture.meter_provider}
    app, late = build(OFF), build(OFF)
    FastAPIInstrumentor.instrument_app(late, **providers)
    instrument(app, api=cap.api)
    fetch(app, "/plain")
    app.mount("/late", late)
    fetch(app, "/late/plain")
    FastAPIInstrumentor.uninstrument_app(late)

    assert [span.name for span in server_spans(capture)] == ["GET /plain", "GET /late/plain"]
    assert foreign_metrics(capture) == set()


def test_starlettes_own_middleware_steps_aside(capture: Capture, observed: Observe) -> None:
    """Starlette's experimental telemetry makes no second span either."""
    app = Starlette(routes=[Route("/x", lambda _: PlainTextResponse("x"))])
    app.add_middleware(StarletteMiddleware, tracer_provider=capture.tracer_provider)
    observed(app)

    fetch(app, "/x")

    assert [span.name for span in server_spans(capture)] == ["GET /x"]


@pytest.mark.parametrize("outer", ["contrib", "starlette"])
def test_a_span_from_outside_is_adopted(
    capture: Capture, wrapped: Observe, outer: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A wrapper outside of ours keeps its server span, which gets our attributes; our metrics are recorded once."""
    app = FastAPI(telemetry=OFF)

    @app.get("/items/{item_id}")
    async def item(item_id: int) -> int:
        with cap.rag.search(index="docs"):
            return item_id

    inner = wrapped(app)
    kind: Any = OpenTelemetryMiddleware if outer == "contrib" else StarletteMiddleware
    response = fetch(
        kind(inner, tracer_provider=capture.tracer_provider),
        "/items/3",
        headers={"x-request-id": "r-1", "traceparent": f"00-{'a' * 32}-{'b' * 16}-01"},
    )

    [span] = server_spans(capture)
    assert span.name == "GET /items/{item_id}"
    assert span.attributes is not None
    assert span.attributes["http.route"] == "/items/{item_id}"
    assert span.attributes["http.response.status_code"] == 200
    assert span.context.trace_id == int("a" * 32, 16)
    assert capture.span("rag search docs").parent == span.context
    assert response.headers["x-request-id"] == "r-1"
    assert capture.value("capibara6.api.requests", {"http.route": "/items/{item_id}"}) == 1
    assert "ended span" not in caplog.text


def test_an_adopted_span_gets_errors_too(capture: Capture, wrapped: Observe) -> None:
    """What fails inside of somebody else's span is told to that span and counted by us."""

    async def failing(_scope: Any, _receive: Any, _send: Any) -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        run(StarletteMiddleware(wrapped(failing), tracer_provider=capture.tracer_provider), scope("/x"))

    [span] = server_spans(capture)
    assert span.attributes is not None
    assert span.attributes["capibara6.outcome"] == "error"
    assert capture.value("capibara6.api.requests", {"error.type": "ValueError"}) == 1


def test_an_app_called_by_an_app_is_a_request_of_its_own(capture: Capture, wrapped: Observe) -> None:
    """A request made inside the process from within a request has its own server span below the first one."""
    inner = wrapped(plain())

    async def outer_app(_scope: Any, _receive: Any, send: Any) -> None:
        await call(inner, scope("/inner"))
        await plain()(_scope, _receive, send)

    run(wrapped(outer_app), scope("/outer"))

    inner_span, outer_span = server_spans(capture)
    assert inner_span.parent is not None
    assert inner_span.parent.span_id == outer_span.context.span_id
    assert capture.value("capibara6.api.requests") == 2


def test_inside_an_observed_fastapi_app(capture: Capture) -> None:
    """Where only a mounted app is ours and the outer one observes itself, the outer span is adopted."""
    app = build(native(capture))
    instrument(app.state.sub, api=cap.api)

    fetch(app, "/sub/things/5")

    assert [span.name for span in server_spans(capture)] == ["GET /sub/things/{thing}"]
    assert capture.value("capibara6.api.requests", {"http.route": "/sub/things/{thing}"}) == 1
    uninstrument(app.state.sub)


def test_wrappers_around_one_another_count_once(capture: Capture, wrapped: Observe) -> None:
    """A wrapper inside of a wrapper only passes on."""
    run(wrapped(wrapped(plain())))

    assert len(server_spans(capture)) == 1
    assert capture.value("capibara6.api.requests") == 1
    assert isinstance(wrapped(plain()), CapibaraMiddleware)
