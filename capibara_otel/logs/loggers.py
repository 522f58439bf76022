"""`cap.log`: one structlog logger per category."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, cast

import structlog
from structlog.typing import FilteringBoundLogger

from capibara_otel.logs import processors
from capibara_otel.logs.categories import Category
from capibara_otel.logs.output import Output


class _Sink:
    """The end of the chain as structlog wants it: an object with a method per level."""

    def __init__(self, output: Output) -> None:
        self._output = output

    def _write(self, **line: Any) -> None:
        self._output.write(line)

    debug = info = warning = error = critical = exception = msg = _write


class _Kept:
    """Stands for the logger of a category, as it is now: modules keep loggers from before anything is configured."""

    def __init__(self, loggers: Mapping[str, FilteringBoundLogger], category: Category) -> None:
        self._loggers = loggers
        self._category = category

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loggers[self._category], name)


class Logs:
    """The loggers. Each takes a message and named fields: `cap.log.rag.warning("index is stale", age_hours=31)`.

    The fields `timestamp`, `level`, `category` and `message` are the line's own; giving them changes nothing.

    Args:
        output: where lines go.
        time_ns: the clock.
    """

    def __init__(self, output: Output, time_ns: Callable[[], int]) -> None:
        self._time_ns = time_ns
        self._loggers: Final[dict[str, FilteringBoundLogger]] = {}
        self._kept: Final = {
            category: cast("FilteringBoundLogger", _Kept(self._loggers, category)) for category in Category
        }
        self.send_to(output)

    def send_to(self, output: Output) -> None:
        """Send all lines there from now on, also those of loggers that somebody keeps."""
        self.output = output
        self._loggers.update({category: self._logger(category, output) for category in Category})

    def of(self, category: Category | str) -> FilteringBoundLogger:
        """Return the logger of a category.

        Raises:
            ValueError: there is no such category.
        """
        return self._kept[Category(category)]

    def _logger(self, category: Category, output: Output) -> FilteringBoundLogger:
        bound = structlog.wrap_logger(
            _Sink(output),
            processors=[processors.Line(self._time_ns, category.value)],
            wrapper_class=structlog.make_filtering_bound_logger(output.level.number),
            context_class=dict,
            cache_logger_on_first_use=False,
        )
        return cast("FilteringBoundLogger", bound.bind())

    @property
    def system(self) -> FilteringBoundLogger:
        """The machine, the process, start and stop."""
        return self._kept[Category.SYSTEM]

    @property
    def api(self) -> FilteringBoundLogger:
        """Requests."""
        return self._kept[Category.API]

    @property
    def routing(self) -> FilteringBoundLogger:
        """Choices of models."""
        return self._kept[Category.ROUTING]

    @property
    def ace(self) -> FilteringBoundLogger:
        """Context engineering."""
        return self._kept[Category.ACE]

    @property
    def e2b(self) -> FilteringBoundLogger:
        """Sandboxes."""
        return self._kept[Category.E2B]

    @property
    def rag(self) -> FilteringBoundLogger:
        """Retrieval."""
        return self._kept[Category.RAG]

    @property
    def agents(self) -> FilteringBoundLogger:
        """Agents, and the model calls they make."""
        return self._kept[Category.AGENTS]

    @property
    def optimizations(self) -> FilteringBoundLogger:
        """Caches, batches and other savings."""
        return self._kept[Category.OPTIMIZATIONS]

    @property
    def business(self) -> FilteringBoundLogger:
        """Queries, users, satisfaction."""
        return self._kept[Category.BUSINESS]

    @property
    def security(self) -> FilteringBoundLogger:
        """Who was let in and who was not."""
        return self._kept[Category.SECURITY]

    @property
    def performance(self) -> FilteringBoundLogger:
        """What is slow."""
        return self._kept[Category.PERFORMANCE]
