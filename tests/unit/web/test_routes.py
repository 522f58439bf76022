"""Templates of routes: told by FastAPI, or found by matching once more."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Host, Mount, Route, Router
from starlette.staticfiles import StaticFiles

from capibara_otel.testing import Capture
from capibara_otel.web import native, routes
from tests.unit.web.apps import OFF, build
from tests.unit.web.driver import fetch, plain, run, scope, websocket_scope

Observe = Callable[..., Any]


@pytest.fixture(name="telling", params=["FastAPI tells", "found by us"])
def _telling(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run with FastAPI's own record of the route, and as with a FastAPI that has none."""
    native._load.cache_clear()
    if request.param == "found by us":
        monkeypatch.setitem(sys.modules, "fastapi.telemetry._api", None)
    yield
    native._load.cache_clear()


def everything(folder: Path) -> FastAPI:
    """Return an app with all that routing can do."""
    app = build(OFF)
    tenant, deep = FastAPI(telemetry=OFF), FastAPI(telemetry=OFF)
    router = APIRouter()

    @router.get("/files/{name:path}")
    async def file(name: str) -> str:
        return name

    @deep.post("/only-post/{x}")
    async def only_post(x: int) -> int:
        return x

    @app.get("/slash/")
    async def slash() -> str:
        return "ok"

    app.include_router(router, prefix="/a")
    app.include_router(router, prefix="/b")
    tenant.mount("/deep", deep)
    app.mount("/tenants/{tenant}", tenant)
    app.mount("/static", StaticFiles(directory=folder))
    app.router.routes.append(Host("admin.test", Router([Route("/panel/{id}", lambda _: PlainTextResponse("p"))])))
    return app


@pytest.mark.usefixtures("telling")
@pytest.mark.parametrize(
    ("method", "path", "status", "route"),
    [
        ("GET", "/plain", 200, "/plain"),
        ("GET", "/a/files/x/y.txt", 200, "/a/files/{name}"),
        ("GET", "/b/files/x/y.txt", 200, "/b/files/{name}"),
        ("GET", "/v1/users/1/items/2", 200, "/v1/users/{user_id}/items/{item_id}"),
        ("GET", "/sub/things/1", 200, "/sub/things/{thing}"),
        ("GET", "/sub/nothing", 404, "/sub/{path}"),
        ("POST", "/tenants/acme/deep/only-post/1", 200, "/tenants/{tenant}/deep/only-post/{x}"),
        ("GET", "/tenants/acme/deep/only-post/1", 405, "/tenants/{tenant}/deep/only-post/{x}"),
        ("GET", "/static/a.txt", 200, "/static/{path}"),
        ("GET", "/static/b.txt", 404, "/static/{path}"),
        ("DELETE", "/plain", 405, "/plain"),
        ("GET", "/slash", 307, "/slash/"),
        ("GET", "/plain/", 307, "/plain"),
        ("GET", "/nothing/at/all", 404, None),
        ("GET", "/", 404, None),
    ],
)
def test_the_template_is_the_label(
    capture: Capture, observed: Observe, tmp_path: Path, method: str, path: str, status: int, route: str | None
) -> None:
    """Whatever was requested, the label is the template of the route, and raw paths are none."""
    (tmp_path / "a.txt").write_text("a")

    response = fetch(observed(everything(tmp_path)), path, method)

    assert response.status_code == status
    [point] = capture.points("capibara6.api.requests")
    assert (point.attributes or {}).get("http.route") == route
    assert capture.spans[0].name == (f"{method} {route}" if route else method)


@pytest.mark.usefixtures("telling")
@pytest.mark.parametrize("said_by", ["server", "app"])
def test_a_proxy_prefix_is_part_of_the_route(capture: Capture, observed: Observe, said_by: str) -> None:
    """The path under which a proxy serves the app stands before its routes, whether the app strips it or not."""
    app = FastAPI(telemetry=OFF)
    app.get("/items/{item}")(plain_item)
    observed(app)
    root = {}
    if said_by == "app":
        app.root_path = "/api"
    else:
        root = {"root_path": "/api"}

    run(app, scope("/items/1", **root))
    run(app, scope("/api/items/1", **root))

    assert [span.name for span in capture.spans] == ["GET /api/items/{item}"] * 2


async def plain_item(item: int) -> int:
    """Return what was asked for."""
    return item


