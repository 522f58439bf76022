"""The settings as a table, for the reference page and the command line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from pydantic.fields import FieldInfo

from capibara_otel.config.settings import Settings, choices
from capibara_otel.config.sources import variables


@dataclass(frozen=True, slots=True)
class SettingDoc:
    """One row: everything that is to be said of a setting, as text."""

    name: str
    env: str
    type: str
    default: str
    allowed: str
    brief: str


# The first that the annotation speaks of.
_TYPES: Final = (
    ("Mapping", "mapping"),
    ("tuple", "list"),
    ("SecretStr", "secret text"),
    ("Decimal", "amount"),
    ("bool", "true or false"),
    ("int", "whole number"),
    ("float", "number"),
    ("str", "text"),
)


def describe() -> list[SettingDoc]:
    """Return a row for every setting, in the order in which they are declared."""
    return [_row(name, field) for name, field in Settings.model_fields.items()]


def _row(name: str, field: FieldInfo) -> SettingDoc:
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    return SettingDoc(
        name=name,
        env=", ".join(variables(name, field)),
        type=_type(field),
        default=_default(field.default),
        allowed=str(extra["allowed"]),
        brief=field.description or "",
    )


def _type(field: FieldInfo) -> str:
    if choices(field):
        return "choice"
    spelled = str(field.annotation)
    return next(word for part, word in _TYPES if part in spelled)


def _default(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if value in (None, (), {}):
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value)
