"""Which service this is."""

from __future__ import annotations

import os
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import pytest

from capibara_otel.config import Settings
from capibara_otel.pipeline import resource
from capibara_otel.pipeline.resource import build_resource, distro_version, program_name


def test_standard_attributes_are_there() -> None:
    """A resource says service, instance, host, process, runtime, SDK and distribution."""
    found = build_resource(Settings(service_name="mine")).attributes
    assert found["service.name"] == "mine"
    assert found["process.pid"] == os.getpid()
    assert len(str(found["service.instance.id"])) == 36
    assert {
        "host.name",
        "process.runtime.name",
        "process.runtime.version",
        "process.runtime.description",
        "telemetry.distro.name",
        "telemetry.distro.version",
        "telemetry.sdk.name",
        "telemetry.sdk.version",
        "telemetry.sdk.language",
    } <= set(found)
    assert "service.version" not in found


def test_what_the_user_says_wins() -> None:
    """The user's attributes replace what is found out, and the settings made for it replace those."""
    given = {"host.name": "mine", "service.name": "other", "service.instance.id": "pod-1", "service.version": "0"}
    settings = Settings(service_version="1", environment="prod", resource_attributes=given)
    found = build_resource(settings).attributes
    assert found["host.name"] == "mine"
    assert found["service.name"] == "other"
    assert found["service.instance.id"] == "pod-1"
    assert found["service.version"] == "1"
    assert found["deployment.environment.name"] == "prod"
    assert build_resource(Settings(service_name="mine", resource_attributes=given)).attributes["service.name"] == "mine"


@pytest.mark.parametrize(
    ("script", "module", "name"),
    [
        ("/srv/app/worker.py", None, "worker"),
        ("/usr/bin/uvicorn", None, "uvicorn"),
        ("/srv/app/__main__.py", None, "app"),
        ("-c", None, f"unknown_service:{Path(sys.executable).name}"),
        ("", None, f"unknown_service:{Path(sys.executable).name}"),
        ("/srv/app/__main__.py", "shop.__main__", "shop"),
        ("/srv/app/jobs.py", "shop.jobs", "shop.jobs"),
    ],
)
def test_a_program_without_a_name_is_called_by_its_script_or_module(
    monkeypatch: pytest.MonkeyPatch, script: str, module: str | None, name: str
) -> None:
    """`python -m` gives the module's name, a script its own, and nothing the specification's `unknown_service`."""
    main = ModuleType("__main__")
    main.__spec__ = None if module is None else ModuleSpec(module, None)
    monkeypatch.setitem(sys.modules, "__main__", main)
    monkeypatch.setattr(sys, "argv", [script])
    assert program_name() == name
    assert build_resource(Settings()).attributes["service.name"] == name


def test_a_checkout_that_is_not_installed_has_a_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """Running from source without installing is no error."""
    assert distro_version()[0].isdigit()
    monkeypatch.setattr(resource, "DISTRO_NAME", "capibara-otel-that-is-not-installed")
    assert distro_version() == "0"
