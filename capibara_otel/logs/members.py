"""Fields as members of a JSON text, made in the one pass that also finds what must be masked."""

from __future__ import annotations

import json
from collections.abc import Iterable
from json.encoder import encode_basestring as quoted
from typing import Any, Final

from capibara_otel.logs.fields import BEGINNINGS, name_of
from capibara_otel.redaction import scrub_value

_BITS: Final = 64
_CONSTANTS: Final = {None: "null", False: "false", True: "true"}
_NOT_FINITE: Final = {"nan": '"NaN"', "inf": '"Infinity"', "-inf": '"-Infinity"'}
_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, default=str)


_LONGEST: Final = 30
_MOST: Final = 2000
_passed: Final[dict[str, str]] = {}
"""Short texts in which no secret was found, as JSON: names, words, states and the like come again and again."""


def remember(texts: Iterable[str]) -> None:
    """Remember that no secret was found in texts; when there is no more room for it all is forgotten."""
    if len(_passed) >= _MOST:
        _passed.clear()
    for text in texts:
        if len(text) <= _LONGEST:
            _passed[text] = quoted(text)


def members(fields: dict[str, Any], texts: dict[str, str]) -> str:
    """Return fields as further members of a JSON text, each with a comma before it.

    Texts among them are written as they are, and those not known yet are put to the others to be scrubbed; who finds
    a secret in them changes the fields and asks again. What is no text is made fit to be written here, in place.

    Args:
        fields: fields by name.
        texts: where texts are put, by name.
    """
    text = ""
    for key, value in fields.items():
        beginning, kind = BEGINNINGS[key], type(value)
        if not beginning:
            safe = fields[key] = scrub_value(key, value)
            text = f"{text}, {quoted(name_of(key))}: {written(safe)}"
        elif kind is str:
            known = _passed.get(value)
            if known is None:
                texts[key] = value
                known = quoted(value)
            text = f"{text}{beginning}{known}"
        elif kind is int and value.bit_length() < _BITS:
            text = f"{text}{beginning}{value}"
        elif kind is float:
            number = repr(value)
            text = f"{text}{beginning}{_NOT_FINITE.get(number, number)}"
        elif value is None or kind is bool:
            text = f"{text}{beginning}{_CONSTANTS[value]}"
        else:
            safe = fields[key] = scrub_value("", value)
            text = f"{text}{beginning}{written(safe)}"
    return text


def written(value: Any) -> str:
    """Return a value that holds no secret as JSON; what is not finite, for which JSON has no words, as a text."""
    try:
        return _ENCODER.encode(value)
    except ValueError:
        return _ENCODER.encode(json.loads(json.dumps(value, default=str), parse_constant=str))
