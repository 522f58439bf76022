"""The virtual environments of the peers, made by `make bench` from the lock files in requirements/."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from benchmarks.lib.peers import PACKAGES, Peer

ROOT: Final = Path(__file__).parents[2]
HOME: Final = ROOT / ".bench"

_FOREIGN: Final = ("OTEL_", "CAPIBARA_", "LOGFIRE_", "OPENLIT_", "FASTAPI_", "PROMETHEUS_", "COVERAGE_")
_VERSIONS: Final = """
import json, sys
from importlib.metadata import PackageNotFoundError, version
found = {}
for name in sys.argv[1:]:
    try:
        found[name] = version(name)
    except PackageNotFoundError:
        pass
print(json.dumps(found))
"""


class MissingEnvironmentError(Exception):
    """An environment was not made; `make bench` makes it."""


class Environments:
    """Finds the Python of a peer.

    Args:
        here: use the running Python for everything, as the short form in CI does.
    """

    def __init__(self, *, here: bool = False) -> None:
        self._here = here

    def python(self, environment: str) -> str:
        """Return an environment's Python.

        Raises:
            MissingEnvironmentError: it was not made.
        """
        if self._here:
            return sys.executable
        path = HOME / environment / "bin" / "python"
        if not path.exists():
            raise MissingEnvironmentError(f"there is no environment {environment!r}; `make bench` makes it")
        return str(path)

    def versions(self) -> dict[str, dict[str, str]]:
        """Return the versions of what is compared, by environment."""
        return {
            environment: json.loads(
                subprocess.run(
                    [self.python(environment), "-c", _VERSIONS, *names], check=True, capture_output=True, text=True
                ).stdout
            )
            for environment, names in PACKAGES.items()
            if not self._here or environment == "bench"
        }


def variables(peer: Peer, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of a peer's process: ours without settings of telemetry, and what the peer needs."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    return kept | {"OTEL_SERVICE_NAME": "bench"} | dict(peer.variables) | dict(more or {})


def machine() -> dict[str, str]:
    """Return what the figures depend on, without names or paths."""
    return {
        "cores": str(os.cpu_count()),
        "architecture": platform.machine(),
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
    }
