"""Makes OpenTelemetry's contrib ASGI middleware step aside where this package observes the same request.

Contrib wraps the app's middleware stack when that is built, and each mounted app's too. What is found there is told to
exclude every URL, which is its public setting; its handler that records exceptions on the current span, ours, is
taken out of the chain.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any, Final

_logger: Final = logging.getLogger(__name__)

MODULE: Final = "opentelemetry.instrumentation.asgi"
"""Where this has not been imported, there is nothing of contrib's in any app."""

_MIDDLEWARE: Final = (MODULE, "OpenTelemetryMiddleware")
_EXCEPTIONS: Final = ("opentelemetry.instrumentation.fastapi", "ExceptionHandlerMiddleware")


class _Everything:
    """Stands for contrib's list of excluded URLs, and excludes all."""

    def url_disabled(self, url: str) -> bool:  # noqa: ARG002 - contrib's interface
        return True


class Contrib:
    """Looks after the contrib middlewares of one app.

    Args:
        app: the app, or a wrapper that keeps the next one in `app`, as ASGI middlewares do.
    """

    def __init__(self, app: Any) -> None:
        self._app: Final = app
        self._has_routes: Final = hasattr(app, "routes")
        self._has_stack: Final = hasattr(app, "middleware_stack")
        self._stack: object = None
        self._routes = -1
        self._undo: list[Callable[[], None]] = []
        self._said = False

    def quiet(self) -> None:
        """Silence what is there. Cheap when nothing changed since the last call."""
        app = self._app
        routes = len(app.routes) if self._has_routes else 0
        if routes == self._routes and (not self._has_stack or app.middleware_stack is self._stack):
            return
        for part in list(_parts(app, set())):
            if _is(part, _MIDDLEWARE) and not isinstance(part.excluded_urls, _Everything):
                self._replace(part, "excluded_urls", _Everything())
            if _is(getattr(part, "app", None), _EXCEPTIONS):
                self._replace(part, "app", part.app.app)
        self._stack = getattr(app, "middleware_stack", None)
        self._routes = routes
        if self._undo and not self._said:
            self._said = True
            _logger.info(
                "OpenTelemetry's own instrumentation of this app is active too; capibara_otel makes the server span "
                "and the metrics of each request, and contrib's middleware passes requests on"
            )

    def restore(self) -> None:
        """Let what was silenced speak again."""
        while self._undo:
            self._undo.pop()()
        self._stack, self._routes = None, -1

    def _replace(self, owner: Any, attribute: str, value: Any) -> None:
        before = getattr(owner, attribute)
        setattr(owner, attribute, value)
        self._undo.append(lambda: setattr(owner, attribute, before))


def _is(part: Any, name: tuple[str, str]) -> bool:
    kind = type(part)
    return (kind.__module__, kind.__name__) == name


def _parts(app: Any, known: set[int]) -> Iterator[Any]:
    """Walk through an app: wrappers, middlewares, mounted apps."""
    while app is not None and id(app) not in known:
        known.add(id(app))
        yield app
        if getattr(app, "middleware_stack", app) is None:  # as the app itself does with its first request, that is now
            app.middleware_stack = app.build_middleware_stack()
        yield from _parts(getattr(app, "middleware_stack", None), known)
        for route in getattr(app, "routes", None) or ():
            yield from _parts(getattr(route, "original_router", None), known)  # an included router of FastAPI
            yield from _parts(getattr(route, "app", None), known)
        app = getattr(app, "app", None)
