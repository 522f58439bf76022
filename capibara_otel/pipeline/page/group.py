"""A group of processes whose metrics are one page: this process as one of them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from capibara_otel._safety import Once
from capibara_otel.pipeline.page.asking import Answerer, Questions
from capibara_otel.pipeline.page.codec import Decoded, Decoder, Encoder, as_doubles
from capibara_otel.pipeline.page.folder import ENDED, Folder, Member
from capibara_otel.pipeline.page.merge import Merger, Stamps
from capibara_otel.pipeline.page.table import Snapshot

logger: Final = logging.getLogger(__name__)

_MOST_READINGS: Final = 5


class Group:
    """Joins a group; the others see this process from then on.

    What any page has shown is in a file before it is shown, and only ever replaced by what was measured later: so
    counters do not fall, whoever is asked and whatever ends a process.

    Args:
        folder: of the group.
        own: makes a snapshot of this process.
        patience_s: seconds to wait at most for others, or for another page of this process.
        series_limit: most series a family may have that stands for ended processes.
        time_ns: nanoseconds since 1970.

    Raises:
        OSError: the folder, the lock or the socket cannot be had.
        RuntimeError: there can be no further thread.
    """

    def __init__(
        self,
        folder: Folder,
        own: Callable[[], Snapshot],
        *,
        patience_s: float,
        series_limit: int,
        time_ns: Callable[[], int],
    ) -> None:
        self.folder: Final = folder
        self._own: Final = own
        self._patience_s: Final = patience_s
        self._time_ns: Final = time_ns
        self._said: Final = Once()
        self._encoder: Final = Encoder()
        self._decoder: Final = Decoder()
        self._stamps: Final = Stamps()
        self._merger: Final = Merger(self._said)
        self._ended_merger: Final = Merger(self._said, limit=series_limit)
        self._refreshing: Final = threading.Lock()
        self._last: Snapshot | None = None
        self._last_began = float("-inf")
        self._left: Final = threading.Event()
        self._member: Final = Member(folder)
        self._answerer: Answerer | None = None
        try:
            self._answerer = Answerer(folder.socket(self._member.name), self.refresh)
        except BaseException:
            self._member.leave()
            folder.remove(self._member.name)
            raise

    def snapshot(self) -> Snapshot:
        """Return what all members say together."""
        until = time.monotonic() + self._patience_s
        others = self._others()
        questions = Questions(map(self.folder.socket, others))
        own = self.refresh()
        self.fold(others)
        answered = questions.wait(until)
        live, ended = self._read({path.stem for path in answered})
        self._decoder.forget_unused()
        return self._merger.merge(live if own is None else [own, *live], ended)

    def refresh(self) -> Snapshot | None:
        """Leave a new snapshot of this process, one at a time; whoever asked before one was begun shares it.

        Returns:
            What was left last; None where that takes too long and there is none yet.
        """
        asked = time.monotonic()
        if not self._refreshing.acquire(timeout=self._patience_s):
            return self._last
        try:
            if self._last_began < asked and not self._left.is_set():
                began = time.monotonic()
                snapshot = self._own()
                if self._last is not None and not snapshot.table.families:
                    return self._last  # a collection that took too long has nothing
                snapshot.values = as_doubles(snapshot.values)
                snapshot.stamps = self._stamps.of(snapshot, self._time_ns())
                if self._left.is_set():  # meanwhile, because this took too long
                    return self._last
                self._write(snapshot)
                self._last, self._last_began = snapshot, began
            return self._last
        finally:
            self._refreshing.release()

    def fold(self, members: Iterable[str] | None = None) -> None:
        """Add what ended members have left to what those before them had, so that the folder does not grow.

        Args:
            members: to look at; all others by default.
        """
        gone = [each for each in (self._others() if members is None else members) if self.folder.has_ended(each)]
        if not gone:
            return
        try:
            self._fold(gone)
        except OSError as fault:  # they stay on the page one by one
            self._say_unwritten(fault)

    def _fold(self, gone: Sequence[str]) -> None:
        with self.folder.turn() as is_mine:
            if not is_mine:
                return
            before = self._decoded(ENDED)
            done = frozenset() if before is None else before.folded
            found = [self._decoded(each) for each in gone if each not in done]
            snapshots = [each.snapshot for each in (before, *found) if each is not None]
            if any(each is not None for each in found):
                merged = self._ended_merger.merge((), snapshots)
                there = done.intersection(self.folder.members())
                self.folder.write(ENDED, Encoder().encode(merged, there.union(gone)))
            for each in gone:
                self.folder.remove(each)

    def leave(self) -> None:
        """Leave a last snapshot, and the group. From then on others may add it to what the ended have left."""
        try:
            self.refresh()
        finally:
            has_turn = self._refreshing.acquire(timeout=self._patience_s)
            self._left.set()
            if has_turn:
                self._refreshing.release()
            if self._answerer is not None:
                self._answerer.stop()
            self._member.leave()

    def forget(self) -> None:
        """Leave all to the parent, in a forked child."""
        if self._answerer is not None:
            self._answerer.forget()
        self._member.leave()

    def _others(self) -> list[str]:
        return [each for each in self.folder.members() if each != self._member.name]

    def _read(self, answered: set[str]) -> tuple[list[Snapshot], list[Snapshot]]:
        """Return the snapshots of the others that live, and of those that have ended."""
        live: list[Snapshot] = []
        ended: list[Snapshot] = []
        for _ in range(_MOST_READINGS):
            mark = self.folder.mark_of_ended()
            folded = self._decoded(ENDED)
            live, ended = [], [] if folded is None else [folded.snapshot]
            for each in self._others():
                if folded is not None and each in folded.folded:
                    continue
                found = self._decoded(each)
                if found is not None:
                    lives = each in answered or self.folder.lives(each)
                    (live if lives else ended).append(found.snapshot)
            if mark == self.folder.mark_of_ended():  # else somebody has folded meanwhile: not twice, and not too little
                break
        return live, ended

    def _decoded(self, member: str) -> Decoded | None:
        data = self.folder.read(member)
        if data is None:
            return None
        try:
            return self._decoder.decode(data)
        except ValueError as fault:
            if self._said.first(member):
                logger.warning("the metrics page leaves out what worker %s has measured: %s", member, fault)
            return None

    def _write(self, snapshot: Snapshot) -> None:
        """Leave a snapshot; where the disk is full, a page has what was measured all the same."""
        try:
            self._stay()
            self.folder.write(self._member.name, self._encoder.encode(snapshot))
        except OSError as fault:
            self._say_unwritten(fault)

    def _say_unwritten(self, fault: OSError) -> None:
        if self._said.first("unwritten"):
            logger.warning("what this worker has measured is not kept for the other workers' metrics page: %s", fault)

    def _stay(self) -> None:
        """Be a member still, though a program that tidies up may have removed the files."""
        self._member.keep()
        if self._answerer is not None and not self._answerer.is_reachable:
            self._answerer.stop()
            self._answerer = Answerer(self.folder.socket(self._member.name), self.refresh)
