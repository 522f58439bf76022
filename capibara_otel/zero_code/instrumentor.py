"""Has every FastAPI app of a process observed from its birth."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection
from typing import Any
from weakref import WeakSet

from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined] # it is untyped
from wrapt import register_post_import_hook

from capibara_otel._safety import shield
from capibara_otel.sdk import DEFAULT
from capibara_otel.web import uninstrument


class CapibaraFastAPIInstrumentor(BaseInstrumentor):  # type: ignore[misc]
    """The entry point `opentelemetry_instrumentor`: observes each FastAPI app that is made from now on.

    FastAPI is not imported for this; programs that do without it start as fast as before.
    """

    _wanted = False
    _undo: Callable[[], None] | None = None

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return what must be installed for it."""
        return ("fastapi >= 0.115",)

    def _instrument(self, **_: Any) -> None:
        self._wanted = True
        register_post_import_hook(self._wrap, "fastapi.applications")

    def _uninstrument(self, **_: Any) -> None:
        self._wanted = False
        if self._undo is not None:
            self._undo()
            self._undo = None

    def _wrap(self, module: Any) -> None:
        """Wrap the making of apps; called when FastAPI is imported, or at once if it is already."""
        if not self._wanted or self._undo is not None:
            return
        kind: Any = module.FastAPI
        original = kind.__init__
        apps: WeakSet[Any] = WeakSet()

        @functools.wraps(original)
        def __init__(app: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807
            original(app, *args, **kwargs)
            with shield("zero_code", DEFAULT.emitter.fault):
                DEFAULT.instrument_fastapi(app)
                apps.add(app)

        def undo() -> None:
            kind.__init__ = original
            for app in list(apps):
                uninstrument(app)

        kind.__init__ = __init__
        self._undo = undo
