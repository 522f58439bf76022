"""Protobuf's wire format: the pieces that messages are written from, and a reader of the few that come back.

Source: https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Final

# Wire types, the low three bits of a tag.
VARINT: Final = 0
FIXED64: Final = 1
LENGTH: Final = 2
FIXED32: Final = 5

_LONGEST_VARINT: Final = 10

pack_double: Final[Callable[[float], bytes]] = struct.Struct("<d").pack
pack_fixed64: Final[Callable[[int], bytes]] = struct.Struct("<Q").pack
pack_sfixed64: Final[Callable[[int], bytes]] = struct.Struct("<q").pack
pack_fixed32: Final[Callable[[int], bytes]] = struct.Struct("<I").pack


def _varint(value: int) -> bytes:
    septets = bytearray()
    while value > 0x7F:  # noqa: PLR2004 - the seven bits that a byte carries
        septets.append(value & 0x7F | 0x80)
        value >>= 7
    septets.append(value)
    return bytes(septets)


_SHORT: Final = tuple(_varint(value) for value in range(1024))


def varint(value: int) -> bytes:
    """Return a number, 0 or more, in as few bytes as it takes.

    Raises:
        ValueError: it is negative or has more than 64 bits.
    """
    if 0 <= value < len(_SHORT):
        return _SHORT[value]
    if value < 0 or value >= 1 << 64:
        raise ValueError(f"{value} is no unsigned number of 64 bits")
    return _varint(value)


def signed_varint(value: int) -> bytes:
    """Return an `int64`, negative ones in ten bytes."""
    return varint(value if value >= 0 else value + (1 << 64))


def zigzag(value: int) -> bytes:
    """Return an `sint32`."""
    return varint((value << 1) ^ (value >> 31))


def tag(field: int, wire_type: int) -> bytes:
    """Return what a field begins with."""
    return _varint(field << 3 | wire_type)


def sized(payload: bytes) -> bytes:
    """Return a payload with its length before it."""
    return varint(len(payload)) + payload


def text(value: str) -> bytes:
    """Return a text in UTF-8; a lone surrogate, which has no such form, is written out as `redaction.writable` does."""
    try:
        return value.encode()
    except UnicodeEncodeError:
        return value.encode(errors="backslashreplace")


def fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Read a message: the number and the value of each field, in order; fixed numbers as their bytes.

    Raises:
        ValueError: these bytes are no message.
    """
    at, end = 0, len(message)
    while at < end:
        key, at = _read_varint(message, at)
        field, wire_type = key >> 3, key & 7
        if wire_type == VARINT:
            number, at = _read_varint(message, at)
            yield field, number
            continue
        if wire_type == LENGTH:
            size, at = _read_varint(message, at)
        elif wire_type in {FIXED64, FIXED32}:
            size = 8 if wire_type == FIXED64 else 4
        else:
            raise ValueError(f"wire type {wire_type} is not known")
        if at + size > end:
            raise ValueError("the message is cut off")
        yield field, message[at : at + size]
        at += size


def _read_varint(message: bytes, at: int) -> tuple[int, int]:
    value = 0
    for index, byte in enumerate(message[at : at + _LONGEST_VARINT]):
        value |= (byte & 0x7F) << 7 * index
        if byte < 0x80:  # noqa: PLR2004 - the bit that says more follows
            return value & (1 << 64) - 1, at + index + 1
    raise ValueError("a number does not end")
