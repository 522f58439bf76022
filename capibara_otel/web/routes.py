"""Finds the template of the route a request took, where the framework does not tell.

For Starlette, and for FastAPI before it had telemetry of its own: the routes are matched once more, after the request.
Only what Starlette documents is used: `routes`, `matches()`, and a scope that routing updates in place.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from capibara_otel.web.asgi import Scope

_FULL: Final = 2
_NONE: Final = 0
_REDIRECTS: Final = frozenset({307, 308})
_REST: Final = "/{path}"


def template(app: Any, scope: Scope, *, path: str, root_path: str, status: int | None = None) -> str | None:
    """Return the template of the route the request took; None when none matched.

    Args:
        app: the app that has the routes.
        scope: of the request, after the app had it.
        path: as it was before the app had the scope; mounts may change it.
        root_path: the same.
        status: of the response; a redirect to the same path with or without a slash has the template it leads to.
    """
    if "router" not in scope:  # a middleware answered before routing
        return None
    probe = {
        "type": scope["type"],
        "method": scope.get("method", "GET"),
        "path": path,
        "root_path": root_path,
        "headers": scope.get("headers", ()),
        "path_params": {},
    }
    routes = getattr(app, "routes", ())
    found = _match(routes, probe, root_path.rstrip("/"))
    if found is None and status in _REDIRECTS:
        probe["path"] = path.rstrip("/") if path.endswith("/") else f"{path}/"
        found = _match(routes, probe, root_path.rstrip("/"))
    return found


def _match(routes: Iterable[Any], scope: Scope, prefix: str) -> str | None:
    partial: str | None = None
    for route in flat(routes):
        match, child = route.matches(scope)
        if match.value == _NONE:
            continue
        own = getattr(route, "path_format", None) or getattr(route, "path", None)
        inner = getattr(route, "routes", None)
        if inner is not None:  # a mount or a host
            mounted = prefix + own.removesuffix(_REST) if own else prefix
            return _match(inner, {**scope, **child}, mounted) or mounted + _REST
        if own is not None and match.value == _FULL:
            return prefix + str(own)
        partial = partial or own
    return None if partial is None else prefix + partial


def flat(routes: Iterable[Any]) -> Iterator[Any]:
    """Return the routes, those of included routers in their place (FastAPI keeps them apart since 0.137)."""
    for route in routes:
        contexts = getattr(route, "effective_route_contexts", None)
        if contexts is None:
            yield route
        else:
            yield from contexts()


def has_route(app: Any, path: str) -> bool:
    """Tell whether an app has a route or a mount at exactly this path."""
    return any(getattr(route, "path", None) == path for route in flat(getattr(app, "routes", None) or ()))
