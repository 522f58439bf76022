"""Ties the lifecycle of telemetry to the app's: it begins when the app has started, and is flushed before it is gone."""

from __future__ import annotations

from typing import Final

from capibara_otel._safety import shield
from capibara_otel.web.asgi import ASGIApp, Message, Receive, Scope, Send
from capibara_otel.web.options import Lifecycle

_STARTED: Final = "lifespan.startup.complete"
_OVER: Final = frozenset({"lifespan.shutdown.complete", "lifespan.shutdown.failed", "lifespan.startup.failed"})


class Lifespan:
    """One run of an app's lifespan.

    Args:
        app: the app.
        lifecycle: whom to tell.
        guard: keeps faults of the lifecycle from the app.
    """

    def __init__(self, app: ASGIApp, lifecycle: Lifecycle, guard: shield) -> None:
        self._app: Final = app
        self._lifecycle: Final = lifecycle
        self._guard: Final = guard
        self._took_part = False

    async def run(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run it to the end."""

        async def receive_for_app() -> Message:
            self._took_part = True
            return await receive()

        async def send_for_app(message: Message) -> None:
            self._took_part = True
            if message["type"] == _STARTED:
                with self._guard:
                    self._lifecycle.startup()
            elif message["type"] in _OVER:
                # Before it is passed on: a server may leave as soon as it has this message.
                with self._guard:
                    await self._lifecycle.shutdown()
            await send(message)

        try:
            await self._app(scope, receive_for_app, send_for_app)
        except Exception:
            if self._took_part:
                raise
        if not self._took_part:
            await self._stand_in(receive, send_for_app)

    async def _stand_in(self, receive: Receive, send: Send) -> None:
        """Answer for an app that knows no lifespan, which ASGI lets it say by raising or returning at once."""
        while True:
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return
