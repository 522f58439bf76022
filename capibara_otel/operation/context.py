"""What travels with the current context: who a request is for, and which operation is running.

Both stand in the OpenTelemetry context, so they follow `await`, tasks, `asyncio.to_thread` and, once
`threads.follow_threads()` ran, threads and `ThreadPoolExecutor`.
"""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import context as otel
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.context.contextvars_context import ContextVarsRuntimeContext
from opentelemetry.trace import Span

from capibara_otel.semconv.attributes import ATTRIBUTES

if TYPE_CHECKING:
    from capibara_otel.operation.lifecycle import Operation

SCOPE: Final = "capibara_otel"
"""The instrumentation scope of everything that operations emit."""

NOBODY: Final[Mapping[str, str]] = MappingProxyType({})
"""What `who` returns where nobody was named."""

WHO: Final = otel.create_key("capibara_otel.context")
"""Key of what `who` returns."""
_MARK: Final = otel.create_key("capibara_otel.mark")
(_SPAN,) = trace.set_span_in_context(trace.INVALID_SPAN, Context())
"""OpenTelemetry's key of the current span, for contexts that are made in one go."""

# OpenTelemetry's functions; without the calls in between, where its context is in the usual place.
current_context: Callable[[], Context] = otel.get_current
attach: Callable[[Context], object] = otel.attach
_runtime: Final = getattr(otel, "_RUNTIME_CONTEXT", None)
_variable: Final = getattr(_runtime, "_current_context", None)
if type(_runtime) is ContextVarsRuntimeContext and isinstance(_variable, ContextVar):
    current_context, attach = _variable.get, _variable.set

KEYWORDS: Final[Mapping[str, str]] = MappingProxyType(
    {spec.context: spec.name for spec in ATTRIBUTES.values() if spec.context}
)
"""Attribute names by the keyword of `context()` that sets them."""


class Mark(weakref.ref["Operation"]):
    """Stands in the context of an operation; a weak reference that says whether the operation is current there.

    It keeps neither the context nor the operation alive.
    """

    __slots__ = ("active", "previous")

    active: bool
    previous: Context
    """The context around it."""

    @property
    def over(self) -> bool:
        """Whether to pass over it: an operation that ended or was suspended is over everywhere."""
        return not self.active


class BlockMark:
    """Stands in the context of a `context()` block.

    Args:
        previous: the context around it.
    """

    __slots__ = ("_owner", "active", "previous")

    def __init__(self, previous: Context) -> None:
        self.active = True
        self.previous = previous
        self._owner = _here()

    @property
    def over(self) -> bool:
        """Whether to pass over it here.

        A block is over only for the task or thread that ran it: work that was begun in it is still for whom it was for.
        """
        return not self.active and self._owner == _here()


class Marked(Context):
    """A context that was made here. What others derive from it is a plain context that names the same mark."""

    __slots__ = ("mark",)

    mark: Mark | BlockMark


def _here() -> tuple[int, int]:
    """Return what tells this task, or this thread outside of tasks, from others."""
    try:
        task = asyncio.current_task()
    except RuntimeError:
        task = None
    return threading.get_ident(), id(task)


def entered(operation: Any, previous: Context, around: Context, span: Span | None = None) -> Marked:
    """Return a context in which an operation is current.

    Args:
        operation: the `Operation`.
        previous: what is current after it.
        around: what else is in it.
        span: the operation's, if it has one that is not in there yet.
    """
    mark = Mark(operation)
    mark.active = True
    mark.previous = previous
    own = Marked({**around, _MARK: mark} if span is None else {**around, _SPAN: span, _MARK: mark})
    own.mark = mark
    return own


def spanned(around: Context, span: Span) -> Context:
    """Return a context with a span in it that is current nowhere."""
    return Context({**around, _SPAN: span})


def leave(own: Marked) -> None:
    """Have a context hold no longer, and go back to what surrounds it if it is current here."""
    mark = own.mark
    mark.active = False
    if current_context() is own:
        previous = mark.previous
        attach(live(previous) if type(previous) is Marked else previous)


def live(context: Context) -> Context:
    """Return the context, without what has ended at its top: operations, also suspended ones, and `context()` blocks.

    They may end in another task than they began in, or not in the order they began; the first task's context still
    names them.
    """
    while type(context) is Marked and not context.mark.active and context.mark.over:
        context = context.mark.previous
    return context


def current_operation(context: Context | None = None) -> Operation | None:
    """Return the innermost operation that is running here, if there is one."""
    mark = (current_context() if context is None else context).get(_MARK)
    while isinstance(mark, Mark | BlockMark):
        if type(mark) is Mark and mark.active:
            return mark()
        mark = mark.previous.get(_MARK)
    return None


def who(context: Context | None = None) -> Mapping[str, str]:
    """Return what `context()` set around here, by attribute name."""
    named: Any = (current_context() if context is None else context).get(WHO)
    return NOBODY if named is None else named


def with_who(values: Mapping[str, str], context: Context | None = None) -> Context:
    """Return a context in which the values are added to what is set already."""
    return otel.set_value(WHO, MappingProxyType({**who(context), **values}), context)


def put_context_on(span: Any, parent_context: Context | None = None) -> None:
    """Write user, session, tenant and so on to a span at its start; operations have them already.

    Args:
        span: one that just began, of the own tracer provider or of the official SDK.
        parent_context: the context it began in; the current one by default.
    """
    named = who(parent_context)
    if not named:
        return
    scope = getattr(span, "scope", None) or getattr(span, "instrumentation_scope", None)
    if getattr(scope, "name", None) != SCOPE:
        span.set_attributes(named)


@contextmanager
def belonging_to(values: Mapping[str, str]) -> Iterator[None]:
    """Add the values to what is set, for a block; leaving it late, or in another task or thread, is no fault."""
    around = live(current_context())
    mark = BlockMark(around)
    own = Marked({**around, WHO: MappingProxyType({**who(around), **values}), _MARK: mark})
    own.mark = mark
    attach(own)
    try:
        yield
    finally:
        leave(own)


@contextmanager
def attached(context: Context) -> Iterator[None]:
    """Make a context current for a block, whatever it holds."""
    before = current_context()
    attach(context)
    try:
        yield
    finally:
        if current_context() is context:
            attach(before)
