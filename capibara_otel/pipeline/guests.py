"""What others brought: processors and readers handed in, and an app's own providers. They may ignore their deadlines."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, Final

from capibara_otel.pipeline.part import WorkerPart
from capibara_otel.pipeline.worker import Occasion, Worker

logger: Final = logging.getLogger(__name__)


class Guests(WorkerPart):
    """Flushes and closes them in a thread of its own, so that nobody waits longer than he wants.

    The thread is there from the start, for none can be started once the interpreter exits.

    Args:
        flushes: called for a flush and before closing; False or an exception is a failure.
        closes: called a last time.
    """

    def __init__(self, flushes: Sequence[Callable[[], Any]], closes: Sequence[Callable[[], Any]]) -> None:
        self._flushes: Final = tuple(flushes)
        self._closes: Final = tuple(closes)
        super().__init__(Worker("capibara-otel-guests", self._run, delay_s=None))

    def finish(self, timeout_s: float) -> bool:
        """Wait until they are closed.

        Args:
            timeout_s: seconds to wait at most.

        Returns:
            Whether they are.
        """
        in_time = self._worker.join(timeout_s)
        if not in_time:
            logger.warning("the app's own processors did not close in time")
        return in_time

    def _run(self, occasion: Occasion) -> bool:
        calls = self._flushes + self._closes if occasion == "stop" else self._flushes
        answers = [self._call(each) for each in calls]
        return all(answers)

    def _call(self, each: Callable[[], Any]) -> bool:
        try:
            return each() is not False
        except Exception:
            logger.exception("a processor of the app failed to flush or to close")
            return False
