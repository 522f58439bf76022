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

_METHODS: Final = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE"})
_OTHER: Final = "_OTHER"
_SERVER_ERROR: Final = 500


OBSERVED: Final = otel.create_key("capibara_otel.api.observed")
"""Set in the context of a request that the middleware observes, also after its last byte."""


class Served(Operation):
    """What a request and a WebSocket connection have in common: a route, a status, a client that may leave."""

    def routed(self, route: str | None) -> None:
        """Tell the template of the matched route; None when no route matched."""
        checked = self.emitter.checked(self.spec.call, a.HTTP_ROUTE, route)
        if checked:
            self.set(a.HTTP_ROUTE, checked)
            self.rename(f"{self.attributes.get(a.HTTP_REQUEST_METHOD, 'WS')} {checked}")

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
        known = _is_known(method)
        request = Request(self._emitter, spans.API_REQUEST, name=method if known else "HTTP")
        request.set(a.HTTP_REQUEST_METHOD, method if known else _OTHER)
        if not known:
            request.set(a.HTTP_REQUEST_METHOD_ORIGINAL, method, "method")
        request.set(a.URL_PATH, path if given(path) else None)
        return _with(request, attributes)

    def websocket(self, *, path: str = "", attributes: Mapping[str, Any] | None = None) -> WebSocket:
        """Open a WebSocket connection.

        Args:
            path: as requested, for the span only.
            attributes: more of the span's attributes by name.
        """
        socket = WebSocket(self._emitter, spans.API_WEBSOCKET, name="WS")
        socket.set(a.URL_PATH, path if given(path) else None).set(a.NETWORK_PROTOCOL_NAME, "websocket")
        return _with(socket, attributes)

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


def _is_known(method: Any) -> bool:
    return isinstance(method, str) and method in _METHODS


def _with(operation: _Served, attributes: Any) -> _Served:
    if isinstance(attributes, Mapping):
        for name, value in attributes.items():
            operation.set(str(name), value)
    elif attributes is not None:
        operation.emitter.invalid(operation.spec.call, "attributes", "mapping", attributes)
    return operation
