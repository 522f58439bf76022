"""The resource: which service, which instance of it, on which machine."""

from __future__ import annotations

import os
import platform
import socket
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from capibara_otel.config import Settings
from capibara_otel.pipeline.scope import Resource

DISTRO_NAME: Final = "capibara-otel"
SDK_NAME: Final = "capibara_otel"

_DETECTORS: Final = "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS"
_BUILT_IN: Final = frozenset({"otel", "service_instance"})


def build_resource(settings: Settings, *, sdk_name: str = SDK_NAME, sdk_version: str = "") -> Resource:
    """Build the resource of this process.

    What the user set wins, `OTEL_RESOURCE_ATTRIBUTES` among it, then what is found out here. `service.instance.id` is a
    random UUID (semantic conventions, "Service instance").

    Args:
        settings: service name, version, environment and further attributes.
        sdk_name: `telemetry.sdk.name`: what makes the telemetry; the specification keeps `opentelemetry` for the
            official SDK.
        sdk_version: its version; this package's by default.
    """
    named: dict[str, Any] = {
        "service.name": settings.service_name,
        "service.version": settings.service_version,
        "deployment.environment.name": settings.environment,
    }
    detected, schema_url = _detected(os.environ)
    attributes = {
        "telemetry.sdk.language": "python",
        "telemetry.sdk.name": sdk_name,
        "telemetry.sdk.version": sdk_version or distro_version(),
        "service.instance.id": str(uuid4()),
        **detected,
        "service.name": program_name(),
        "host.name": socket.gethostname(),
        "process.pid": os.getpid(),
        "process.runtime.name": sys.implementation.name,
        "process.runtime.version": platform.python_version(),
        "process.runtime.description": sys.version,
        "telemetry.distro.name": DISTRO_NAME,
        "telemetry.distro.version": distro_version(),
        **settings.resource_attributes,
        **{key: value for key, value in named.items() if value is not None},
    }
    return Resource(attributes, schema_url)


def resource_of_child(resource: Resource) -> Resource:
    """Return the parent's resource with the process id and an instance id of the forked child's own."""
    own = {"service.instance.id": str(uuid4()), "process.pid": os.getpid()}
    return Resource({**resource.attributes, **own}, resource.schema_url)


def _detected(environ: Mapping[str, str]) -> tuple[Mapping[str, Any], str]:
    """Ask the detectors that the environment names; only where it does is the SDK that runs them imported."""
    names = {name.strip() for name in environ.get(_DETECTORS, "").split(",")} - {""}
    if names <= _BUILT_IN:
        return {}, ""
    from opentelemetry.sdk.resources import Resource as Official  # noqa: PLC0415 - set-up stays cheap without it

    found = Official.create()
    own = ("telemetry.sdk.", "service.instance.id")
    return {key: value for key, value in found.attributes.items() if not key.startswith(own)}, found.schema_url


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
