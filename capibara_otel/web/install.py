"""Puts the wrapper around a FastAPI or Starlette app that a server is given as `module:app`, and takes it off again."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from types import MethodType
from typing import Any, Final

from capibara_otel.subsystems.api import Api
from capibara_otel.web.asgi import Receive, Scope, Send
from capibara_otel.web.middleware import CapibaraMiddleware, new_request_id
from capibara_otel.web.options import Lifecycle, MetricsPage, WebOptions

_MIDDLEWARE: Final = "_capibara_otel_middleware"


def instrument(
    app: Any,
    *,
    api: Api,
    options: WebOptions | None = None,
    page: MetricsPage | None = None,
    lifecycle: Lifecycle | None = None,
    new_request_id: Callable[[], str] = new_request_id,
) -> Any:
    """Have an app observed.

    A FastAPI or Starlette app stays the object it is, and is returned: its class becomes a subclass of its own whose
    `__call__` goes through the wrapper (docs/adr/0002-one-server-span.md says why). Any other ASGI app is returned
    wrapped. An app that is observed already stays as it is.

    Args:
        app: an ASGI 3 app.
        api: opens the operations.
        options: settings; the defaults observe everything and serve `/metrics` if there is a page.
        page: renders the metrics page; None for no page.
        lifecycle: told of the app's start and end.
        new_request_id: makes the id of a request that brought none.

    Raises:
        TypeError: it is no ASGI app.
    """
    if not callable(app) or isinstance(app, type):
        raise TypeError(f"cannot instrument {app!r}: expected an ASGI app such as FastAPI(), got {type(app).__name__}")
    wrap = functools.partial(
        CapibaraMiddleware, api=api, options=options, page=page, lifecycle=lifecycle, new_request_id=new_request_id
    )
    if isinstance(app, CapibaraMiddleware) or _installed(app) is not None:
        return app
    if not _is_starlette(app):
        return wrap(app)
    plain = type(app)
    app.__class__ = _observed(plain, wrap(MethodType(plain.__call__, app), target=app))
    return app


def uninstrument(app: Any) -> Any:
    """Undo `instrument`; return the app as it was. An app that is not observed is returned as it is."""
    if isinstance(app, CapibaraMiddleware):
        app.close()
        return app.app
    middleware = _installed(app)
    if middleware is not None:
        middleware.close()
        if _MIDDLEWARE in vars(type(app)):  # otherwise somebody made a subclass of ours; closed it does nothing
            app.__class__ = type(app).__base__
    return app


def _installed(app: Any) -> CapibaraMiddleware | None:
    middleware = getattr(type(app), _MIDDLEWARE, None)
    return middleware if isinstance(middleware, CapibaraMiddleware) and not middleware.closed else None


def _is_starlette(app: Any) -> bool:
    module = sys.modules.get("starlette.applications")  # whose app this is has imported it
    return module is not None and isinstance(app, module.Starlette)


def _observed(plain: type, middleware: CapibaraMiddleware) -> type:
    """Return a subclass that differs from the app's class in nothing but being observed."""
    serve = middleware.__call__

    async def __call__(self: Any, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: N807, ARG001
        await serve(scope, receive, send)

    return type(
        plain.__name__,
        (plain,),
        {
            "__call__": functools.wraps(plain.__call__)(__call__),
            "__doc__": plain.__doc__,
            "__module__": plain.__module__,
            "__qualname__": plain.__qualname__,
            _MIDDLEWARE: middleware,
        },
    )
