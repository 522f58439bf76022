"""Sets telemetry up in a process of an app that knows nothing of it."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from typing import Any, ClassVar, Final

from capibara_otel.exceptions import ConfigurationError
from capibara_otel.sdk import DEFAULT

_logger: Final = logging.getLogger(__name__)
_HELPER: Final = "multiprocessing.resource_tracker"


class CapibaraConfigurator:
    """The entry point `opentelemetry_configurator`: calls `capibara_otel.configure()`."""

    failed: ClassVar[bool] = False
    """Whether this process goes without telemetry, so that nothing is to be instrumented."""

    def configure(self, **_: Any) -> None:
        """Set telemetry up from the environment and `capibara.yaml`.

        What is wrong with the settings is said on standard error, and the app runs without telemetry.
        """
        kind = type(self)
        kind.failed = True
        if _is_helper(sys.orig_argv):
            return
        try:
            DEFAULT.opens_on_use = True  # a server's supervisor must not take the port from its workers
            DEFAULT.configure()
        except ConfigurationError as error:
            sys.stderr.write(f"{error}\nthe app runs without telemetry\n")
        except Exception:
            _logger.exception("telemetry could not be set up; the app runs without it")
        else:
            kind.failed = False


def _is_helper(command: Sequence[str]) -> bool:
    """Tell whether this process only serves the standard library's `multiprocessing`, and runs no code of the app."""
    return any(_HELPER in argument for argument in command[:6])
