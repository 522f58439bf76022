"""What traces, metrics and logs have in common: values, attributes, scopes, resources, and the request around them.

Source: opentelemetry-proto, `common/v1/common.proto` and `resource/v1/resource.proto`; how values of Python become
values of OTLP: the OpenTelemetry specification, "Mapping Arbitrary Data to OTLP AnyValue".
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Protocol, TypeAlias, TypeVar

from capibara_otel.pipeline.otlp.wire import pack_double, signed_varint, sized, text, varint
from capibara_otel.pipeline.scope import Resource, Scope
from capibara_otel.redaction import text_of

Pause: TypeAlias = Callable[[], object]
"""Lets other threads run; called between slices of work."""
LeftOut: TypeAlias = Callable[[Exception], object]
"""Told of each item that could not be written."""

SLICE: Final = 64
"""Items between two pauses: less than a fifth of a millisecond of work."""

_MOST_TEXTS: Final = 4096
_LONGEST_TEXT: Final = 128
_DEEPEST: Final = 30
"""Levels of nesting. Receivers read up to 100 messages within each other, and a level is up to three of them."""
_MOST_NODES: Final = 10_000
_TOO_DEEP: Final = "…"

FAULTS: Final = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError, struct.error)
"""What writing an item can raise when something in it is not what it should be."""

_INT64: Final = range(-(2**63), 2**63)


class _Key(dict[str, bytes]):
    """How an attribute is written under one key: the texts that were, and the beginnings for other values."""

    __slots__ = ("double", "false", "name", "numbers", "true")

    def __init__(self, key: str) -> None:
        super().__init__()
        self.name: Final = b"\x0a" + sized(text(key)) + b"\x12"
        self.false: Final = self.begin(2) + b"\x10\x00"
        self.true: Final = self.begin(2) + b"\x10\x01"
        self.double: Final = self.begin(9) + b"\x21"
        self.numbers: Final = tuple(self.begin(1 + size) + b"\x18" for size in range(11))

    def begin(self, size: int) -> bytes:
        """Return everything before a value of some bytes, from the length of the whole on."""
        head = self.name + varint(size)
        return varint(len(head) + size) + head

    def any(self, value: Any) -> bytes:
        """Return the whole for a value of any type."""
        written = any_value(value)
        return self.begin(len(written)) + written

    def __missing__(self, value: str) -> bytes:
        written = b"\x0a" + sized(text(value))
        written = self.begin(len(written)) + written
        if len(value) <= _LONGEST_TEXT:
            self[value] = written
            _keys.note()
        return written


class _Keys(dict[str, _Key]):
    """All keys that were written lately; bounded, for it forgets everything once it holds too many texts."""

    __slots__ = ("texts",)

    def __init__(self) -> None:
        super().__init__()
        self.texts = 0

    def __missing__(self, key: str) -> _Key:
        made = _Key(key)
        if len(key) <= _LONGEST_TEXT:
            self[key] = made
            self.note()
        return made

    def note(self) -> None:
        """One text more is held."""
        self.texts += 1
        if self.texts > _MOST_TEXTS:
            self.clear()
            self.texts = 0


_keys: Final = _Keys()


def attributes(tag: bytes, values: Mapping[str, Any]) -> bytes:
    """Return attributes, each with a tag before it. One that cannot be written is left out.

    Args:
        tag: of the field they are in.
        values: of any type and depth.
    """
    parts = [b""]
    for key, value in values.items():
        kind = type(value)
        try:
            if kind is str:
                parts.append(_keys[key][value])
            elif kind is int and value in _INT64:
                number = signed_varint(value)
                parts.append(_keys[key].numbers[len(number)] + number)
            elif kind is float:
                parts.append(_keys[key].double + pack_double(value))
            elif kind is bool:
                parts.append(_keys[key].true if value else _keys[key].false)
            else:
                parts.append(_keys[key].any(value))
        except (TypeError, ValueError, AttributeError):
            continue
    return tag.join(parts)


def any_value(value: Any) -> bytes:
    """Return an `AnyValue`, without its length.

    What has no form of its own, such as a whole number of more than 64 bits, is written as its text.

    Raises:
        ValueError: it holds too many values.
    """
    if type(value) is str:
        return b"\x0a" + sized(text(value))
    return _Tree().any(value, _DEEPEST)


class _Tree:
    """Writes one value with all that is in it.

    A value that holds itself ends where it is too deep, one that holds others many times over at a number of them.
    """

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = _MOST_NODES

    def any(self, value: Any, depth: int) -> bytes:  # noqa: PLR0911 - one for each type
        match value:
            case None:
                return b""
            case bool():
                return b"\x10\x01" if value else b"\x10\x00"
            case str():
                return b"\x0a" + sized(text(value))
            case int() if value in _INT64:
                return b"\x18" + signed_varint(value)
            case float():
                return b"\x21" + pack_double(value)
            case bytes() | bytearray() | memoryview():
                return b"\x3a" + sized(bytes(value))
            case Mapping() | Sequence() | set() | frozenset():
                return self.nested(value, depth - 1) if depth else self.any(_TOO_DEEP, depth)
            case _:
                return b"\x0a" + sized(text(text_of(value)))

    def nested(self, value: Any, depth: int) -> bytes:
        self.left -= len(value)
        if self.left < 0:
            raise ValueError(f"more than {_MOST_NODES} values within one")
        parts = [b""]
        if isinstance(value, Mapping):
            for key, item in value.items():
                name = b"\x0a" + sized(text(key if isinstance(key, str) else text_of(key)))
                parts.append(sized(name + b"\x12" + sized(self.any(item, depth))))
            return b"\x32" + sized(b"\x0a".join(parts))
        parts += [sized(self.any(item, depth)) for item in value]
        return b"\x2a" + sized(b"\x0a".join(parts))


class Cache(dict[Any, bytes]):
    """What was written of things that come again. Bounded: when it is full it begins anew.

    Args:
        write: writes one.
        most: how many it holds.
    """

    __slots__ = ("_most", "_write")

    def __init__(self, write: Callable[[Any], bytes], most: int = 1024) -> None:
        super().__init__()
        self._write = write
        self._most = most

    def __missing__(self, key: Any) -> bytes:
        written = self._write(key)
        if len(self) >= self._most:
            self.clear()
        self[key] = written
        return written


class _Names(Cache):
    """Names in UTF-8; the few that are long are not held."""

    __slots__ = ()

    def __missing__(self, key: Any) -> bytes:
        return super().__missing__(key) if len(key) <= _LONGEST_TEXT else text(key)


def _scope(scope: Scope) -> bytes:
    body = b"\x0a" + sized(text(scope.name)) if scope.name else b""
    if scope.version:
        body += b"\x12" + sized(text(scope.version))
    return b"\x0a" + sized(body + attributes(b"\x1a", scope.attributes))


def _schema_url(url: str) -> bytes:
    return b"\x1a" + sized(text(url)) if url else b""


# By identity: one object is one scope, and what is in it does not change.
_scopes: Final = Cache(_scope)
_resources: Final = Cache(lambda resource: b"\x0a" + sized(attributes(b"\x0a", resource.attributes)), 16)
names: Final = _Names(text)
"""Names of spans and events, and severities, in UTF-8."""


class Scoped(Protocol):
    """A span or a log record."""

    scope: Scope


S = TypeVar("S", bound=Scoped)


def encode_items(
    items: Iterable[S],
    write: Callable[[S], bytes],
    resource: Resource,
    pause: Pause | None = None,
    left_out: LeftOut | None = None,
) -> bytes:
    """Return a request with items, grouped by their scopes.

    Args:
        items: in the order they are to have within their scope.
        write: returns an item with its length before it.
        resource: that all items are of.
        pause: called between slices of items.
        left_out: told of each item that could not be written; the others go without it.

    Returns:
        The bytes; none where there is nothing to send.
    """
    groups: dict[Scope, list[bytes]] = {}
    for number, item in enumerate(items, 1):
        try:
            written = write(item)
        except FAULTS as fault:
            if left_out is not None:
                left_out(fault)
        else:
            groups.setdefault(item.scope, []).append(written)
        if pause is not None and not number % SLICE:
            pause()
    return request(resource, groups.items())


def request(resource: Resource, groups: Iterable[tuple[Scope, list[bytes]]]) -> bytes:
    """Return an `Export…ServiceRequest`, whose three kinds are alike down to here.

    Args:
        resource: that all items are of.
        groups: per scope its items, each with its length before it; they are used up.

    Returns:
        The bytes; none where there is no item.
    """
    scopes = [b""]
    for scope, items in groups:
        if items:
            body = _scopes[scope] + b"\x12" + b"\x12".join(items) + _schema_url(scope.schema_url)
            scopes.append(sized(body))
    if len(scopes) == 1:
        return b""
    return b"\x0a" + sized(_resources[resource] + b"\x12".join(scopes) + _schema_url(resource.schema_url))
