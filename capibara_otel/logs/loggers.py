"""`cap.log`: one logger per category."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from capibara_otel.logs.bound import BoundLogger, Route
from capibara_otel.logs.categories import Category
from capibara_otel.logs.output import Output


class Logs:
    """The loggers. Each takes a message and named fields: `cap.log.rag.warning("index is stale", age_hours=31)`.

    The fields `timestamp`, `level`, `category` and `message` are the line's own; giving them changes nothing.

    Args:
        output: where lines go.
        time_ns: the clock.
    """

    def __init__(self, output: Output, time_ns: Callable[[], int]) -> None:
        self.route: Final = Route(output, time_ns)
        self._loggers: Final = {category: BoundLogger(self.route, category, {}) for category in Category}
        self.system: Final = self._loggers[Category.SYSTEM]
        """The machine, the process, start and stop."""
        self.api: Final = self._loggers[Category.API]
        """Requests."""
        self.routing: Final = self._loggers[Category.ROUTING]
        """Choices of models."""
        self.ace: Final = self._loggers[Category.ACE]
        """Context engineering."""
        self.e2b: Final = self._loggers[Category.E2B]
        """Sandboxes."""
        self.rag: Final = self._loggers[Category.RAG]
        """Retrieval."""
        self.agents: Final = self._loggers[Category.AGENTS]
        """Agents, and the model calls they make."""
        self.optimizations: Final = self._loggers[Category.OPTIMIZATIONS]
        """Caches, batches and other savings."""
        self.business: Final = self._loggers[Category.BUSINESS]
        """Queries, users, satisfaction."""
        self.security: Final = self._loggers[Category.SECURITY]
        """Who was let in and who was not."""
        self.performance: Final = self._loggers[Category.PERFORMANCE]
        """What is slow."""

    @property
    def output(self) -> Output:
        """Where lines go."""
        return self.route.output

    def send_to(self, output: Output) -> None:
        """Send all lines there from now on, also those of loggers that somebody keeps."""
        self.route.send_to(output)

    def of(self, category: Category | str) -> BoundLogger:
        """Return the logger of a category.

        Raises:
            ValueError: there is no such category.
        """
        return self._loggers[Category(category)]