@pytest.mark.usefixtures("telling")
def test_websocket_routes(capture: Capture, observed: Observe) -> None:
    """WebSocket routes have their template, one that no route takes has none."""
    app = observed(build(OFF))
    run(app, websocket_scope("/ws/a"), [{"type": "websocket.connect"}, {"type": "websocket.receive", "text": "x"}])
    run(app, websocket_scope("/nowhere"), [{"type": "websocket.connect"}])

    assert [span.name for span in capture.spans] == ["WS /ws/{room}", "WS"]


def test_hosts(capture: Capture, observed: Observe) -> None:
    """Routes behind a host have their template."""
    app = Starlette(routes=[Host("{sub}.test", Router([Route("/panel/{id}", lambda _: PlainTextResponse("p"))]))])

    fetch(observed(app), "/panel/4")

    assert capture.spans[0].name == "GET /panel/{id}"


def test_a_middleware_that_answers_is_no_route(capture: Capture, observed: Observe) -> None:
    """A request that a middleware answers before routing has no route, though one would have matched."""
    app = Starlette(routes=[Route("/x", lambda _: PlainTextResponse("x"))])
    app.add_middleware(lambda _app: plain(401))

    fetch(observed(app), "/x")

    assert capture.spans[0].name == "GET"
    assert "http.route" not in (capture.spans[0].attributes or {})


def test_starlette_beside_fastapi(capture: Capture, observed: Observe) -> None:
    """A Starlette app's routes are found although FastAPI is in use, a mount with routes of its own too."""
    inner = Mount("/in/{x}", routes=[Route("/leaf/{y}", lambda _: PlainTextResponse("x"))])
    app = observed(Starlette(routes=[inner]))

    fetch(app, "/in/1/leaf/2")
    fetch(app, "/in/1/other")

    assert [span.name for span in capture.spans] == ["GET /in/{x}/leaf/{y}", "GET /in/{x}/{path}"]


@pytest.mark.usefixtures("telling")
def test_behind_a_function(capture: Capture, wrapped: Observe) -> None:
    """An app that a function wraps is found by what it leaves in the scope, and its routes with it."""
    inner = build(OFF)

    async def outer(made: Any, receive: Any, send: Any) -> None:
        await inner(made, receive, send)

    fetch(wrapped(outer), "/v1/users/7/items/3")

    assert capture.spans[0].name == "GET /v1/users/{user_id}/items/{item_id}"


def test_fastapi_that_comes_later(capture: Capture, wrapped: Observe, monkeypatch: pytest.MonkeyPatch) -> None:
    """An app that imports FastAPI with its first request has its routes told all the same."""
    inner = build(OFF)

    async def outer(made: Any, receive: Any, send: Any) -> None:
        await inner(made, receive, send)

    with monkeypatch.context() as before:
        before.delitem(sys.modules, "fastapi.applications")
        app = wrapped(outer)
    fetch(app, "/plain")

    assert capture.spans[0].name == "GET /plain"


def test_an_app_without_routes(capture: Capture, wrapped: Observe) -> None:
    """A plain ASGI app has no templates; its requests have only the method for a name."""
    run(wrapped(plain()), scope("/secret/4711"))

    assert capture.spans[0].name == "GET"


def test_the_resolver_by_itself(tmp_path: Path) -> None:
    """Routes are found with included routers in their place, and nothing is found before routing began."""
    app = everything(tmp_path)
    seen = {**scope("/v1/users/1/items/2"), "router": app.router}

    assert routes.template(app, seen, path="/v1/users/1/items/2", root_path="") == "/v1/users/{user_id}/items/{item_id}"
    assert routes.template(app, seen, path="/plain", root_path="", status=200) == "/plain"
    assert routes.template(app, scope("/plain"), path="/plain", root_path="") is None
    assert routes.template(None, seen, path="/plain", root_path="") is None


def test_a_newer_fastapi_that_changed_its_record(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where FastAPI's private parts are other than known they are left alone."""
    native._load.cache_clear()
    monkeypatch.setattr("fastapi.telemetry._api._RequestTelemetry", lambda: None)

    assert native.native_records() is None

    native._load.cache_clear()


def test_without_fastapi(monkeypatch: pytest.MonkeyPatch) -> None:
    """FastAPI is not imported for the sake of its records."""
    monkeypatch.delitem(sys.modules, "fastapi.applications")

    assert native.native_records() is None
