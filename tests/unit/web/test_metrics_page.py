"""The metrics page on the app's own port."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from opentelemetry.sdk.metrics import MeterProvider
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from capibara_otel.pipeline.official.exposition import Exposition
from capibara_otel.testing import Capture
from capibara_otel.web import Page, WebOptions
from tests.unit.web.apps import OFF
from tests.unit.web.driver import call, fetch, plain, run, scope, websocket_scope

Observe = Callable[..., Any]


@dataclass(frozen=True)
class FixedPage:
    """A rendered page."""

    body: bytes = b"a_total 1\n"
    content_type: str = "text/plain; version=0.0.4"
    content_encoding: str | None = None


class Metrics:
    """Renders a fixed page; remembers how it was asked."""

    def __init__(self, page: Page | None = None) -> None:
        self.page = page or FixedPage()
        self.asked: list[tuple[str | None, str | None, str]] = []

    def render(self, accept: str | None = None, accept_encoding: str | None = None) -> Page:
        """Return the page."""
        self.asked.append((accept, accept_encoding, threading.current_thread().name))
        return self.page


def test_the_page(capture: Capture, observed: Observe) -> None:
    """The page is served in the format asked for, rendered off the event loop, and is no request of its own."""
    metrics = Metrics()
    app = observed(FastAPI(telemetry=OFF), page=metrics)

    response = fetch(app, "/metrics", headers={"accept": "application/openmetrics-text", "accept-encoding": "gzip"})

    assert (response.status_code, response.text) == (200, "a_total 1\n")
    assert response.headers["content-type"] == "text/plain; version=0.0.4"
    assert response.headers["content-length"] == "10"
    assert response.headers["cache-control"] == "no-store"
    [(accept, encoding, thread)] = metrics.asked
    assert (accept, encoding) == ("application/openmetrics-text", "gzip")
    assert thread != threading.main_thread().name
    assert capture.spans == ()
    assert capture.metric_names == set()


def test_the_real_page(observed: Observe) -> None:
    """With the pipeline's exposition, a scrape is answered compressed where that is asked for."""
    exposition = Exposition()
    provider = MeterProvider([exposition.reader], shutdown_on_exit=False)
    provider.get_meter("test").create_counter("capibara6.test.things").add(3)
    app = observed(plain(), page=exposition)

    packed = fetch(app, "/metrics", headers={"accept-encoding": "gzip"})
    text = fetch(app, "/metrics", headers={"accept-encoding": "identity"})

    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in text.headers
    assert "capibara6_test_things_total 3.0" in packed.text
    assert "capibara6_test_things_total 3.0" in text.text
    provider.shutdown()


def test_head_and_other_methods(observed: Observe) -> None:
    """HEAD is answered without body, anything but reading is refused."""
    app = observed(plain(), page=Metrics())

    head = run(app, scope("/metrics", "HEAD"))
    post = fetch(app, "/metrics", "POST")

    assert dict(head[0]["headers"])[b"content-length"] == b"10"
    assert head[1]["body"] == b""
    assert (post.status_code, post.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ({}, 401),
        ({"authorization": "Bearer wrong"}, 401),
        ({"authorization": "Bearer s3cret-é"}, 401),
        ({"authorization": "Bearer s3cret"}, 200),
    ],
)
def test_the_token(capture: Capture, observed: Observe, header: dict[str, str], status: int) -> None:
    """With a token set, only who shows it reads the page; a refusal says how to come in."""
    app = observed(plain(), page=Metrics(), options=WebOptions(metrics_token="s3cret"))

    response = fetch(app, "/metrics", headers={name: value.encode("latin-1") for name, value in header.items()})

    assert response.status_code == status
    assert response.headers.get("www-authenticate") == ("Bearer" if status == 401 else None)
    assert capture.spans == ()


