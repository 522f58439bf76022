"""`cap.api`: the HTTP and WebSocket surface. The ASGI middleware calls it; who has another server can too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeVar

from opentelemetry import context as otel
from opentelemetry.util.types import AttributeValue

from capibara_otel.operation import Emitter, Operation, current_operation
from capibara_otel.operation import outcomes as o
from capibara_otel.operation.values import given
from capibara_otel.semconv import attributes as a
from capibara_otel.semconv import metrics as m
from capibara_otel.semconv import spans
from capibara_otel.semconv.specs import SpanSpec

_METHODS: Final = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE"})
_OTHER: Final = "_OTHER"
_SERVER_ERROR: Final = 500
_LOWEST_STATUS: Final = 100
_HIGHEST_STATUS: Final = 599
OBSERVED: Final = otel.create_key("capibara_otel.api.observed")
"""Set in the context of a request that the middleware observes, also after its last byte."""


class Served(Operation):
    """What a request and a WebSocket connection have in common: a route, a status, a client that may leave."""

    def routed(self, route: str | None) -> None:
        """Tell the template of the matched route; None when no route matched."""
        checked = self.take(a.HTTP_ROUTE, route) if given(route) else None
        if checked is not None:
            self.rename(f"{self._attributes.get(a.HTTP_REQUEST_METHOD, 'WS')} {checked}")

    def disconnected(self) -> None:
        """Tell that the client went away before the end."""
        self.ended(o.DISCONNECTED)


_Served = TypeVar("_Served", bound=Served)


class Request(Served):
    """One HTTP request."""

    def responded(self, status_code: int, first_byte_s: float | None = None) -> None:
        """Tell the status; one of 500 and above is a failure of the server.

        Args:
            status_code: 100 to 599.
            first_byte_s: seconds until the response began.
        """
        self.set(a.HTTP_RESPONSE_STATUS_CODE, status_code)
        self.measure(m.API_RESPONSE_FIRST_BYTE_DURATION, first_byte_s, "first_byte_s")
        checked = self.attributes.get(a.HTTP_RESPONSE_STATUS_CODE)
        if isinstance(checked, int) and checked >= _SERVER_ERROR:
            self.fail(str(checked))

    def sizes(self, request: int | None = None, response: int | None = None, chunks: int | None = None) -> None:
        """Tell how many bytes went in and out, and in how many chunks the response went."""
        self.set(a.HTTP_REQUEST_BODY_SIZE, request, "request")
        self.set(a.HTTP_RESPONSE_BODY_SIZE, response, "response")
        self.set(a.API_CHUNKS, chunks)
        self.measure(m.API_REQUEST_BODY_SIZE, request, "request")
        self.measure(m.API_RESPONSE_BODY_SIZE, response, "response")

    def began_to_respond(self) -> None:
        """Tell that the response begins now."""
        self._measurements.append((m.API_RESPONSE_FIRST_BYTE_DURATION, self.elapsed_s, None))

    def served(self, route: str | None, status: Any, read: int | None, sent: int | None, chunks: int | None) -> None:
        """Tell all that the middleware saw, which counted by itself: only route and status are judged.

        Args:
            route: template of the matched route; None when no route matched.
            status: as the app sent it; it makes no failure of the request.
            read: bytes of the request's body that the app read.
            sent: bytes of the response's body.
            chunks: in how many messages those were sent.
        """
        known: dict[str, AttributeValue] = {}
        if type(status) is int and _LOWEST_STATUS <= status <= _HIGHEST_STATUS:
            known[a.HTTP_RESPONSE_STATUS_CODE] = status
        else:
            self.take(a.HTTP_RESPONSE_STATUS_CODE, status)
        if read is not None:
            known[a.HTTP_REQUEST_BODY_SIZE] = read
            self._measurements.append((m.API_REQUEST_BODY_SIZE, read, None))
        if sent is not None:
            known[a.HTTP_RESPONSE_BODY_SIZE] = sent
            self._measurements.append((m.API_RESPONSE_BODY_SIZE, sent, None))
        if chunks is not None:
            known[a.API_CHUNKS] = chunks
        if type(route) is str and route and route.isascii():
            known[a.HTTP_ROUTE] = route
            self._name = f"{self._attributes.get(a.HTTP_REQUEST_METHOD, 'HTTP')} {route}"
            self._span.update_name(self._name)
        else:
            self.routed(route)
        self._attributes.update(known)
        if self._late is not None:
            self._late.update(known)

    def disconnected(self) -> None:
        """Tell that the client went away before the last byte."""
        super().disconnected()
        self.measure(m.API_DISCONNECTS, 1)


class WebSocket(Served):
    """One WebSocket connection."""

    def message(self, direction: str) -> None:
        """Count a message.

        Args:
            direction: `receive` or `send`.
        """
        checked = self.emitter.checked(self.spec.call, a.API_DIRECTION, direction)
        if checked is not None:
            self.emitter.write(m.API_WEBSOCKET_MESSAGES, 1, {**self.attributes, a.API_DIRECTION: checked}, self.context)


class Api:
    """The HTTP and WebSocket surface of the app."""

    def __init__(self, emitter: Emitter) -> None:
        self._emitter = emitter

    def request(self, *, method: str, path: str = "", attributes: Mapping[str, Any] | None = None) -> Request:
        """Open a request.

        Args:
            method: as the client sent it; an unknown one becomes `_OTHER`.
            path: as requested, for the span only.
            attributes: more of the span's attributes by name, such as `url.query`.
        """
        request = self.arrived(method, {})
        request.set(a.URL_PATH, path if given(path) else None)
        return _with(request, attributes)

    def arrived(self, method: Any, known: Mapping[str, AttributeValue]) -> Request:
        """Open a request of which all but the method is judged already.

        Args:
            method: as the client sent it; an unknown one becomes `_OTHER`.
            known: the span's attributes by name, judged.
        """
        if isinstance(method, str) and method in _METHODS:
            return Request(
                self._emitter, spans.API_REQUEST, name=method, attributes={a.HTTP_REQUEST_METHOD: method, **known}
            )
        other = {a.HTTP_REQUEST_METHOD: _OTHER, **known}
        request = Request(self._emitter, spans.API_REQUEST, name="HTTP", attributes=other)
        request.set(a.HTTP_REQUEST_METHOD_ORIGINAL, method, "method")
        return request

    def websocket(self, *, path: str = "", attributes: Mapping[str, Any] | None = None) -> WebSocket:
        """Open a WebSocket connection.

        Args:
            path: as requested, for the span only.
            attributes: more of the span's attributes by name.
        """
        socket = self.connected({})
        socket.set(a.URL_PATH, path if given(path) else None)
        return _with(socket, attributes)

    def connected(self, known: Mapping[str, AttributeValue]) -> WebSocket:
        """Open a WebSocket connection of which all is judged already.

        Args:
            known: the span's attributes by name, judged.
        """
        attributes = {a.NETWORK_PROTOCOL_NAME: "websocket", **known}
        return WebSocket(self._emitter, spans.API_WEBSOCKET, name="WS", attributes=attributes)

    def background(self, *, route: str | None = None) -> Operation:
        """Open the work that goes on after the response was sent.

        Args:
            route: template of the route that left it behind.
        """
        return Operation(self._emitter, spans.API_BACKGROUND).set(a.HTTP_ROUTE, route)

    def exception(self, error: BaseException, *, route: str | None = None) -> None:
        """Count an exception that left a route.

        Args:
            error: the exception.
            route: template of the route.
        """
        checked = self._emitter.checked("api.exception", a.HTTP_ROUTE, route)
        labels: dict[str, AttributeValue] = {a.HTTP_ROUTE: checked} if checked else {}
        kind = self._emitter.error_type("api.exception", error)
        self._emitter.write(m.API_EXCEPTIONS, 1, {a.EXCEPTION_TYPE: kind, **labels})

    def record_request(
        self,
        method: str,
        route: str,
        status_code: int,
        duration_s: float,
        *,
        request_size: int | None = None,
        response_size: int | None = None,
    ) -> None:
        """Record a request that was measured elsewhere, as metrics only.

        Inside of a request that the middleware observes this does nothing: each request counts once.

        Args:
            method: HTTP method.
            route: template of the route, never a raw path.
            status_code: 100 to 599.
            duration_s: seconds.
            request_size: bytes of the body.
            response_size: bytes of the body.
        """
        if otel.get_value(OBSERVED) or isinstance(current_operation(), Served):
            return
        request = self.request(method=method)
        request.routed(route)
        request.responded(status_code)
        request.sizes(request_size, response_size)
        request.record(duration_s, span=False)


def judged(emitter: Emitter, spec: SpanSpec, attributes: Mapping[str, Any]) -> dict[str, AttributeValue]:
    """Return those of a span's attributes that may be recorded; any other is said and counted.

    Args:
        emitter: where values are judged.
        spec: the span.
        attributes: by name; None is left out.
    """
    known: dict[str, AttributeValue] = {}
    for name, value in attributes.items():
        checked = emitter.checked(spec.call, name, value)
        if checked is not None:
            known[name] = checked
    return known


def _with(operation: _Served, attributes: Any) -> _Served:
    if isinstance(attributes, Mapping):
        for name, value in attributes.items():
            operation.set(str(name), value)
    elif attributes is not None:
        operation.emitter.invalid(operation.spec.call, "attributes", "mapping", attributes)
    return operation
