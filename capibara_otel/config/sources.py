"""Where settings come from besides arguments: the environment, and a file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from capibara_otel.config.file import read_file

PREFIX: Final = "CAPIBARA_"

# Where these are empty, that says something; elsewhere an empty variable is one that is not set.
_MAY_BE_EMPTY: Final = frozenset({"metrics_path", "metrics_token"})
_RESOURCE_KEYS: Final = {
    "service_name": "service.name",
    "service_version": "service.version",
    "environment": "deployment.environment.name",
}


def variables(name: str, field: FieldInfo) -> tuple[str, ...]:
    """Return the environment variables of a setting; the first that is set counts."""
    extra = field.json_schema_extra
    named = extra.get("env") if isinstance(extra, dict) else None
    return tuple(map(str, named)) if isinstance(named, list) and named else (PREFIX + name.upper(),)


def parse_pairs(text: str) -> dict[str, str]:
    """Read `key=value,key=value`, values percent-encoded where they must be, as `OTEL_RESOURCE_ATTRIBUTES` is read.

    Raises:
        ValueError: an entry is no pair.
    """
    pairs = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        key, equals, value = entry.partition("=")
        if not equals or not key.strip():
            raise ValueError(f"{entry!r} is not key=value")
        pairs[key.strip()] = unquote(value.strip())
    return pairs


def read_environment(settings: type[BaseSettings], environ: Mapping[str, str]) -> dict[str, Any]:
    """Return what the environment says, by setting."""
    try:
        resource = parse_pairs(environ.get("OTEL_RESOURCE_ATTRIBUTES", ""))
    except ValueError:
        resource = {}  # the check of `OTEL_*` says so
    values: dict[str, Any] = {name: resource[key] for name, key in _RESOURCE_KEYS.items() if resource.get(key)}
    for name, field in settings.model_fields.items():
        for variable in reversed(variables(name, field)):
            value = environ.get(variable)
            if value is not None and (value.strip() or name in _MAY_BE_EMPTY):
                values[name] = value
    if resource:
        values["resource_attributes"] = _with_resource(resource, values.get("resource_attributes", ""))
    return values


def _with_resource(resource: dict[str, str], more: str) -> dict[str, str] | str:
    try:
        return {**resource, **parse_pairs(more)}
    except ValueError:
        return more  # validation says so


class EnvironmentSource(PydanticBaseSettingsSource):
    """The environment, for pydantic-settings."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002
        """Return one value; pydantic-settings asks for it, `__call__` does not."""
        return read_environment(self.settings_cls, os.environ).get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        """Return all values."""
        return read_environment(self.settings_cls, os.environ)


class FileSource(PydanticBaseSettingsSource):
    """`capibara.yaml`, for pydantic-settings."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002
        """Return one value; pydantic-settings asks for it, `__call__` does not."""
        return self().get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        """Return all values."""
        return dict(read_file(os.environ).values)
