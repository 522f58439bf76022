"""Forms of a line: JSON for machines, text for people."""

from __future__ import annotations

import json
import time
from functools import lru_cache
from typing import Any, Final

from capibara_otel.logs.lines import Line

_COLOURS: Final = {"debug": "2", "info": "36", "warning": "33", "error": "31", "critical": "1;31"}
_NOT_SHOWN: Final = frozenset({"message", "exception", "event", "span_id"})
_QUOTED: Final = frozenset(' "=')
_UNSAFE: Final = {code: f"\\x{code:02x}" for code in (*range(9), *range(11, 32), *range(127, 160))}
"""Control characters, with which a text could change the terminal, but for line break and tab."""


def timestamp(time_ns: int) -> str:
    """Return a time as ISO 8601 has it, in UTC with microseconds.

    Args:
        time_ns: nanoseconds since the epoch.
    """
    seconds, rest = divmod(time_ns, 1_000_000_000)
    return f"{_second(seconds)}.{str(1_000_000 + rest // 1000)[1:]}Z"


@lru_cache(maxsize=4)
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def as_json(line: Line) -> str:
    """Return a line as a JSON text, with a line break."""
    return f'{{"timestamp": "{timestamp(line.time_ns)}"{line.source.json}{line.json}}}\n'


def as_text(line: Line, *, colours: bool) -> str:
    """Return a line for people: time of day, level, category, message, then what else is known, with a line break."""
    level = f"{line.source.level:<8}"
    if colours:
        level = f"\x1b[{_COLOURS[line.source.level]}m{level}\x1b[0m"
    shown = {key: value for key, value in line.known.items() if key not in _NOT_SHOWN} | line.metadata
    pairs = " ".join(f"{key}={_value(value)}" for key, value in shown.items())
    message = line.known["message"].translate(_UNSAFE).replace("\n", "\n    ")
    text = f"{timestamp(line.time_ns)[11:23]} {level} {line.source.category:<13} {message}"
    trouble = line.known.get("exception")
    text += f"  {pairs}" if pairs else ""
    return f"{text}\n{trouble.get('stacktrace', trouble['message']).rstrip()}\n" if trouble else text + "\n"


def _value(value: Any) -> str:
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return text if text and text.isprintable() and not set(text) & _QUOTED else json.dumps(text, ensure_ascii=False)
