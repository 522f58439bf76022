"""One tracer or logger for each library."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Final, Generic, TypeVar

from opentelemetry.util.types import Attributes

from capibara_otel.pipeline.scope import Scope
from capibara_otel.pipeline.traces.values import UNLIMITED, cleaned

T = TypeVar("T")


class Scopes(Generic[T]):
    """Makes what belongs to a library once, and keeps it.

    Args:
        make: makes it for a scope.
    """

    def __init__(self, make: Callable[[Scope], T]) -> None:
        self._make: Final = make
        self._made: dict[tuple[str, str, str], list[tuple[Scope, T]]] = {}
        self.after_fork()

    def after_fork(self) -> None:
        """Let nobody wait in a forked child for a lock that a thread of the parent's held."""
        self._lock = threading.RLock()

    def get(self, name: str | None, version: str | None, schema_url: str | None, attributes: Attributes) -> T:
        """Return what belongs to a library: the same for the same name, version, schema and attributes."""
        key = (name or "", version or "", schema_url or "")
        usable, _ = cleaned(attributes, UNLIMITED, UNLIMITED)
        with self._lock:
            named = self._made.setdefault(key, [])
            for scope, made in named:
                if scope.attributes == usable:
                    return made
            scope = Scope(*key, usable)
            made = self._make(scope)
            named.append((scope, made))
            return made

    def __iter__(self) -> Iterator[T]:
        with self._lock:
            return iter([made for named in self._made.values() for _, made in named])
