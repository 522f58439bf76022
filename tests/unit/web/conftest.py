"""Apps under observation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

import capibara_otel as cap
from capibara_otel.testing import Capture
from capibara_otel.web import CapibaraMiddleware, WebOptions, instrument, uninstrument


@pytest.fixture
def observed(capture: Capture) -> Iterator[Callable[..., Any]]:
    """Have apps observed by the default instance, whose emissions are captured; undone after the test."""
    apps: list[Any] = []

    def observe(app: Any, *, options: WebOptions | None = None, **parts: Any) -> Any:
        apps.append(instrument(app, api=cap.api, options=options, **parts))
        return apps[-1]

    yield observe
    for app in apps:
        uninstrument(app)


@pytest.fixture
def wrapped(capture: Capture) -> Callable[..., CapibaraMiddleware]:
    """Put the wrapper around plain ASGI apps."""

    def wrap(app: Any, *, options: WebOptions | None = None, **parts: Any) -> CapibaraMiddleware:
        return CapibaraMiddleware(app, api=cap.api, options=options, **parts)

    return wrap
