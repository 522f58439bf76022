"""What travels with the current context: who a request is for, and which operation is running.

Both stand in the OpenTelemetry context, so they follow `await`, tasks, `asyncio.to_thread` and, once
`threads.follow_threads()` ran, threads and `ThreadPoolExecutor`.
"""

from __future__ import annotations

import asyncio
import threading
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
_MARK: Final = otel.create_key("capibara_otel.mark")
_NOBODY: Final[Mapping[str, str]] = MappingProxyType({})

KEYWORDS: Final[Mapping[str, str]] = MappingProxyType(
    {spec.context: spec.name for spec in ATTRIBUTES.values() if spec.context}
)
"""Attribute names by the keyword of `context()` that sets them."""


class Mark:
    """Stands in a context that was made here, and says whether it still holds and what it stands in.

    It keeps neither the context nor an operation alive.

    Args:
        previous: the context around it.
        operation: whose context it is, if an operation's.
    """

    __slots__ = ("_context", "active", "operation", "owner", "previous")

    def __init__(self, previous: Context, operation: weakref.ref[Operation] | None = None) -> None:
        self.operation = operation
        self.previous = previous
        self.active = True
        self.owner = _here() if operation is None else None
        self._context: weakref.ref[Context] | None = None

    @property
    def over(self) -> bool:
        """Whether to pass over it here.

        An operation that ended is over everywhere. A `context()` block is over only for the task or thread that ran
        it: work that was begun in it is still for whom it was for.
        """
        return not self.active and (self.owner is None or self.owner == _here())

    def enclose(self, context: Context) -> Context:
        """Return the context with this mark in it, and remember which one it is."""
        own = otel.set_value(_MARK, self, context)
        if self.operation is not None:
            own = otel.set_value(_RUNNING, self, own)
        self._context = weakref.ref(own)
        return own

    def owns(self, context: Context) -> bool:
        """Tell whether that very context is its own, not one derived from it."""
        return self._context is not None and self._context() is context


def _here() -> tuple[int, int]:
    """Return what tells this task, or this thread outside of tasks, from others."""
    try:
        task = asyncio.current_task()
    except RuntimeError:
        task = None
    return threading.get_ident(), id(task)


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
        self._mark = Mark(around, self._operation)
        self._mark.active = False
        self.own = self._mark.enclose(inside)

    def enter(self) -> None:
        """Make the operation current here."""
        if self._mark.active and otel.get_current() is self.own:
            return
        self._mark.active = False
        self._mark = Mark(live(), self._operation)
        self.own = self._mark.enclose(self._inside)
        otel.attach(self.own)

    def leave(self) -> None:
        """Make the operation current nowhere, and what surrounds it here current again, if it is current here."""
        self._mark.active = False
        if otel.get_current() is self.own:
            otel.attach(live(self.own))


def live(context: Context | None = None) -> Context:
    """Return the context, without what has ended at its top: operations, also suspended ones, and `context()` blocks.

    They may end in another task than they began in, or not in the order they began; the first task's context still
    names them.
    """
    current = otel.get_current() if context is None else context
    while isinstance(mark := otel.get_value(_MARK, current), Mark) and mark.over and mark.owns(current):
        current = mark.previous
    return current


def current_operation(context: Context | None = None) -> Operation | None:
    """Return the innermost operation that is running here, if there is one."""
    mark = otel.get_value(_RUNNING, context)
    while isinstance(mark, Mark) and not mark.active:
        mark = otel.get_value(_RUNNING, mark.previous)
    return mark.operation() if isinstance(mark, Mark) and mark.operation is not None else None


def who(context: Context | None = None) -> Mapping[str, str]:
    """Return what `context()` set around here, by attribute name."""
    value = otel.get_value(_WHO, context)
    return value if isinstance(value, Mapping) else _NOBODY


def with_who(values: Mapping[str, str], context: Context | None = None) -> Context:
    """Return a context in which the values are added to what is set already."""
    return otel.set_value(_WHO, MappingProxyType({**who(context), **values}), context)


@contextmanager
def belonging_to(values: Mapping[str, str]) -> Iterator[None]:
    """Add the values to what is set, for a block; leaving it late, or in another task or thread, is no fault."""
    around = live()
    mark = Mark(around)
    own = mark.enclose(with_who(values, around))
    otel.attach(own)
    try:
        yield
    finally:
        mark.active = False
        if otel.get_current() is own:
            otel.attach(live(own))


@contextmanager
def attached(context: Context) -> Iterator[None]:
    """Make a context current for a block, whatever it holds."""
    before = otel.get_current()
    otel.attach(context)
    try:
        yield
    finally:
        if otel.get_current() is context:
            otel.attach(before)