def test_another_path_and_none(capture: Capture, observed: Observe) -> None:
    """The path is a setting; without one, or without a page, the app gets the request and it is observed."""
    moved = observed(plain(), page=Metrics(), options=WebOptions(metrics_path="/internal/metrics"))
    nowhere = observed(plain(), page=Metrics(), options=WebOptions(metrics_path=""))
    without = observed(plain())

    assert fetch(moved, "/internal/metrics").text == "a_total 1\n"
    assert [fetch(app, "/metrics").text for app in (moved, nowhere, without)] == ["hello"] * 3
    assert len(capture.spans) == 3


def test_behind_a_prefix(observed: Observe) -> None:
    """A server's root path stands before the page's path as before every other."""
    app = observed(plain(), page=Metrics())

    assert run(app, scope("/api/metrics", root_path="/api"))[1]["body"] == b"a_total 1\n"
    assert run(app, scope("/other/metrics", root_path="/api"))[1]["body"] == b"hello"


def app_with_route() -> FastAPI:
    """Return an app with a metrics page of its own."""
    app, router = FastAPI(telemetry=OFF), APIRouter()

    @router.get("/metrics", response_class=PlainTextResponse)
    async def metrics() -> str:
        return "the app's own"

    app.include_router(router)
    return app


@pytest.mark.parametrize(
    "make",
    [
        app_with_route,
        lambda: Starlette(routes=[Route("/metrics", lambda _: PlainTextResponse("the app's own"))]),
        lambda: Starlette(routes=[Mount("/metrics", plain(body=b"the app's own"))]),
    ],
)
def test_the_apps_own_route_wins(
    capture: Capture, observed: Observe, caplog: pytest.LogCaptureFixture, make: Callable[[], Any]
) -> None:
    """An app that serves this path itself goes on doing so, unobserved; one warning names the setting."""
    app = observed(make(), page=Metrics())

    texts = [fetch(app, "/metrics", follow_redirects=True).text for _ in range(2)]

    assert texts == ["the app's own"] * 2
    assert [
        (record.levelno, "metrics_path" in record.message) for record in caplog.records if "web" in record.name
    ] == [(logging.WARNING, True)]
    assert [span for span in capture.spans if (span.attributes or {}).get("url.path") == "/metrics"] == []


def test_a_route_for_everything_does_not_win(observed: Observe) -> None:
    """A route that happens to match this path too is no page of the app's own."""
    app = FastAPI(telemetry=OFF)

    @app.get("/{path:path}")
    async def everything(path: str) -> str:
        return path

    assert fetch(observed(app, page=Metrics()), "/metrics").text == "a_total 1\n"


def test_a_websocket_there_is_the_apps(observed: Observe) -> None:
    """The page is for HTTP; a WebSocket connection to that path goes to the app."""
    seen: list[str] = []

    async def app(made: Any, _receive: Any, send: Any) -> None:
        seen.append(made["type"])
        await send({"type": "websocket.close"})

    run(observed(app, page=Metrics()), websocket_scope("/metrics"))

    assert seen == ["websocket"]


def test_a_page_that_cannot_be_rendered(observed: Observe, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault in rendering is a response of 500, in production."""

    class Broken(Metrics):
        def render(self, accept: str | None = None, accept_encoding: str | None = None) -> Page:
            raise RuntimeError("broken")

    monkeypatch.setenv("CAPIBARA_RAISE", "0")

    assert fetch(observed(plain(), page=Broken()), "/metrics").status_code == 500


def test_rendering_does_not_hold_up_requests(observed: Observe) -> None:
    """While a page is rendered, requests are served."""
    started, done = threading.Event(), threading.Event()

    class Slow(Metrics):
        def render(self, accept: str | None = None, accept_encoding: str | None = None) -> Page:
            started.set()
            assert done.wait(10)
            return super().render(accept, accept_encoding)

    app = observed(plain(), page=Slow())

    async def go() -> list[Any]:
        page = asyncio.create_task(call(app, scope("/metrics")))
        await asyncio.to_thread(started.wait, 10)
        answer = await call(app, scope("/"))
        done.set()
        return [answer[1]["body"], (await page)[1]["body"]]

    assert asyncio.run(go()) == [b"hello", b"a_total 1\n"]
