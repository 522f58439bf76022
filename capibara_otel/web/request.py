"""Observes one HTTP request, from its first byte in to its last byte out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final

from opentelemetry.context import Context
from opentelemetry.instrumentation.propagators import get_global_response_propagator

from capibara_otel.operation.context import attach, current_context, spanned
from capibara_otel.semconv import attributes as a
from capibara_otel.semconv import spans
from capibara_otel.subsystems.api import Request
from capibara_otel.web.asgi import Message
from capibara_otel.web.exchange import Exchange, leaving
from capibara_otel.web.headers import redacted
from capibara_otel.web.propagation import SETTER
from capibara_otel.web.rest import Rest

_SERVER_ERROR: Final = 500
_HIGHEST_STATUS: Final = 599
_response_propagator: Final[Callable[[], Any]] = get_global_response_propagator
_INCOMPLETE: Final = "incomplete_response"


class HttpExchange(Exchange[Request]):
    """An HTTP request. The time ends with the last byte; what the app does then is `Rest`."""

    __slots__ = (
        "_chunks",
        "_complete",
        "_concluded",
        "_gone",
        "_handed_over",
        "_next_step",
        "_read",
        "_rest",
        "_sent",
        "_status",
        "_template",
        "_trailers",
    )

    scheme: ClassVar[str] = "http"

    def _opened(self, headers: Mapping[bytes, bytes]) -> Request:
        self._status: int | None = None
        self._read: int | None = None
        self._sent: int | None = 0
        self._chunks = 0
        self._trailers = False
        self._handed_over = False
        self._complete = False
        self._concluded = False
        self._gone = False
        self._template: str | None = None
        self._rest: Rest | None = None
        self._next_step: asyncio.Handle | None = None
        scope, setup = self.scope, self.setup
        return setup.api.arrived(scope["method"], setup.known(spans.API_REQUEST, self.scheme, scope, headers))

    def _received(self, message: Message) -> None:
        if message["type"] == "http.request":
            self._read = (self._read or 0) + len(message.get("body", b""))
        elif message["type"] == "http.disconnect" and not self._handed_over:
            self._gone = True

    async def send(self, message: Message) -> None:
        """Send for the app."""
        try:
            if message["type"] == "http.response.start":
                message = self._started(message)
            else:
                self._continued(message)
        except Exception as fault:
            if not self.setup.keeps(fault):
                raise
        if not self._handed_over or self._complete:
            try:
                await self._send(message)
            except OSError:
                self._gone = self._gone or not self._complete
                raise
            return
        here = current_context()
        attach(self.outside)
        try:
            await self._send(message)
        except OSError:
            self._gone = True
            raise
        finally:
            attach(here)
        try:
            self._delivered(here)
        except Exception as fault:
            if not self.setup.keeps(fault):
                raise

    def _continued(self, message: Message) -> None:
        """Take note of what follows the response's head."""
        kind = message["type"]
        last = False
        if kind == "http.response.body":
            body = message.get("body")
            if body:
                self._chunks += 1
                if self._sent is not None:
                    self._sent += len(body)
            last = not (self._trailers or message.get("more_body"))
        elif kind == "http.response.trailers":
            last = not message.get("more_trailers")
        elif kind in {"http.response.pathsend", "http.response.zerocopysend"}:
            self._sent = None  # the server reads the file; nobody here knows how much
            last = not (self._trailers or message.get("more_body"))
        if last and not self._handed_over:
            self._handed_over = True
            # An app that never receives again is not told that the client has gone, and uvicorn drops what is sent then
            # without a word; the object behind its `receive` knows. Asking by receiving would cost a task each time.
            if getattr(getattr(self._receive, "__self__", None), "disconnected", False):
                self._gone = True
            if self.adopted is not None:  # whoever made that span ends it with this message
                self._template = self.route(self._status)
                self.operation.routed(self._template)
                self.operation.set(a.HTTP_RESPONSE_STATUS_CODE, self._status)
                self.describe()

    def _started(self, message: Message) -> Message:
        """Take note of the response's head; return it with what we add."""
        self._status = message["status"]
        self.operation.began_to_respond()
        if "trailers" in message:
            self._trailers = message["trailers"]
        if self.setup.response_headers:
            for attribute, values in redacted(self.setup.response_headers, message.get("headers", ())).items():
                self.operation.set(attribute, values)
        message = self.identified(message)
        propagator = _response_propagator()
        if propagator is not None:
            propagator.inject(message["headers"], context=self.inside, setter=SETTER)
        return message

    def _delivered(self, here: Context) -> None:
        """Take note that the last byte is out: the request ends here, the app may go on.

        With a failure's status the end waits for the next step of the event loop: the handler that sent it raises the
        exception at once after it, and that belongs to the request.
        """
        self._complete = True
        if self._status is not None and self._status >= _SERVER_ERROR:
            self._next_step = _soon(self._stepped)
        if self._next_step is None:
            self._conclude(None)
        else:
            self._template = self.route(self._status)
        rest = self._rest = Rest(self.setup, self.inside, here, self._template)
        attach(spanned(here, rest) if here is self.inside else rest.within(here))

    def _stepped(self) -> None:
        try:
            self._conclude(None)
        except Exception as fault:
            if not self.setup.keeps(fault):
                raise

    def _back(self, here: Context) -> Context:
        return here if self._rest is None else self._rest.within(here)

    def _finish(self, error: BaseException | None) -> None:
        if self._next_step is not None:
            self._next_step.cancel()
        after = self._concluded
        if not after:
            attach(self.inside)  # what is measured now is the request's, not the rest's
            self._conclude(error)
        if self._rest is not None:
            self._rest.finish(error if after else None)

    def _conclude(self, error: BaseException | None) -> None:
        """End the request."""
        operation = self.operation
        if self._template is None:
            self._template = self.route(self._status)
        status, sent = self._status, self._sent
        chunks: int | None = self._chunks
        if status is None:
            status, sent, chunks = self._servers_status(error), None, None
        if self.scope["method"] == "HEAD":
            sent, chunks = 0, chunks and 0
        operation.served(self._template, status, self._read, sent, chunks)
        if self._gone and (error is None or leaving(error)):
            operation.disconnected()
            error = None
        elif isinstance(error, Exception):
            self.setup.api.exception(error, route=self._template)
        elif error is None and not self._complete:
            operation.fail(_INCOMPLETE)
        elif error is None and status is not None and _SERVER_ERROR <= status <= _HIGHEST_STATUS:
            operation.fail(str(status))
        self._concluded = True
        operation.finish(error)
        if self.adopted is not None:
            self.describe()

    def _servers_status(self, error: BaseException | None) -> int | None:
        """Return the status with which the server answers for an app that did not."""
        answers = not self._gone and (error is None or isinstance(error, Exception))
        return _SERVER_ERROR if answers else None


def _soon(step: Callable[[], None]) -> asyncio.Handle | None:
    """Have something done in the event loop's next step; None where it is not one of asyncio's."""
    try:
        return asyncio.get_running_loop().call_soon(step)
    except RuntimeError:
        return None
