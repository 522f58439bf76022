"""What all requests to one app have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from opentelemetry.util.types import AttributeValue

from capibara_otel._safety import kept, shield
from capibara_otel.operation import Emitter
from capibara_otel.semconv import attributes as a
from capibara_otel.semconv.specs import SpanSpec
from capibara_otel.subsystems.api import Api, judged
from capibara_otel.web import routes
from capibara_otel.web.asgi import Scope
from capibara_otel.web.headers import authority, captured, clean_query, redacted
from capibara_otel.web.native import NativeRecords, native_records
from capibara_otel.web.options import WebOptions
from capibara_otel.web.propagation import Incoming
from capibara_otel.web.turns import Turns

_PLACE: Final = "web"
_MOST_ORIGINS: Final = 256
"""Clients decide on the `Host` header, so what is remembered by it is bounded."""


class Setup:
    """Prepared once, so that a request need not.

    Args:
        app: whose routes are asked for the template of a request; a wrapper is looked through.
        api: opens the operations.
        options: settings.
        new_request_id: makes the id of a request that brought none.
    """

    def __init__(self, app: Any, api: Api, options: WebOptions, new_request_id: Callable[[], str]) -> None:
        self.app: Final = _innermost(app)
        self.api: Final = api
        self.emitter: Final[Emitter] = api.background().emitter
        self.new_request_id: Final = new_request_id
        self.request_headers: Final = captured(options.capture_request_headers, a.HTTP_REQUEST_HEADER)
        self.response_headers: Final = captured(options.capture_response_headers, a.HTTP_RESPONSE_HEADER)
        self.guard: Final = shield(_PLACE, self.emitter.fault)
        self.incoming: Final = Incoming()
        self.turns = Turns(None)
        """Of the event loop that served the last request."""
        self._has_routes: Final = hasattr(self.app, "routes")
        self.native: NativeRecords | None = None
        """The means to make FastAPI's request records; None as long as FastAPI is not in use."""
        self.is_fastapi = False
        """Whether the app is FastAPI's and writes the routes of requests to their records."""
        self.find_native()
        self._origins: dict[tuple[object, ...], Mapping[str, AttributeValue]] = {}

    def keeps(self, fault: Exception) -> bool:
        """Log and count a fault; return whether it is to be kept from the app, as `guard` does."""
        return kept(_PLACE, fault, self.emitter.fault)

    def find_native(self) -> NativeRecords | None:
        """Look again for the means to make FastAPI's request records, which the app may have imported by now."""
        self.native = native_records()
        self.is_fastapi = self.native is not None and self.native.routed_by_fastapi(self.app)
        return self.native

    def template(self, scope: Scope, record: Any, path: str, root_path: str, status: int | None) -> str | None:
        """Return the template of the route that a request took, None when none matched.

        Args:
            scope: of the request.
            record: FastAPI's of the request, if there is one.
            path: as requested.
            root_path: under which the app is served.
            status: of the response.
        """
        app = self.app if self._has_routes else scope.get("app")
        if record is not None and self.native is not None and self.native.routed_by_fastapi(app):
            told: str | None = record.route
            return told
        return routes.template(app, scope, path=path, root_path=root_path, status=status)

    def known(
        self, spec: SpanSpec, scheme: str, scope: Scope, headers: Mapping[bytes, bytes]
    ) -> dict[str, AttributeValue]:
        """Return what is known of every request at its start, judged: what many have in common once for all of them.

        Args:
            spec: the span it is for.
            scheme: where the scope has none.
            scope: of the request.
            headers: of the request; `Host` goes before the server's own address.
        """
        try:
            known = dict(self._origins[scope["type"], scope["scheme"], scope["http_version"], headers[b"host"]])
        except KeyError:
            known = dict(self._origin(spec, scheme, scope, headers.get(b"host")))
        path, client, query = scope["path"], scope.get("client"), scope.get("query_string")
        if path:
            known[a.URL_PATH] = path
        sure = path.isascii()
        if client:
            known[a.CLIENT_ADDRESS] = address = client[0]
            sure = sure and type(address) is str and address.isascii()
        if not sure:
            known = judged(self.emitter, spec, known)
        agent = headers.get(b"user-agent")
        if agent is not None:
            known[a.USER_AGENT_ORIGINAL] = agent.decode("latin-1")
        if query:
            known[a.URL_QUERY] = clean_query(query)
        if self.request_headers:
            known.update(redacted(self.request_headers, scope["headers"]))
        return known

    def _origin(self, spec: SpanSpec, scheme: str, scope: Scope, host: bytes | None) -> Mapping[str, AttributeValue]:
        used = scope.get("scheme") or scheme
        address, port = authority(host, used) if host else scope.get("server") or ("", None)
        found = {a.URL_SCHEME: used, a.SERVER_ADDRESS: address or None, a.SERVER_PORT: port}
        if scope["type"] == "http":
            found[a.NETWORK_PROTOCOL_VERSION] = scope.get("http_version")
        known = judged(self.emitter, spec, found)
        if host:
            if len(self._origins) >= _MOST_ORIGINS:
                self._origins.clear()
            self._origins[scope["type"], scope.get("scheme"), scope.get("http_version"), host] = known
        return known


def _innermost(app: Any) -> Any:
    seen: set[int] = set()
    while not hasattr(app, "routes") and hasattr(app, "app") and id(app) not in seen:
        seen.add(id(app))
        app = app.app
    return app
