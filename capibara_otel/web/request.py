"""Observes one HTTP request, from its first byte in to its last byte out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, ClassVar, Final

from opentelemetry import context as otel
from opentelemetry.context import Context
from opentelemetry.instrumentation.propagators import get_global_response_propagator

from capibara_otel.semconv import attributes as a
from capibara_otel.semconv import metrics as m
from capibara_otel.subsystems.api import Request
from capibara_otel.web.asgi import Message, Receive, Scope, Send
from capibara_otel.web.exchange import Exchange, leaving
from capibara_otel.web.headers import SETTER, RequestHeaders, redacted, with_headers
from capibara_otel.web.rest import Rest
from capibara_otel.web.setup import Setup

_SERVER_ERROR: Final = 500
_response_propagator: Final[Callable[[], Any]] = get_global_response_propagator
_INCOMPLETE: Final = "incomplete_response"


class HttpExchange(Exchange[Request]):
    """An HTTP request. The time ends with the last byte; what the app does then is `Rest`."""

    scheme: ClassVar[str] = "http"

    def __init__(self, setup: Setup, scope: Scope, receive: Receive, send: Send) -> None:
        self._status: int | None = None
        self._first_byte_s: float | None = None
        self._read: int | None = None
        self._sent: int | None = 0
        self._chunks = 0
        self._trailers = False
        self._handed_over = False
        self._complete = False
        self._gone = False
        self._rest: Rest | None = None
        self._next_step: asyncio.Handle | None = None
        super().__init__(setup, scope, receive, send)

    def _opened(self, headers: RequestHeaders) -> Request:
        attributes = self._attributes(headers)
        attributes[a.NETWORK_PROTOCOL_VERSION] = self.scope.get("http_version")
        return self.setup.api.request(method=self.scope["method"], path=self.path, attributes=attributes)

    def _received(self, message: Message) -> None:
        if message["type"] == "http.request":
            self._read = (self._read or 0) + len(message.get("body", b""))
        elif message["type"] == "http.disconnect" and not self._handed_over:
            self._gone = True

    async def send(self, message: Message) -> None:
        """Send for the app."""
        with self.setup.guard:
            message = self._noted(message)
        if not self._handed_over or self._complete:
            await self._deliver(message)
            return
        self._gone = self._gone or _server_saw_leaving(self._receive)
        here = otel.get_current()
        otel.attach(self.outside)
        try:
            await self._deliver(message)
        finally:
            otel.attach(here)
        with self.setup.guard:
            self._delivered()

    async def _deliver(self, message: Message) -> None:
        try:
            await self._send(message)
        except OSError:
            self._gone = self._gone or not self._complete
            raise

    def _noted(self, message: Message) -> Message:
        kind = message["type"]
        if kind == "http.response.body":
            body = message.get("body", b"")
            if body:
                self._chunks += 1
                if self._sent is not None:
                    self._sent += len(body)
            self._last(not message.get("more_body", False) and not self._trailers)
        elif kind == "http.response.start":
            self._status = message["status"]
            self._first_byte_s = self.operation.elapsed_s
            self._trailers = message.get("trailers", False)
            return self._headed(message)
        elif kind == "http.response.trailers":
            self._last(not message.get("more_trailers", False))
        elif kind in {"http.response.pathsend", "http.response.zerocopysend"}:
            self._sent = None  # the server reads the file; nobody here knows how much
            self._last(not message.get("more_body", False) and not self._trailers)
        return message

    def _headed(self, message: Message) -> Message:
        for attribute, values in redacted(self.setup.response_headers, message.get("headers", ())).items():
            self.operation.set(attribute, values)
        message = self.identified(message)
        propagator = _response_propagator()
        if propagator is not None:
            added: list[tuple[bytes, bytes]] = []
            propagator.inject(added, context=self.inside, setter=SETTER)
            message = with_headers(message, added)
        return message

    def _last(self, last: bool) -> None:
        if last and not self._handed_over:
            self._handed_over = True
            if self.adopted is not None:  # whoever made that span ends it with this message
                self._route()
                self.operation.set(a.HTTP_RESPONSE_STATUS_CODE, self._status)
                self.describe()

    def _delivered(self) -> None:
        """Take note that the last byte is out: the request ends here, the app may go on.

        With a failure's status the end waits for the next step of the event loop: the handler that sent it raises the
        exception at once after it, and that belongs to the request.
        """
        self._complete = True
        failed = self._status is not None and self._status >= _SERVER_ERROR
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # another event loop
            failed = False
        else:
            self._next_step = loop.call_soon(self._stepped)
        route = self._route()
        if not failed:
            self._conclude(None)
        self._rest = Rest(self.setup, self.inside, otel.get_current(), route)
        self._rest.waited = self._next_step is None
        otel.attach(self._back(otel.get_current()))

    def _stepped(self) -> None:
        with self.setup.guard:
            if self._rest is not None:
                self._rest.waited = True
            self._conclude(None)

    def _back(self, here: Context) -> Context:
        return here if self._rest is None else self._rest.within(here)

    def _finish(self, error: BaseException | None) -> None:
        if self._next_step is not None:
            self._next_step.cancel()
        after = self.operation.finished
        if not after:
            otel.attach(self.inside)  # what is measured now is the request's, not the rest's
            self._conclude(error)
        if self._rest is not None:
            self._rest.finish(error if after else None)

    def _conclude(self, error: BaseException | None) -> None:
        """End the request, unless that was done."""
        operation = self.operation
        if operation.finished:
            return
        self._tell(error)
        left = self._gone and (error is None or leaving(error))
        if left:
            operation.disconnected()
        elif isinstance(error, Exception):
            self.setup.api.exception(error, route=self._route())
        elif error is None and not self._complete:
            operation.fail(_INCOMPLETE)
        operation.finish(None if left else error)
        self.describe()

    def _tell(self, error: BaseException | None) -> None:
        """Tell the operation what is known of the response."""
        operation = self.operation
        self._route()
        if self._handed_over and error is None and not self._gone and self._status is not None:
            operation.responded(self._status, self._first_byte_s)
        else:
            # The server answers for an app that did not.
            unanswered = _SERVER_ERROR if error is None or isinstance(error, Exception) else None
            operation.set(a.HTTP_RESPONSE_STATUS_CODE, self._status or (None if self._gone else unanswered))
            operation.measure(m.API_RESPONSE_FIRST_BYTE_DURATION, self._first_byte_s)
        bodiless = self.scope["method"] == "HEAD"
        started = self._status is not None
        operation.sizes(
            self._read,
            0 if bodiless else self._sent if started else None,
            (0 if bodiless else self._chunks) if started else None,
        )

    def _route(self) -> str | None:
        """Return the route, and tell the operation once it is known."""
        known = self.operation.attributes.get(a.HTTP_ROUTE)
        if known is None:
            known = self.route(self._status)
            self.operation.routed(known)
        return known if isinstance(known, str) else None


def _server_saw_leaving(receive: Receive) -> bool:
    """Tell whether the server knows already that the client has gone.

    An app that never receives again is not told, and uvicorn drops what is sent then without a word; the object behind
    its `receive` knows. Asking by receiving would cost every request a task.
    """
    return bool(getattr(getattr(receive, "__self__", None), "disconnected", False))
