"""The names of ASGI's parts, and the marks this package leaves in a scope."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final, TypeAlias

Message: TypeAlias = MutableMapping[str, Any]
Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
ASGIApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

SEEN: Final = "capibara_otel.seen"
"""In a scope that one of our wrappers has taken care of; the next one passes it on."""
FASTAPI_RECORD: Final = "fastapi.telemetry"
"""FastAPI's own telemetry stays out of a request whose scope has this key."""
STARLETTE_SEEN: Final = "starlette.opentelemetry"
"""Starlette's own telemetry stays out of a request whose scope has this key set."""
