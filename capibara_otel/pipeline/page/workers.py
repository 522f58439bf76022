"""One page for several worker processes, whichever of them is asked."""

from __future__ import annotations

import logging
import os
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from capibara_otel._safety import shield
from capibara_otel.pipeline.page import places
from capibara_otel.pipeline.page.folder import ENDED, Folder
from capibara_otel.pipeline.page.group import Group
from capibara_otel.pipeline.page.processes import leader
from capibara_otel.pipeline.page.table import Snapshot

logger: Final = logging.getLogger(__name__)

_CHILD_WAITS_S: Final = 0.1
"""What a forked child waits before it joins: one that is about to run another program never does."""
_PARENT_WAITS_S: Final = 1.0
_SHARED_KEEPS_S: Final = 60.0
"""How long a shared directory keeps what ended processes counted while no process lives."""


@dataclass(slots=True, eq=False)
class _Here:
    """What is of this process, and not of a child it forks.

    Args:
        group: that it has joined.
        joining: held while it joins.
        closed: set when it joins no more.
        is_waiting: whether a thread waits to join.
        has_given_up: whether it could not join.
        led: the folder of the group that it would lead.
    """

    group: Group | None = None
    joining: threading.Lock = field(default_factory=threading.Lock)
    closed: threading.Event = field(default_factory=threading.Event)
    is_waiting: bool = False
    has_given_up: bool = False
    led: Path | None = None


class Workers:
    """The processes whose metrics are on this process' page, too.

    Counters and histograms are sums over all that are and were, sums that may fall those over all that are; of a gauge
    the value written last by one that is, where nothing else is said. Processes that began each other are recognised
    (`processes.leader`); one alone has no files, no sockets and no threads for this.

    Args:
        directory: shared by all processes that name it; by default those belong together that are recognised.
        patience_s: seconds a page waits at most for the other processes; of one that does not answer it has the last.
        series_limit: most series a family may have that stands for ended processes.
        time_ns: nanoseconds since 1970.
    """

    def __init__(
        self,
        directory: str | None = None,
        *,
        patience_s: float = 0.3,
        series_limit: int = 2000,
        time_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._directory: Final = directory
        self._patience_s: Final = patience_s
        self._series_limit: Final = series_limit
        self._time_ns: Final = time_ns
        self._own: Callable[[], Snapshot] | None = None
        self._is_open = False
        self._leader: int | None = None
        self._here = _Here()

    def attach(self, own: Callable[[], Snapshot]) -> None:
        """Say how a snapshot of this process is made."""
        self._own = own

    def start(self) -> None:
        """Join the group this process belongs to, if there is one; see to it that it is found when there is one later."""
        if not self._is_open:
            self._is_open = True
            self._leader = leader()
            _open.add(self)
            if self._directory is not None or self._leader is not None:
                self._join()

    def close(self) -> None:
        """Leave what was measured to the others, and the group. A folder that nobody will ask for is removed."""
        if not self._is_open:
            return
        here = self._here
        here.closed.set()
        group = here.group or (self._join() if self._group_is_there() else None)
        self._is_open, here.group = False, None
        _open.discard(self)
        if group is not None:
            with shield("page.workers"):
                group.leave()
                is_last = not any(map(group.folder.lives, group.folder.members()))
                if (
                    self._directory is None
                    and is_last
                    and (self._leader is None or places.leader_is_gone(group.folder))
                ):
                    group.folder.destroy()

    def snapshot(self) -> Snapshot | None:
        """Return what all processes of the group say together; None where this one is alone."""
        group = self._here.group
        if group is None and self._is_open and self._group_is_there():
            group = self._join()
        if group is not None:
            with shield("page.workers"):
                return group.snapshot()
        return None

    def after_fork(self) -> None:
        """Be another member of the parent's group, in a forked child."""
        group, self._here = self._here.group, _Here()
        if group is not None:
            group.forget()
        if self._is_open:
            self._leader = os.getppid() if self._leader is None else self._leader
            self._join_later(_CHILD_WAITS_S)

    def _group_is_there(self) -> bool:
        """Tell whether there is a group to join: for a process that leads one, as soon as its children have joined."""
        if self._directory is not None or self._leader is not None:
            return True
        here = self._here
        if here.led is None:
            here.led = places.folder_of(os.getpid())
        return here.led is not None and here.led.is_dir()

    def _folder(self) -> Folder | None:
        if self._directory is not None:
            return Folder(places.shared_folder(self._directory))
        if self._leader is None:
            path = places.folder_of(os.getpid())
        else:  # which may be one of several workers itself
            path = places.folder_with(self._leader) or places.folder_of(self._leader)
        return None if path is None else Folder(path)

    def _join(self) -> Group | None:
        here = self._here
        with here.joining, shield("page.workers"):
            if here.group is None and not here.has_given_up and self._own is not None:
                try:
                    here.group = self._joined(self._own)
                except (OSError, RuntimeError) as fault:
                    here.has_given_up = True
                    logger.warning(
                        "the metrics page of each worker shows that worker alone (%s); CAPIBARA_WORKERS_DIR may name a "
                        "folder that all of them can write to",
                        fault,
                    )
        return here.group

    def _joined(self, own: Callable[[], Snapshot]) -> Group | None:
        folder = self._folder()
        if folder is None:
            return None
        if self._directory is None:
            places.remove_left_behind()
        else:
            Path(self._directory).mkdir(parents=True, exist_ok=True)
            _empty_if_old(folder)
        group = Group(folder, own, patience_s=self._patience_s, series_limit=self._series_limit, time_ns=self._time_ns)
        group.fold()
        return group

    def _join_later(self, delay_s: float) -> None:
        here = self._here

        def wait() -> None:
            if not here.closed.wait(delay_s) and self._group_is_there():
                self._join()
            here.is_waiting = False

        if not here.is_waiting:
            here.is_waiting = True
            try:
                threading.Thread(target=wait, name="capibara-otel-workers", daemon=True).start()
            except RuntimeError:  # no more threads; the next page joins
                here.is_waiting = False

    def look_for_children(self) -> None:
        """Join what children of this process may begin, where it has just forked."""
        if self._here.group is None and self._leader is None and self._directory is None:
            self._join_later(_PARENT_WAITS_S)


def _empty_if_old(folder: Folder) -> None:
    """Empty a shared folder whose processes ended long ago: what begins now is another run."""
    folder.create()
    with folder.turn() as is_mine:
        members = folder.members()
        if is_mine and folder.age_s() > _SHARED_KEEPS_S and not any(map(folder.lives, members)):
            for each in (*members, ENDED):
                folder.remove(each)


_open: weakref.WeakSet[Workers] = weakref.WeakSet()


def _after_fork_in_parent() -> None:
    for workers in list(_open):
        workers.look_for_children()


os.register_at_fork(after_in_parent=_after_fork_in_parent)
