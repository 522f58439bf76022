"""Observes one WebSocket connection, from the handshake to the close."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final

from capibara_otel.semconv import attributes as a
from capibara_otel.semconv import spans
from capibara_otel.subsystems.api import WebSocket
from capibara_otel.web.asgi import Message
from capibara_otel.web.exchange import Exchange, leaving

_SWITCHING_PROTOCOLS: Final = 101
_FORBIDDEN: Final = 403
_SERVER_ERROR: Final = 500
_REGULAR_CLOSES: Final = frozenset({1000, 1001, 1005, 1012})
"""Close codes (RFC 6455) of a client that said goodbye: done, going away, no code given; and of a server restarting."""


class WebSocketExchange(Exchange[WebSocket]):
    """A WebSocket connection. Messages are counted, none has a span."""

    __slots__ = ("_code", "_gone", "_status")

    scheme: ClassVar[str] = "ws"

    def _opened(self, headers: Mapping[bytes, bytes]) -> WebSocket:
        self._status: int | None = None
        self._code: int | None = None
        self._gone = False
        setup = self.setup
        return setup.api.connected(setup.known(spans.API_WEBSOCKET, self.scheme, self.scope, headers))

    def _received(self, message: Message) -> None:
        if message["type"] == "websocket.receive":
            self.operation.message("receive")
        elif message["type"] == "websocket.disconnect":
            self._code = message.get("code", 1005)
            self._gone = self._code not in _REGULAR_CLOSES

    async def send(self, message: Message) -> None:
        """Send for the app."""
        try:
            message = self._noted(message)
        except Exception as fault:
            if not self.setup.keeps(fault):
                raise
        try:
            await self._send(message)
        except OSError:
            self._gone = True
            raise

    def _noted(self, message: Message) -> Message:
        kind = message["type"]
        if kind == "websocket.send":
            self.operation.message("send")
        elif kind == "websocket.accept":
            self._answered(_SWITCHING_PROTOCOLS)
            return self.identified(message)
        elif kind == "websocket.http.response.start":
            self._answered(message["status"])
            return self.identified(message)
        elif kind == "websocket.close" and self._status is None:
            self._answered(_FORBIDDEN)
        return message

    def _answered(self, status: int) -> None:
        self._status = status
        self.operation.routed(self.route(status))
        self.operation.set(a.HTTP_RESPONSE_STATUS_CODE, status)
        self.describe()

    def _finish(self, error: BaseException | None) -> None:
        operation = self.operation
        if self._status is None and not self._gone and self._code is None:
            self._answered(_SERVER_ERROR)  # the server does, for an app that did not
        left = error is not None and (self._gone or self._code is not None) and leaving(error)
        if self._gone and (error is None or left):
            operation.disconnected()
        elif error is None and self._status is not None and self._status >= _SERVER_ERROR:
            operation.fail(str(self._status))
        elif isinstance(error, Exception) and not left:
            route = operation.attributes.get(a.HTTP_ROUTE)
            self.setup.api.exception(error, route=route if isinstance(route, str) else None)
        operation.finish(None if left else error)
        self.describe()
