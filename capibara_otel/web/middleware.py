"""The wrapper around an ASGI app: what is not telemetry's business goes straight through it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final, TypeAlias
from uuid import uuid4

from opentelemetry import context as otel

from capibara_otel.subsystems.api import Api
from capibara_otel.web import routes
from capibara_otel.web.asgi import FASTAPI_RECORD, SEEN, STARLETTE_SEEN, ASGIApp, Receive, Scope, Send
from capibara_otel.web.contrib import Contrib
from capibara_otel.web.lifespan import Lifespan
from capibara_otel.web.metrics_page import AppMetricsPage
from capibara_otel.web.options import Lifecycle, MetricsPage, WebOptions
from capibara_otel.web.request import HttpExchange
from capibara_otel.web.setup import Setup
from capibara_otel.web.websocket import WebSocketExchange

_Observed: TypeAlias = HttpExchange | WebSocketExchange
_logger: Final = logging.getLogger(__name__)


def new_request_id() -> str:
    """Return a new request id, 32 hexadecimal digits."""
    return uuid4().hex


class CapibaraMiddleware:
    """Observes every request and WebSocket connection of an ASGI app, serves the metrics page, follows the lifespan.

    It belongs outside of all other middlewares; for FastAPI and Starlette `instrument` puts it there.

    Args:
        app: any ASGI 3 app.
        api: opens the operations.
        options: settings; the defaults observe everything and serve `/metrics` if there is a page.
        page: renders the metrics page; None for no page.
        lifecycle: told of the app's start and end.
        new_request_id: makes the id of a request that brought none.
        target: where the app's routes and middlewares are found, if not in `app` itself.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        api: Api,
        options: WebOptions | None = None,
        page: MetricsPage | None = None,
        lifecycle: Lifecycle | None = None,
        new_request_id: Callable[[], str] = new_request_id,
        target: Any = None,
    ) -> None:
        chosen = options or WebOptions()
        self.app: Final = app
        self._setup: Final = Setup(app if target is None else target, api, chosen, new_request_id)
        self._contrib: Final = Contrib(app if target is None else target)
        self._lifecycle: Final = lifecycle
        self._metrics_path: Final = chosen.metrics_path if page is not None else ""
        self._metrics = None if page is None else AppMetricsPage(page, chosen.metrics_token, self._setup.guard)
        self._warned = False
        self.closed = False
        """Whether it only passes requests on."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve as ASGI app."""
        kind = scope["type"]
        if self.closed or SEEN in scope or kind not in {"http", "websocket", "lifespan"}:
            await self.app(scope, receive, send)
            return
        if kind == "lifespan":
            scope[SEEN] = True
            if self._lifecycle is None:
                await self.app(scope, receive, send)
            else:
                await Lifespan(self.app, self._lifecycle, self._setup.guard).run(scope, receive, send)
            return
        with self._setup.guard:
            self._contrib.quiet()
        if kind == "http" and self._metrics_path and self._at_metrics_path(scope):
            if self._metrics is not None and not self._taken():
                await self._metrics(scope, receive, send)
            else:
                await self._pass(scope, receive, send)
            return
        if self._setup.excludes(scope["path"]):
            await self._pass(scope, receive, send)
            return
        exchange = self._open(HttpExchange if kind == "http" else WebSocketExchange, scope, receive, send)
        if exchange is None:
            await self.app(scope, receive, send)
            return
        try:
            await self.app(scope, exchange.receive, exchange.send)
        except BaseException as error:
            exchange.end(error)
            raise
        exchange.end(None)

    def close(self) -> None:
        """Observe nothing from now on, and let others do."""
        self.closed = True
        self._contrib.restore()

    async def _pass(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on a request that nobody is to observe."""
        scope[SEEN] = scope[STARLETTE_SEEN] = True
        scope[FASTAPI_RECORD] = None
        await self.app(scope, receive, send)

    def _open(self, kind: type[_Observed], scope: Scope, receive: Receive, send: Send) -> _Observed | None:
        before = otel.get_current()
        with self._setup.guard:
            return kind(self._setup, scope, receive, send)
        otel.attach(before)
        return None

    def _at_metrics_path(self, scope: Scope) -> bool:
        path: str = scope["path"]
        return path == self._metrics_path or (
            path.endswith(self._metrics_path) and path == scope.get("root_path", "") + self._metrics_path
        )

    def _taken(self) -> bool:
        """Tell whether the app has a route of its own where the metrics page should be; warn once."""
        taken = False
        with self._setup.guard:
            taken = routes.has_route(self._setup.app, self._metrics_path)
        if taken and not self._warned:
            self._warned = True
            _logger.warning(
                "the app has a route %s of its own, so the metrics page is not served there; "
                "set metrics_path (CAPIBARA_METRICS_PATH) to another path",
                self._metrics_path,
            )
        return taken
