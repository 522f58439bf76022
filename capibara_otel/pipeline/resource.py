"""The resource: which service, which instance of it, on which machine."""

from __future__ import annotations

import os
import platform
import socket
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from opentelemetry.sdk.resources import Resource
from opentelemetry.util.types import AttributeValue

from capibara_otel.config import Settings

DISTRO_NAME: Final = "capibara-otel"


def build_resource(settings: Settings) -> Resource:
    """Build the resource of this process.

    What the user set wins, then `OTEL_RESOURCE_ATTRIBUTES`, then what is found out here. `service.instance.id` is a
    random UUID (semantic conventions, "Service instance"), and `telemetry.sdk.*` is the SDK's.

    Args:
        settings: service name, version, environment and further attributes.
    """
    found: dict[str, AttributeValue] = {
        "host.name": socket.gethostname(),
        "process.pid": os.getpid(),
        "process.runtime.name": sys.implementation.name,
        "process.runtime.version": platform.python_version(),
        "process.runtime.description": sys.version,
        "telemetry.distro.name": DISTRO_NAME,
        "telemetry.distro.version": distro_version(),
    }
    named: dict[str, AttributeValue | None] = {
        "service.name": settings.service_name,
        "service.version": settings.service_version,
        "deployment.environment.name": settings.environment,
    }
    attributes = {
        "service.name": program_name(),
        **found,
        **settings.resource_attributes,
        **{key: value for key, value in named.items() if value is not None},
    }
    return Resource.create(attributes)


def distro_version() -> str:
    """Return the version of this package, `0` where it runs without being installed."""
    try:
        return version(DISTRO_NAME)
    except PackageNotFoundError:
        return "0"


def program_name() -> str:
    """Return what the running program is called: its module or script, else what the specification says."""
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    if spec is not None:
        return str(spec.name).removesuffix(".__main__")
    script = Path(sys.argv[0] if sys.argv else "")
    if script.name in {"", "-c", "-"}:
        return f"unknown_service:{Path(sys.executable or 'python').name}"
    return script.parent.name if script.name == "__main__.py" else script.stem
