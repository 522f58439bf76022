"""What travels with the current context: who a request is for, and which operation is running.

Both stand in the OpenTelemetry context, so they follow `await`, tasks, `asyncio.to_thread` and, once
`threads.follow_executors()` ran, `ThreadPoolExecutor`.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from opentelemetry import context as otel
from opentelemetry.context import Context

from capibara_otel.semconv.attributes import ATTRIBUTES

if TYPE_CHECKING:
    from capibara_otel.operation.lifecycle import Operation

_WHO: Final = otel.create_key("capibara_otel.context")
_RUNNING: Final = otel.create_key("capibara_otel.operation")
_NOBODY: Final[Mapping[str, str]] = MappingProxyType({})

KEYWORDS: Final[Mapping[str, str]] = MappingProxyType(
    {spec.context: spec.name for spec in ATTRIBUTES.values() if spec.context}
)
"""Attribute names by the keyword of `context()` that sets them."""


class Running:
    """Marks an operation in a context without keeping the operation, or the context, alive."""

    __slots__ = ("_context", "active", "operation", "previous")

    def __init__(self, operation: weakref.ref[Operation], previous: Context) -> None:
        self.operation = operation
        self.previous = previous
        self.active = True
        self._context: weakref.ref[Context] | None = None

    def enclose(self, context: Context) -> Context:
        """Return the context with this mark in it, and remember which one it is."""
        own = otel.set_value(_RUNNING, self, context)
        self._context = weakref.ref(own)
        return own

    def owns(self, context: Context) -> bool:
        """Tell whether that very context is the operation's own, not one derived from it."""
        return self._context is not None and self._context() is context


class Place:
    """Where an operation stands: the context in which it is current, and what surrounds it there.

    Each time it steps in somewhere the mark is a new one, so that surroundings never form a circle.

    Args:
        operation: the operation.
        around: the context it began in.
        inside: that context with the operation's span.
    """

    def __init__(self, operation: Operation, around: Context, inside: Context) -> None:
        self._operation = weakref.ref(operation)
        self._inside = inside
        self._mark = Running(self._operation, around)
        self._mark.active = False
        self.own = self._mark.enclose(inside)

    def enter(self) -> None:
        """Make the operation current here."""
        if self._mark.active and otel.get_current() is self.own:
            return
        self._mark.active = False
        self._mark = Running(self._operation, live())
        self.own = self._mark.enclose(self._inside)
        otel.attach(self.own)

    def leave(self) -> None:
        """Make the operation current nowhere, and what surrounds it here current again, if it is current here."""
        self._mark.active = False
        if otel.get_current() is self.own:
            otel.attach(live(self.own))


def live(context: Context | None = None) -> Context:
    """Return the context, without those operations at its top that have ended or were suspended.

    An operation may end in another task than it began in; the first task's context still names it.
    """
    current = otel.get_current() if context is None else context
    while isinstance(mark := otel.get_value(_RUNNING, current), Running) and not mark.active and mark.owns(current):
        current = mark.previous
    return current


def current_operation(context: Context | None = None) -> Operation | None:
    """Return the innermost operation that is running here, if there is one."""
    mark = otel.get_value(_RUNNING, context)
    while isinstance(mark, Running) and not mark.active:
        mark = otel.get_value(_RUNNING, mark.previous)
    return mark.operation() if isinstance(mark, Running) else None


def who(context: Context | None = None) -> Mapping[str, str]:
    """Return what `context()` set around here, by attribute name."""
    value = otel.get_value(_WHO, context)
    return value if isinstance(value, Mapping) else _NOBODY


def with_who(values: Mapping[str, str], context: Context | None = None) -> Context:
    """Return a context in which the values are added to what is set already."""
    return otel.set_value(_WHO, MappingProxyType({**who(context), **values}), context)


@contextmanager
def attached(context: Context) -> Iterator[None]:
    """Make a context current for a block; leaving it from another task or thread is no fault."""
    before = otel.get_current()
    otel.attach(context)
    try:
        yield
    finally:
        if otel.get_current() is context:
            otel.attach(before)
