"""Loads the settings, and says everything that is wrong with them at once."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from capibara_otel.config.file import VARIABLE as CONFIG_VARIABLE
from capibara_otel.config.file import SettingsFile, Where, dotted, read_file
from capibara_otel.config.otel import HIDDEN, otel_faults
from capibara_otel.config.settings import Settings, choices
from capibara_otel.config.sources import PREFIX, read_environment, variables
from capibara_otel.exceptions import ConfigurationError

_OTHER_VARIABLES: Final = (CONFIG_VARIABLE, "CAPIBARA_RAISE")
# What Kubernetes sets for a service whose name begins with `capibara-`.
_SERVICE_LINK: Final = re.compile(r".*_(?:SERVICE_HOST|SERVICE_PORT(?:_.*)?|PORT(?:_\d+_(?:TCP|UDP|SCTP)(?:_.*)?)?)")
_SECRET: Final = frozenset(
    name for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation)
)


def load_settings(**arguments: Any) -> Settings:
    """Load the settings: argument, else environment, else `capibara.yaml`, else default.

    Args:
        arguments: settings by name; None is as good as not given.

    Raises:
        ConfigurationError: with every fault in them and in the `OTEL_*` variables.
    """
    given = {name: value for name, value in arguments.items() if value is not None}
    file = read_file(os.environ)
    faults = list(file.faults)
    settings = None
    try:
        settings = Settings(**given)
    except ValidationError as error:
        explainer = _Explainer(given, os.environ, file)
        faults += dict.fromkeys(explainer.explain(detail) for detail in error.errors())
    faults += _unknown_variables(os.environ)
    faults += otel_faults(os.environ)
    if settings is None or faults:
        raise ConfigurationError(faults)
    return settings


class _Explainer:
    """Puts pydantic's errors into words: the place, the value, what is allowed."""

    def __init__(self, given: Mapping[str, Any], environ: Mapping[str, str], file: SettingsFile) -> None:
        self._given: Final = given
        self._environ: Final = environ
        self._from_environ: Final = read_environment(Settings, environ)
        self._file: Final = file

    def explain(self, error: ErrorDetails) -> str:
        where = error["loc"][:2]
        name = str(where[0])
        place, is_in_file = self._place(name, where)
        if error["type"] == "extra_forbidden":
            return f"{place}: there is no such setting{_suggest(name, Settings.model_fields)}"
        setting = Settings.model_fields[name]
        extra = setting.json_schema_extra if isinstance(setting.json_schema_extra, dict) else {}
        allowed = extra["item" if len(where) > 1 else "allowed"]
        value = HIDDEN if name in _SECRET else repr(error["input"])
        why = str(error.get("ctx", {}).get("error", ""))
        hint = _suggest(str(error["input"]).lower(), choices(setting))
        if is_in_file and error["type"] == "string_type" and not isinstance(error["input"], list | dict):
            hint = "; quote it"
        return f"{place}: expects {allowed}, got {value}{f' ({why})' if why else ''}{hint}"

    def _place(self, name: str, where: Where) -> tuple[str, bool]:
        if _holds(self._given, where):
            return f"argument {dotted(where)}", False
        if _holds(self._from_environ, where):
            named = (
                each for each in variables(name, Settings.model_fields[name]) if self._environ.get(each) is not None
            )
            return next(named, "OTEL_RESOURCE_ATTRIBUTES"), False
        return self._file.place(where), True


def _holds(values: Mapping[str, Any], where: Where) -> bool:
    # Mappings are joined key by key over all sources, everything else comes from one of them.
    found = values.get(str(where[0]))
    return where[0] in values and (len(where) == 1 or not isinstance(found, dict) or where[1] in found)


def _unknown_variables(environ: Mapping[str, str]) -> Iterator[str]:
    known = {each for name, field in Settings.model_fields.items() for each in variables(name, field)}
    known.update(_OTHER_VARIABLES)
    for variable in sorted(environ):
        if variable.startswith(PREFIX) and variable not in known and not _SERVICE_LINK.fullmatch(variable):
            # The prefix that all have would make any two alike.
            alike = {each.removeprefix(PREFIX): each for each in known}
            close = get_close_matches(variable.removeprefix(PREFIX), alike, n=1)
            yield f"{variable}: there is no such setting{f'; did you mean {alike[close[0]]}?' if close else ''}"


def _suggest(name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]}?" if close else ""
