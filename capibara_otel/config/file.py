"""The settings file, with the line of everything in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from yaml import Node

VARIABLE: Final = "CAPIBARA_CONFIG"
DEFAULT: Final = "capibara.yaml"

Where: TypeAlias = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class SettingsFile:
    """What the file says."""

    name: str = DEFAULT
    values: Mapping[str, Any] = field(default_factory=dict)
    lines: Mapping[Where, int] = field(default_factory=dict)
    faults: tuple[str, ...] = ()

    def place(self, where: Where) -> str:
        """Return where something stands, such as `capibara.yaml line 3 excluded_urls[1]`."""
        known = where
        while known and known not in self.lines:
            known = known[:-1]
        return f"{self.name} line {self.lines.get(known, 1)} {dotted(where)}"


def dotted(where: Where) -> str:
    """Return a path as it is written, such as `excluded_urls[1]`."""
    text = ""
    for step in where:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def read_file(environ: Mapping[str, str]) -> SettingsFile:
    """Read the file that `CAPIBARA_CONFIG` names, by default `capibara.yaml` here where there is one.

    YAML is imported only where there is a file. Faults are returned, not raised.
    """
    named = environ.get(VARIABLE, "").strip()
    name = named or DEFAULT
    try:
        text = Path(name).read_text("utf-8")
    except FileNotFoundError as fault:
        return SettingsFile(name, faults=(_unreadable(name, fault),) if named else ())
    except (OSError, UnicodeDecodeError) as fault:
        return SettingsFile(name, faults=(_unreadable(name if named else "", fault),))
    return _parse(name, text)


def _unreadable(name: str, fault: OSError | UnicodeDecodeError) -> str:
    why = fault.strerror if isinstance(fault, OSError) else "it is not UTF-8"
    return (
        f"{VARIABLE}: expects the path of a file that can be read, got {name!r} ({why})"
        if name
        else f"{DEFAULT}: cannot be read ({why})"
    )


def _parse(name: str, text: str) -> SettingsFile:
    import yaml  # noqa: PLC0415 - only where there is a file

    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        values = {} if node is None else loader.construct_document(node)
    except yaml.YAMLError as fault:
        mark = getattr(fault, "problem_mark", None)
        line = 1 if mark is None else mark.line + 1
        what = getattr(fault, "problem", None) or "unknown characters"
        return SettingsFile(name, faults=(f"{name} line {line}: expects YAML ({what})",))
    if not isinstance(values, dict):
        return SettingsFile(name, faults=(f"{name} line 1: expects lines of `setting: value`",))
    found = list(_walk(node, ()))
    lines = dict(reversed(found))
    twice = [
        f"{name} line {line} {dotted(where)}: is set in line {lines[where]} already"
        for where, line in found
        if lines[where] != line
    ]
    return SettingsFile(name, {str(key): value for key, value in values.items()}, lines, tuple(twice))


def _walk(node: Node | None, where: Where) -> Iterator[tuple[Where, int]]:
    import yaml  # noqa: PLC0415 - the same

    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            below = (*where, str(key.value))
            yield below, key.start_mark.line + 1
            yield from _walk(value, below)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield (*where, index), value.start_mark.line + 1
            yield from _walk(value, (*where, index))
