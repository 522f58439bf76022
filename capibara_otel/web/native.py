"""FastAPI's own telemetry (since 0.142): how it is told off, and how it still tells us the route.

FastAPI observes a request in `FastAPI.__call__`, outside of every middleware, and stays out when its request record is
in the scope already. Its routers write the template of the matched route to that record, included routers and mounts
resolved. So a record without span, tracer and logger, put there from outside, switches the telemetry off and keeps the
route. Both are private to FastAPI; where they are not found the key alone is set, and `routes` finds the template.
"""

from __future__ import annotations

import importlib
import sys
from functools import cache
from typing import Any, Final


class NativeRecords:
    """Makes and reads FastAPI's request records.

    Args:
        record: their class.
        app: FastAPI's class.
        context_key: under which FastAPI looks for the record in the OpenTelemetry context.
    """

    def __init__(self, record: Any, app: type, context_key: str) -> None:
        self._record: Final = record
        self._app: Final = app
        self.context_key: Final = context_key

    def new(self, method: str, prefix: str) -> Any:
        """Return a record that observes nothing.

        Args:
            method: of the request.
            prefix: path under which the app is served, to stand before its routes.
        """
        return self._record(span=None, span_method=method, _mount_prefix=prefix.rstrip("/"))

    def routed_by_fastapi(self, app: object) -> bool:
        """Tell whether this app's routes are written to records, so that theirs may be trusted."""
        return isinstance(app, self._app)


def forget(record: Any) -> None:
    """Drop what a record holds of its request, as FastAPI does: exceptions in it would keep frames alive."""
    record.data = None
    record._exceptions.clear()  # noqa: SLF001 - private to FastAPI, checked in _load()


def native_records() -> NativeRecords | None:
    """Return the means to make records; None when FastAPI is not in use or has no such thing."""
    return _load() if "fastapi.applications" in sys.modules else None


@cache
def _load() -> NativeRecords | None:
    # Imported by name: this layer works without FastAPI.
    try:
        module = importlib.import_module("fastapi.telemetry._api")
        app = importlib.import_module("fastapi.applications").FastAPI
        records = NativeRecords(module._RequestTelemetry, app, module._REQUEST_TELEMETRY_KEY)  # noqa: SLF001
        record = records.new("GET", "")
        forget(record)
    except (ImportError, AttributeError, TypeError):  # an older or newer FastAPI
        return None
    return records if record.route is None else None
