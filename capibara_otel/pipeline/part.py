"""A part of the pipeline whose work one thread of its own does."""

from __future__ import annotations

from capibara_otel.pipeline.worker import Worker


class WorkerPart:
    """What such parts have in common; `close` and the flushes do not wait, `finish` differs.

    Args:
        worker: does the work.
    """

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def ask_flush(self) -> int:
        """Have everything sent that is there; answers a ticket."""
        return self._worker.ask_flush()

    def wait_flush(self, ticket: int, timeout_s: float) -> bool:
        """Wait for a flush; see `Worker.wait_flush`."""
        return self._worker.wait_flush(ticket, timeout_s)

    def close(self) -> None:
        """Have the work done a last time."""
        self._worker.stop()

    def after_fork(self) -> None:
        """Start the thread anew in a forked child."""
        self._worker.after_fork()
