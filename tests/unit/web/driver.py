"""Calls ASGI apps as a server does, with every message in the test's hand."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import httpx

App = Callable[[Any, Any, Any], Awaitable[None]]


def scope(path: str = "/", method: str = "GET", **more: Any) -> dict[str, Any]:
    """Return the scope of an HTTP request."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(errors="surrogateescape"),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"api.test")],
        "client": ("10.0.0.9", 4711),
        "server": ("127.0.0.1", 8000),
        **more,
    }


def websocket_scope(path: str = "/ws", **more: Any) -> dict[str, Any]:
    """Return the scope of a WebSocket connection."""
    made = scope(path, **{"scheme": "ws", "subprotocols": [], **more})
    del made["method"]
    return {**made, "type": "websocket"}


async def call(app: App, made: dict[str, Any], incoming: Iterable[dict[str, Any]] = ()) -> list[dict[str, Any]]:
    """Call an app; return the messages it sent.

    Args:
        app: the app.
        made: the scope.
        incoming: what the client sends; a GET without body by default. After that nothing comes.
    """
    waiting = list(incoming) or [{"type": "http.request", "body": b"", "more_body": False}]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if not waiting:
            await asyncio.Event().wait()
        return waiting.pop(0)

    async def send(message: dict[str, Any]) -> None:
        sent.append(dict(message))

    await app(made, receive, send)
    return sent


def run(app: App, made: dict[str, Any] | None = None, incoming: Iterable[dict[str, Any]] = ()) -> list[dict[str, Any]]:
    """Call an app in an event loop of its own."""
    return asyncio.run(call(app, made or scope(), incoming))


def fetch(
    app: App, path: str = "/", method: str = "GET", *, raise_errors: bool = False, **options: Any
) -> httpx.Response:
    """Make one HTTP request to an app."""

    async def go() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=raise_errors)
        async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as client:
            return await client.request(method, path, **options)

    return asyncio.run(go())


def plain(status: int = 200, body: bytes = b"hello", headers: Iterable[tuple[bytes, bytes]] = ()) -> App:
    """Return an app that answers every request."""

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": status, "headers": list(headers)})
        await send({"type": "http.response.body", "body": body})

    return app
