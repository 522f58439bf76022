"""After a fork the child starts from zero: no counts, no queues, no threads, no connections of its parent's."""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class Forkable(Protocol):
    """What has to start anew in a child."""

    def after_fork(self) -> None:
        """Start from nothing."""


def start_anew_in_children(forkable: Forkable) -> None:
    """Have it start anew in every child forked from now on, for as long as it exists.

    Hooks run in the order of their registration: those of the official SDK's providers must be registered before.
    """
    reference = weakref.ref(forkable)

    def after_in_child() -> None:
        existing = reference()
        if existing is not None:
            existing.after_fork()

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=after_in_child)
