"""The wrapper around an ASGI app: what is not telemetry's business goes straight through it."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from sys import modules
from typing import Any, Final

from capibara_otel.operation.context import attach, current_context
from capibara_otel.pipeline.traces.ids import random_bits
from capibara_otel.subsystems.api import Api
from capibara_otel.web import routes
from capibara_otel.web.asgi import FASTAPI_RECORD, SEEN, STARLETTE_SEEN, ASGIApp, Receive, Scope, Send
from capibara_otel.web.contrib import MODULE as CONTRIB
from capibara_otel.web.contrib import Contrib
from capibara_otel.web.lifespan import Lifespan
from capibara_otel.web.metrics_page import AppMetricsPage
from capibara_otel.web.options import Lifecycle, MetricsPage, WebOptions
from capibara_otel.web.request import HttpExchange
from capibara_otel.web.setup import Setup
from capibara_otel.web.websocket import WebSocketExchange

_KINDS: Final = frozenset({"http", "websocket", "lifespan"})
_logger: Final = logging.getLogger(__name__)


def new_request_id() -> str:
    """Return a new request id, 32 hexadecimal digits."""
    return f"{random_bits(128):032x}"


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
        self._metrics_path: Final = chosen.metrics_path
        self._metrics: Final = (
            AppMetricsPage(page, chosen.metrics_token, self._setup.guard)
            if page is not None and chosen.metrics_path
            else None
        )
        self._excludes: Final = _any_of(chosen.excluded_urls)
        at_page = () if self._metrics is None else (re.escape(chosen.metrics_path) + r"\Z",)
        self._concerns: Final = _any_of((*chosen.excluded_urls, *at_page))
        """Finds in a path that `_instead` may have something for it; None where it never has."""
        self._warned = False
        self.closed = False
        """Whether it only passes requests on."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve as ASGI app."""
        kind = scope["type"]
        if self.closed or SEEN in scope or kind not in _KINDS:
            await self.app(scope, receive, send)
            return
        if kind == "lifespan":
            await self._live(scope, receive, send)
            return
        if CONTRIB in modules:
            with self._setup.guard:
                self._contrib.quiet()
        instead = self._instead(scope) if self._concerns is not None and self._concerns(scope["path"]) else None
        if instead is not None:
            await instead(scope, receive, send)
            return
        outside = current_context()
        exchange: HttpExchange | WebSocketExchange | None
        try:
            exchange = (HttpExchange if kind == "http" else WebSocketExchange)(self._setup, scope, receive, send)
        except Exception as fault:
            if not self._setup.keeps(fault):
                raise
            attach(outside)
            exchange = None
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

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Follow the app's lifespan."""
        scope[SEEN] = True
        if self._lifecycle is None:
            await self.app(scope, receive, send)
        else:
            await Lifespan(self.app, self._lifecycle, self._setup.guard).run(scope, receive, send)

    def _instead(self, scope: Scope) -> ASGIApp | None:
        """Return what serves a request that is not to be observed; None for one that is."""
        if self._metrics is not None and self._at_metrics_path(scope):
            return self._pass if self._taken() else self._metrics
        if self._excludes is not None and self._excludes(scope["path"]):
            return self._pass
        return None

    async def _pass(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on a request that nobody is to observe."""
        scope[SEEN] = scope[STARLETTE_SEEN] = True
        scope[FASTAPI_RECORD] = None
        await self.app(scope, receive, send)

    def _at_metrics_path(self, scope: Scope) -> bool:
        at = scope["path"] in {self._metrics_path, scope.get("root_path", "") + self._metrics_path}
        return at and scope["type"] == "http"

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


def _any_of(patterns: Sequence[str]) -> Callable[[str], object] | None:
    """Return what finds any of the patterns in a path; None for no pattern."""
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns)).search if patterns else None
