"""A FastAPI app with every kind of route."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from fastapi import APIRouter, BackgroundTasks, Depends, FastAPI, Request, WebSocket
from fastapi.responses import StreamingResponse

OFF: Final[Any] = {"tracing": False, "metrics": False, "logs": False}
"""FastAPI's settings for no telemetry of its own."""


def build(telemetry: Any, make: Callable[..., FastAPI] = FastAPI) -> FastAPI:
    """Return the app; the one mounted in it is its `state.sub`."""
    app, sub = make(telemetry=telemetry), make(telemetry=telemetry)
    router, inner = APIRouter(prefix="/users/{user_id}"), APIRouter()
    app.middleware("http")(_add_header)
    app.get("/plain")(_plain)
    app.get("/dependency")(_dependent)
    app.get("/stream")(_stream)
    app.get("/background")(_background)
    app.get("/boom")(_boom)
    app.websocket("/ws/{room}")(_websocket)
    inner.get("/items/{item_id}")(_item)
    sub.get("/things/{thing}")(_thing)
    router.include_router(inner)
    app.include_router(router, prefix="/v1")
    app.mount("/sub", sub)
    app.state.sub = sub
    return app


async def _add_header(request: Request, call_next: Any) -> Any:
    response = await call_next(request)
    response.headers["x-seen"] = "yes"
    return response


async def _plain() -> str:
    return "ok"


async def _dependency() -> Any:
    yield 1


def _dependent(value: int = Depends(_dependency)) -> int:
    return value


async def _item(user_id: int, item_id: int) -> int:
    return user_id + item_id


async def _thing(thing: int) -> int:
    return thing


async def _stream() -> StreamingResponse:
    async def chunks() -> Any:
        for _ in range(5):
            yield b"chunk"

    return StreamingResponse(chunks())


async def _background(tasks: BackgroundTasks) -> str:
    tasks.add_task(asyncio.sleep, 0)
    return "ok"


async def _boom() -> str:
    raise ValueError("boom")


async def _websocket(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text(await websocket.receive_text())
    await websocket.close()
