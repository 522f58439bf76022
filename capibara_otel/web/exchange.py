"""What an HTTP request and a WebSocket connection have in common: how observing one begins and ends."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Final, Generic, TypeVar

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind

from capibara_otel.operation import current_operation, who
from capibara_otel.operation.context import WHO, attach, current_context
from capibara_otel.semconv import attributes as a
from capibara_otel.subsystems.api import OBSERVED, Served
from capibara_otel.web.asgi import FASTAPI_RECORD, SEEN, STARLETTE_SEEN, Message, Receive, Scope, Send
from capibara_otel.web.headers import REQUEST_ID, headers_of, request_id
from capibara_otel.web.native import forget
from capibara_otel.web.setup import Setup

_LENGTH: Final = len(REQUEST_ID)
_S = TypeVar("_S", bound=Served)


class Exchange(ABC, Generic[_S]):
    """One request or connection under observation. The app is given its `receive` and `send`.

    The server's own `receive` and `send` run in the context that was current outside: servers start the next request
    of a connection from there, which would otherwise be born inside of this one.
    """

    __slots__ = (
        "_own_record",
        "_receive",
        "_record",
        "_send",
        "adopted",
        "inside",
        "operation",
        "outside",
        "path",
        "request_id",
        "root_path",
        "scope",
        "setup",
    )

    scheme: ClassVar[str]

    def __init__(self, setup: Setup, scope: Scope, receive: Receive, send: Send) -> None:
        self.setup: Final = setup
        self.scope: Final = scope
        self._receive: Final = receive
        self._send: Final = send
        self.path: Final[str] = scope["path"]
        self.root_path: Final[str] = getattr(setup.app, "root_path", "") or scope.get("root_path", "")
        self._record: Any = None
        self._own_record = False
        around = current_context()
        self.outside: Final = around
        raw = scope.get("headers")
        if type(raw) is not list:
            raw = headers_of(scope)
        headers = dict(raw)
        given = headers.get(REQUEST_ID)
        self.request_id: Final = (given and request_id(given)) or setup.new_request_id()
        self.operation: Final[_S] = self._opened(headers)
        self.adopted: Final = _server_span(around) if around else None
        """The server span of this very request that somebody outside of us made, if there is one."""
        if self.adopted is None:
            around = setup.incoming.extract(raw, headers, around)
        named: Mapping[str, str] = {a.REQUEST_ID: self.request_id}
        if around:
            named = {**who(around), **named}
        around = Context({**around, WHO: MappingProxyType(named)})
        operation = self.operation.start(parent=around, span=self.adopted is None)
        # A context of its own, not the operation's: what still runs when that has ended stays in its trace.
        self.inside: Final = Context({**operation.context, **self._claim()})
        attach(self.inside)
        if self.adopted is not None:
            self.describe()

    @abstractmethod
    def _opened(self, headers: Mapping[bytes, bytes]) -> _S:
        """Set what only this kind has; return the operation, not begun yet."""

    @abstractmethod
    def _finish(self, error: BaseException | None) -> None:
        """Tell the operation how it went and end it, if that is still to be done."""

    def _claim(self) -> dict[str, Any]:
        """Mark the scope, so that nobody else observes this; return the marks for the app's context."""
        scope = self.scope
        scope[SEEN] = scope[STARLETTE_SEEN] = True
        record = scope.get(FASTAPI_RECORD)
        if record is not None:  # a FastAPI app outside of us observes
            self._record = record
            return {OBSERVED: True}
        native = self.setup.native or self.setup.find_native()
        if native is None:
            scope[FASTAPI_RECORD] = None
            return {OBSERVED: True}
        self._own_record = True
        self._record = scope[FASTAPI_RECORD] = record = native.new(scope.get("method", "WS"), self.root_path)
        return {OBSERVED: True, native.context_key: record}

    def route(self, status: int | None = None) -> str | None:
        """Return the template of the matched route, None when none matched or nothing was routed yet.

        Args:
            status: of the response, once it is known.
        """
        record = self._record
        if record is not None and self.setup.is_fastapi:
            told: str | None = record.route
            return told
        return self.setup.template(self.scope, record, self.path, self.root_path, status)

    def identified(self, message: Message) -> Message:
        """Return the response's first message with the request id, unless the app set one itself.

        The app's own message and list stay as they are.
        """
        headers = [*message.get("headers", ())]
        for name, _ in headers:
            if len(name) == _LENGTH and name.lower() == REQUEST_ID:
                break
        else:
            headers.append((REQUEST_ID, self.request_id.encode("ascii", "replace")))
        return {**message, "headers": headers}

    def describe(self) -> None:
        """Bring what the operation knows to a span that somebody else made and will end."""
        if self.adopted is not None and self.adopted.is_recording():
            self.adopted.set_attributes(self.operation.attributes)
            if a.HTTP_ROUTE in self.operation.attributes:
                self.adopted.update_name(self.operation.name)

    async def receive(self) -> Message:
        """Receive for the app."""
        here = current_context()
        attach(self.outside)
        try:
            message = await self._receive()
        finally:
            attach(self._back(here))
        try:
            self._received(message)
        except Exception as fault:
            if not self.setup.keeps(fault):
                raise
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
            self._finish(error)
        except Exception as fault:
            if not self.setup.keeps(fault):
                raise
        finally:
            attach(self.outside)
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
