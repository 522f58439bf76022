"""What all requests to one app have in common."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from capibara_otel._safety import shield
from capibara_otel.operation import Emitter
from capibara_otel.semconv import attributes as a
from capibara_otel.subsystems.api import Api
from capibara_otel.web.asgi import Scope
from capibara_otel.web.headers import captured
from capibara_otel.web.options import WebOptions


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
        self.guard: Final = shield("web", self.emitter.fault)
        self._excluded: Final = (
            re.compile("|".join(f"(?:{pattern})" for pattern in options.excluded_urls)).search
            if options.excluded_urls
            else None
        )

    def excludes(self, path: str) -> bool:
        """Tell whether requests to a path are left out."""
        return self._excluded is not None and self._excluded(path) is not None

    def root_path(self, scope: Scope) -> str:
        """Return the path under which the app is served: its own setting, or the server's."""
        return str(getattr(self.app, "root_path", "") or scope.get("root_path", ""))

    def routing(self, scope: Scope) -> Any:
        """Return the app whose routes a request went through first."""
        return self.app if hasattr(self.app, "routes") else scope.get("app")


def _innermost(app: Any) -> Any:
    seen: set[int] = set()
    while not hasattr(app, "routes") and hasattr(app, "app") and id(app) not in seen:
        seen.add(id(app))
        app = app.app
    return app
