"""Decides which of the installed instrumentations are activated."""

from __future__ import annotations

import logging
from collections.abc import Collection
from importlib.metadata import EntryPoint
from typing import Any, Final

from opentelemetry.instrumentation.distro import BaseDistro  # type: ignore[attr-defined] # it is untyped

from capibara_otel.sdk import DEFAULT
from capibara_otel.zero_code.configurator import CapibaraConfigurator

_logger: Final = logging.getLogger(__name__)

_OURS: Final = "capibara_fastapi"
_REPLACED: Final = frozenset({"asgi", "fastapi", "starlette"})
"""Contrib's instrumentations of the server side; our wrapper makes that span."""
_ALL: Final = "*"


class CapibaraDistro(BaseDistro):  # type: ignore[misc]
    """The entry point `opentelemetry_distro`: activates every installed instrumentation once.

    Left out are contrib's of FastAPI, Starlette and ASGI, and those the setting `disabled_instrumentations` names.
    """

    def __init__(self) -> None:
        self._loaded: set[str] = set()

    def _configure(self, **kwargs: Any) -> None:
        """Do nothing: settings have their defaults in `capibara_otel.config`."""

    def load_instrumentor(self, entry_point: EntryPoint, **kwargs: Any) -> None:
        """Activate one instrumentation; one that does not work is left out with a warning.

        Args:
            entry_point: of the group `opentelemetry_instrumentor`.
            kwargs: for its `instrument()`.
        """
        name = entry_point.name
        if CapibaraConfigurator.failed or name in _REPLACED or _is_disabled(name, _disabled()):
            _logger.debug("instrumentation %s is left out", name)
            return
        if entry_point.value in self._loaded:
            return
        self._loaded.add(entry_point.value)
        try:
            super().load_instrumentor(entry_point, **kwargs)
        except ModuleNotFoundError as error:  # what it instruments is not installed
            _logger.debug("instrumentation %s is left out: %s", name, error)
        except Exception as error:  # noqa: BLE001 - one that is broken must not take the others with it
            _logger.warning("instrumentation %s does not work and is left out: %r", name, error)


def _disabled() -> Collection[str]:
    return DEFAULT.settings.disabled_instrumentations if DEFAULT.settings is not None else ()


def _is_disabled(name: str, disabled: Collection[str]) -> bool:
    return name in disabled or _ALL in disabled or (name == _OURS and "fastapi" in disabled)
