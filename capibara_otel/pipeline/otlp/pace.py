"""Work in slices, so that the app's threads get their turn while telemetry is written."""

from __future__ import annotations

import time
from typing import Final

_A_MOMENT_S: Final = 50e-6


def let_others_run() -> None:
    """Give the interpreter away for a moment.

    A thread that only lets go of the interpreter has it back before the one that waits for it is awake; the waiting one
    asks again after the switch interval of 5 ms. So this one really sleeps: `time.sleep(0)`, `sched_yield` and `select`
    do not help on every version.
    """
    time.sleep(_A_MOMENT_S)
