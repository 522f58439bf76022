"""What an HTTP request and a WebSocket connection have in common: how observing one begins and ends."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Final, Generic, TypeVar

from opentelemetry import context as otel
from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind

from capibara_otel.operation import current_operation, with_who
from capibara_otel.semconv import attributes as a
from capibara_otel.subsystems.api import OBSERVED, Served
from capibara_otel.web import routes
from capibara_otel.web.asgi import FASTAPI_RECORD, SEEN, STARLETTE_SEEN, Message, Receive, Scope, Send
from capibara_otel.web.headers import GETTER, REQUEST_ID, RequestHeaders, clean_query, client_of, redacted, with_headers
from capibara_otel.web.native import forget, native_records
from capibara_otel.web.setup import Setup

_S = TypeVar("_S", bound=Served)


class Exchange(ABC, Generic[_S]):
    """One request or connection under observation. The app is given its `receive` and `send`.

    The server's own `receive` and `send` run in the context that was current outside: servers start the next request
    of a connection from there, which would otherwise be born inside of this one.
    """

    scheme: ClassVar[str]

    def __init__(self, setup: Setup, scope: Scope, receive: Receive, send: Send) -> None:
        self.setup: Final = setup
        self.scope: Final = scope
        self._receive: Final = receive
        self._send: Final = send
        self.outside: Final = otel.get_current()
        self.path: Final[str] = scope["path"]
        self.root_path: Final = setup.root_path(scope)
        headers = RequestHeaders(scope)
        self.request_id: Final = headers.request_id() or setup.new_request_id()
        self.operation: Final[_S] = self._opened(headers)
        self.adopted: Final = _server_span(self.outside)
        self._record: Any = None
        self._own_record = False
        self.inside = self._begin(headers)

    @abstractmethod
    def _opened(self, headers: RequestHeaders) -> _S:
        """Return the operation, not begun yet."""

    @abstractmethod
    def _finish(self, error: BaseException | None) -> None:
        """Tell the operation how it went and end it, if that is still to be done."""

    def _attributes(self, headers: RequestHeaders) -> dict[str, Any]:
        """Return what is known of every request at its start."""
        scope = self.scope
        address, port = headers.server(scope)
        query = scope.get("query_string")
        return {
            a.URL_SCHEME: scope.get("scheme") or self.scheme,
            a.SERVER_ADDRESS: address or None,
            a.SERVER_PORT: port,
            a.CLIENT_ADDRESS: client_of(scope),
            a.USER_AGENT_ORIGINAL: headers.get(b"user-agent"),
            a.URL_QUERY: clean_query(query) if query else None,
            **(redacted(self.setup.request_headers, scope["headers"]) if self.setup.request_headers else {}),
        }

    def _begin(self, headers: RequestHeaders) -> Context:
        around = self.outside
        if self.adopted is None:
            around = propagate.extract(headers, self.outside, GETTER)
        around = with_who({a.REQUEST_ID: self.request_id}, around)
        self.operation.start(parent=around, span=self.adopted is None)
        if self.adopted is not None:
            self.adopted.set_attributes(self.operation.attributes)
        # A context of its own, not the operation's: what still runs when that has ended stays in its trace.
        inside = Context({**self.operation.context, OBSERVED: True, **self._claim()})
        otel.attach(inside)
        return inside

    def _claim(self) -> Mapping[str, Any]:
        """Mark the scope, so that nobody else observes this; return what FastAPI looks for in the context."""
        scope = self.scope
        scope[SEEN] = scope[STARLETTE_SEEN] = True
        native = native_records()
        if scope.get(FASTAPI_RECORD) is not None:  # a FastAPI app outside of us observes
            self._record = scope[FASTAPI_RECORD]
        elif native is not None:
            self._record = native.new(str(scope.get("method", "WS")), self.root_path.rstrip("/"))
            self._own_record = True
            scope[FASTAPI_RECORD] = self._record
            return {native.context_key: self._record}
        else:
            scope[FASTAPI_RECORD] = None
        return {}

    def route(self, status: int | None = None) -> str | None:
        """Return the template of the matched route, None when none matched or nothing was routed yet."""
        native = native_records()
        app = self.setup.routing(self.scope)
        if native is not None and self._record is not None and native.routed_by_fastapi(app):
            told: str | None = self._record.route
            return told
        return routes.template(app, self.scope, path=self.path, root_path=self.root_path, status=status)

    def identified(self, message: Message) -> Message:
        """Return the response's first message with the request id, unless the app set one itself."""
        if any(name.lower() == REQUEST_ID for name, _ in message.get("headers", ())):
            return message
        return with_headers(message, ((REQUEST_ID, self.request_id.encode("ascii", "replace")),))

    def describe(self) -> None:
        """Bring what the operation knows to a span that somebody else made and will end."""
        if self.adopted is not None and self.adopted.is_recording():
            self.adopted.set_attributes(self.operation.attributes)
            if a.HTTP_ROUTE in self.operation.attributes:
                self.adopted.update_name(self.operation.name)

    async def receive(self) -> Message:
        """Receive for the app."""
        here = otel.get_current()
        otel.attach(self.outside)
        try:
            message = await self._receive()
        finally:
            otel.attach(self._back(here))
        with self.setup.guard:
            self._received(message)
        return message

    @abstractmethod
    def _received(self, message: Message) -> None:
        """Take note of what the client sent."""

    def _back(self, here: Context) -> Context:
        """Return the context to go on in, after an absence from this one."""
        return here

    def end(self, error: BaseException | None) -> None:
        """Take note that the app is through with it.

        Args:
            error: what the app raised.
        """
        try:
            with self.setup.guard:
                self._finish(error)
        finally:
            otel.attach(self.outside)
            if self._own_record:
                self.scope.pop(FASTAPI_RECORD, None)
                forget(self._record)


def leaving(error: BaseException) -> bool:
    """Tell whether an exception, once the client is gone, only says so."""
    return isinstance(error, OSError) or type(error).__name__ in _LEAVING


_LEAVING: Final = frozenset({"CancelledError", "ClientDisconnect", "ClientDisconnected", "WebSocketDisconnect"})


def _server_span(context: Context) -> Span | None:
    """Return the server span of this very request that a wrapper outside of us made, if there is one.

    A span of our own is no such: then an app under observation calls another one in its process.
    """
    span = trace.get_current_span(context)
    if getattr(span, "kind", None) is not SpanKind.SERVER or not span.is_recording():
        return None
    return None if isinstance(current_operation(context), Served) else span
