"""The loggers that code calls, with structlog's interface."""

from __future__ import annotations

import asyncio
import contextvars
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final

from capibara_otel._safety import kept
from capibara_otel.logs.categories import Category, level_of
from capibara_otel.logs.lines import SOURCES, said
from capibara_otel.logs.output import Output
from capibara_otel.operation.context import current_context

_DEBUG: Final = 10
_INFO: Final = 20
_WARNING: Final = 30
_ERROR: Final = 40
_CRITICAL: Final = 50


class Route:
    """Where the lines of some loggers go. Changing it changes all of them, also those that somebody keeps.

    Args:
        output: where lines go.
        time_ns: the clock.
    """

    def __init__(self, output: Output, time_ns: Callable[[], int]) -> None:
        self.time_ns: Final = time_ns
        self.send_to(output)

    def send_to(self, output: Output) -> None:
        """Send lines there from now on."""
        self.output = output
        self.least = output.level.number


class BoundLogger:
    """A logger of one category, with fields that each of its lines has.

    It has the methods of structlog's `FilteringBoundLogger`: one per level, each with a twin for coroutines that
    begins with `a` and writes in another thread; positional values go into the message by `%`. A line that fails is
    dropped: the caller goes on, and nothing unredacted leaves.

    Args:
        route: where lines go.
        category: what they are about.
        fields: what each line has.
    """

    __slots__ = ("_category", "_context", "_route", "_sources")

    def __init__(self, route: Route, category: Category, fields: Mapping[str, Any]) -> None:
        self._route = route
        self._category = category
        self._sources = SOURCES[category]
        self._context = dict(fields)

    def __repr__(self) -> str:
        return f"<logger of {self._category} with {self._context!r}>"

    # --- fields

    def bind(self, **new_values: Any) -> BoundLogger:
        """Return a logger with more fields."""
        return BoundLogger(self._route, self._category, self._context | new_values)

    def unbind(self, *keys: str) -> BoundLogger:
        """Return a logger without some fields.

        Raises:
            KeyError: it has no such field.
        """
        for key in keys:
            self._context[key]
        return self.try_unbind(*keys)

    def try_unbind(self, *keys: str) -> BoundLogger:
        """Return a logger without some fields, whether it had them or not."""
        return self.new(**{key: value for key, value in self._context.items() if key not in keys})

    def new(self, **new_values: Any) -> BoundLogger:
        """Return a logger with these fields only."""
        return BoundLogger(self._route, self._category, new_values)

    # --- levels

    def is_enabled_for(self, level: int) -> bool:
        """Tell whether lines of a level are written.

        Args:
            level: the standard library's number.
        """
        return level >= self._route.least

    def get_effective_level(self) -> int:
        """Return the standard library's number of the lowest level that is written."""
        return self._route.least

    # --- lines

    def debug(self, /, event: Any, *args: Any, **kw: Any) -> None:
        """Write a line for whoever looks for a fault."""
        if self._route.least <= _DEBUG:
            self._say("debug", event, args, kw)

    def info(self, /, event: Any, *args: Any, **kw: Any) -> None:
        """Write a line about what goes as it should."""
        if self._route.least <= _INFO:
            self._say("info", event, args, kw)

    def warning(self, /, event: Any, *args: Any, **kw: Any) -> None:
        """Write a line about what somebody should look at."""
        if self._route.least <= _WARNING:
            self._say("warning", event, args, kw)

    def error(self, /, event: Any, *args: Any, **kw: Any) -> None:
        """Write a line about what failed."""
        if self._route.least <= _ERROR:
            self._say("error", event, args, kw)

    def critical(self, /, event: Any, *args: Any, **kw: Any) -> None:
        """Write a line about what makes the whole fail."""
        if self._route.least <= _CRITICAL:
            self._say("critical", event, args, kw)

    def exception(self, /, event: Any, *args: Any, **kw: Any) -> None:
        """Write a line about what failed, with the exception that is being handled."""
        kw.setdefault("exc_info", True)
        self.error(event, *args, **kw)

    def log(self, /, level: int, event: Any, *args: Any, **kw: Any) -> None:
        """Write a line of a level.

        Args:
            level: the standard library's number; one between two levels is the lower one.
            event: the message.
            args: what goes into it.
            kw: the fields.
        """
        if self._route.least <= level:
            self._say(level_of(level).value, event, args, kw)

    warn = warning
    err = error
    fatal = critical
    msg = info

    async def adebug(self, /, event: Any, *args: Any, **kw: Any) -> None:
        """Do as `debug`, in another thread."""
        await self._say_elsewhere(_DEBUG, event, args, kw)

    async def ainfo(self, /, event: Any, *args: Any, **kw: Any) -> None:
        """Do as `info`, in another thread."""
        await self._say_elsewhere(_INFO, event, args, kw)

    async def awarning(self, /, event: Any, *args: Any, **kw: Any) -> None:
        """Do as `warning`, in another thread."""
        await self._say_elsewhere(_WARNING, event, args, kw)

    async def aerror(self, /, event: Any, *args: Any, **kw: Any) -> None:
        """Do as `error`, in another thread."""
        await self._say_elsewhere(_ERROR, event, args, kw)

    async def acritical(self, /, event: Any, *args: Any, **kw: Any) -> None:
        """Do as `critical`, in another thread."""
        await self._say_elsewhere(_CRITICAL, event, args, kw)

    async def aexception(self, /, event: Any, *args: Any, **kw: Any) -> None:
        """Do as `exception`, in another thread."""
        kw.setdefault("exc_info", True)
        await self._say_elsewhere(_ERROR, event, args, kw)

    async def alog(self, /, level: int, event: Any, *args: Any, **kw: Any) -> None:
        """Do as `log`, in another thread."""
        await self._say_elsewhere(level, event, args, kw)

    awarn = awarning
    afatal = acritical
    amsg = ainfo

    async def _say_elsewhere(self, level: int, event: Any, args: tuple[Any, ...], fields: dict[str, Any]) -> None:
        if self._route.least > level:
            return
        if fields.get("exc_info") is True:  # the other thread is handling nothing
            fields["exc_info"] = sys.exc_info()
        here = contextvars.copy_context()
        say = asyncio.get_running_loop().run_in_executor
        await say(None, lambda: here.run(self._say, level_of(level).value, event, args, fields))

    def _say(self, level: str, event: Any, args: tuple[Any, ...], fields: dict[str, Any]) -> None:
        try:
            if args:  # one mapping holds values by name, as the standard library has it
                event = event % (args[0] if len(args) == 1 and isinstance(args[0], Mapping) and args[0] else args)
            if self._context:
                fields = self._context | fields
            route = self._route
            route.output.write(said(self._sources[level], route.time_ns(), event, fields, current_context()))
        except Exception as fault:
            if not kept("logs.line", fault):
                raise
